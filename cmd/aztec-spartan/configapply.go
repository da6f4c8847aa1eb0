package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// apply writes what config decided. The unit comes last: until it is in
// place nothing that runs, or starts at boot, has changed.
func (a *app) apply(ctx context.Context, p *configPlan) error {
	inst, state, active, r, running := p.inst, p.state, p.active.Generation, p.rendered, p.running
	if err := a.files().Drop(inst.Name); err != nil { // of a roll that was recorded and never begun
		return err
	}
	state.Intent = nil
	if err := a.writeConfig(ctx, p); err != nil {
		return err
	}
	if r == nil {
		if err := a.saveInstance(inst); err != nil {
			return err
		}
		a.print("%s is configured; its image is fetched at the first start", inst.Name)
		return nil
	}
	changed := p.sec.changed()
	current, err := a.files().Read(inst.Name, active)
	stale, fresh := changed, a.upToDate(ctx, p)
	if active == 0 || err != nil || !r.same(current, active) {
		stale = stale || err != nil || !r.votesOnly(current, active, inst)
		changed = true
		if p.roll != nil && active != 0 && (running && stale || p.switches()) {
			return a.recordConfig(ctx, p, state)
		}
		if err := a.switchOffline(ctx, inst.Name, &state, active, r); err != nil {
			return err
		}
	}
	if p.vote {
		if err := a.vote(ctx, p); err != nil {
			a.note("warning: the running node of %s does not know its payload yet: %v", inst.Name, err)
		} else {
			a.print("the running node of %s votes for %s now", inst.Name, orDefault(inst.Payload, profiles.NoPayload))
			running = stale || !fresh
			if changed && !running {
				return a.keepsUp(ctx, p)
			}
		}
	}
	a.sayConfigured(p, changed, running)
	return nil
}

// writeConfig writes all but the unit.
func (a *app) writeConfig(ctx context.Context, p *configPlan) error {
	inst := p.inst
	if err := os.MkdirAll(a.path(instancePath(inst.Name, "")), 0o750); err != nil {
		return fmt.Errorf("configuring %s: %w", inst.Name, err)
	}
	if err := a.ensureUser(ctx, inst.Name); err != nil {
		return err
	}
	if p.migration != nil {
		if err := a.backup(inst.Name, time.Now()); err != nil {
			return err
		}
	}
	if err := a.moveData(ctx, p); err != nil {
		return err
	}
	if p.policy {
		// No unit depends on it: it holds at once, and with whatever is in place.
		if err := a.savePolicy(inst); err != nil {
			return err
		}
	}
	var env []byte
	if p.rendered != nil {
		env = p.rendered.secretEnv
	}
	if err := a.saveSecrets(ctx, inst.Name, p.sec, env); err != nil {
		return err
	}
	return a.keepPolicy(inst, p.active.Generation)
}

// sayConfigured says what has changed, and what is to be done for it to hold: a
// node that runs has to be started again.
func (a *app) sayConfigured(p *configPlan, changed, runs bool) {
	inst, sec := p.inst, p.sec
	switch {
	case !changed && sec.reform():
		a.print("%s: only the form of its keystore on disk changed; no restart is needed", inst.Name)
	case !changed && p.policy:
		a.print("%s: what updates may do is changed, and holds from now on; no restart is needed", inst.Name)
	case !changed && sec.movesAdmin():
		a.print("%s: nothing else to change; no restart is needed", inst.Name) // of that key it was told
	case !changed:
		a.print("%s: nothing to change", inst.Name)
	case runs:
		a.print("%s is configured: restart needed (aztec-spartan restart %s)", inst.Name, inst.Name)
	default:
		a.print("%s is configured (%s, %s); next: aztec-spartan start %s", inst.Name, inst.Role, p.rendered.Version, inst.Name)
	}
}

// switchOffline adds a generation and puts it in place without touching what
// runs.
func (a *app) switchOffline(ctx context.Context, name string, state *roll.State, active int, r *rendered) error {
	state.Unit = r.unit
	if old, ok := state.Generation(active); ok && old.Image != r.Image {
		state.Previous = active
	}
	if err := a.files().Add(name, state, r.Generation, r.Content); err != nil {
		return err
	}
	if err := a.files().Activate(name, r.unit, r.Number); err != nil {
		return err
	}
	return a.reload(ctx)
}
