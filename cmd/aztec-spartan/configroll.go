package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
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
	case p.old == nil || !p.running:
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

// recordConfig adds the generation and records the roll to it. The settings of
// instance.toml change with the unit.
func (a *app) recordConfig(p *configPlan, state roll.State) error {
	name, r := p.inst.Name, p.rendered
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
		a.print("%s is configured and runs with it, down for %.1f s", name, out.DowntimeSeconds)
	}
	return nil
}
