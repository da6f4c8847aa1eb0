package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// canApply refuses a change that a way back could not take back: keys and data
// are no part of a generation.
func (a *app) canApply(p *configPlan) error {
	what := ""
	switch {
	case !a.live():
		return withCode(exitUnsupported, errors.New("config --apply: --root never talks to systemd"))
	case p.old == nil || !p.running && !p.switches():
		return nil // nothing runs that could be restarted
	case p.sec.changed() || p.sec.reform():
		what = "the keys of a node"
	case p.move != nil:
		what = "the directory of its data"
	default:
		return nil
	}
	err := usage(fmt.Errorf("configuring %s: --apply would not put %s back", p.inst.Name, what))
	return withHint(err, "without --apply, and then aztec-spartan restart %s", p.inst.Name)
}

// switches reports whether another image is to take the place of the one that
// the instance has.
func (p *configPlan) switches() bool {
	return p.rendered != nil && p.active.Image != "" && p.rendered.Image != p.active.Image
}

// canSwitch refuses another image without a roll: what config puts in place the
// next start takes, whatever that image does to the data, and whether or not it
// knows what was signed. written is the image that instance.toml has.
func canSwitch(p *configPlan, written string) error {
	if !p.switches() {
		return nil
	}
	to, name, first := p.inst.Image, p.inst.Name, ""
	if tag := tagOf(to); tag != "" && !strings.Contains(to, "@") && repositoryOf(to) == repositoryOf(p.active.Reference) {
		to = tag
	}
	if written != p.active.Reference { // an update wants settings that are applied
		first = fmt.Sprintf("image = %q in instance.toml, and then ", p.active.Reference)
	}
	err := usage(fmt.Errorf("configuring %s: it has %s, and another version takes its place in a roll only, which looks after data and signing", name, p.active.Version))
	return withHint(err, "%saztec-spartan update %s --to %s; where the settings have to change with the version, config with --apply", first, name, to)
}

// recordConfig adds the generation and records the roll to it. The settings of
// instance.toml change with the unit.
func (a *app) recordConfig(ctx context.Context, p *configPlan, state roll.State) error {
	name, r := p.inst.Name, p.rendered
	img, err := a.have(r.Image)
	if err != nil {
		return err
	}
	a.fetchAhead(ctx, img, r)
	state.Unit = r.unit
	gate, err := a.gate(*p.roll)
	if err != nil {
		return err
	}
	in := &roll.Intent{Kind: roll.Config, From: p.active.Generation, To: r.Number, Requested: time.Now().UTC(), Gate: gate}
	from, _ := state.Generation(in.From) // it is in place, so it is listed
	if in.Data, err = a.dataPlan(name, state, from, r.Generation, false); err != nil {
		return err
	}
	if in.Busy, err = a.busyPlan(*p.roll); err != nil {
		return err
	}
	if err := a.files().Add(name, &state, r.Generation, r.Content); err != nil {
		return err
	}
	state.Intent = in
	if err := a.files().Save(name, state); err != nil {
		return err
	}
	p.recorded = true
	return nil
}

// badRoll are flags that say something of a restart that there is not.
func (f configFlags) badRoll() error {
	if !f.applies && (f.now || f.settle != 0) {
		return usage(errors.New("--now and --settle belong to --apply"))
	}
	if f.settle < 0 {
		return usage(errors.New("--settle must not be negative"))
	}
	return nil
}

// carryOutConfig carries out what recordConfig has recorded, one instance after
// the other. No lock is held any more: the engine takes them.
func (a *app) carryOutConfig(ctx context.Context, plans []*configPlan) error {
	for _, p := range plans {
		if !p.recorded {
			continue
		}
		name := p.inst.Name
		out, err := a.carryOut(ctx, name)
		if err != nil {
			return err
		}
		if err := outcomeError(name, out); err != nil {
			a.note("the settings that were tried are kept in %s", filepath.Join(stateDir, name, fmt.Sprint(p.rendered.Number), "instance.toml"))
			return err
		}
		if !p.running {
			a.print("%s is configured (%s, %s); next: aztec-spartan start %s", name, p.inst.Role, p.rendered.Version, name)
			continue
		}
		a.print("%s is configured and runs with it, down for %.1f s", name, out.DowntimeSeconds)
	}
	return nil
}
