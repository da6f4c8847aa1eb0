package roll

import (
	"context"
	"errors"
	"fmt"

	"github.com/aztec-spartan/aztec-spartan/units/data"
)

// step is a part of a roll. The steps are done in their order, and undone in
// the opposite one.
//
// An undo is called whether or not its step was done, and perhaps for a second
// time: an engine that takes back what another began does not know how far
// that one came. So it looks at what there is, and changes that only where it
// is not as before the roll. What it cannot put right it says by fails, and
// the undos of the steps before it are called nevertheless.
type step struct {
	name  string
	do    func(ctx context.Context) error
	undo  func(ctx context.Context)
	files bool // its undo is about files only: at boot it is called before anything runs
}

// steps are those between the intent and the outcome.
func (r *run) steps() []step {
	return []step{
		{name: "stop", do: r.stopOld, undo: r.startOld},
		{name: "data", do: r.keepData, undo: r.giveBack, files: true},
		{name: "switch", do: r.putNew, undo: r.putOld, files: true},
		{name: "start", do: r.startNew, undo: r.stopNew},
		{name: "gate", do: r.proveNew, undo: nothing},
		{name: "dependents", do: r.startDependents, undo: nothing},
	}
}

// nothing is the undo of a step that changes nothing, or nothing of its own.
func nothing(context.Context) {}

// stopOld stops the old version, if it runs. Where nothing is done between the
// stop and the switch, the switch comes before it: a process that runs does
// not mind, and the node is not down while files are synced and systemd reads
// all units again. Should the old version crash in that moment, the new one is
// started somewhat early. Where nothing is to be looked at either, the start
// stops it.
func (r *run) stopOld(ctx context.Context) error {
	if !r.state.Intent.WasActive {
		return nil
	}
	if r.asIs() {
		if err := r.putNew(ctx); err != nil {
			return err
		}
		if r.atOnce = r.first != "" && r.settled(); r.atOnce {
			return nil
		}
	}
	return r.stop(ctx)
}

// asIs reports whether nothing is to be done between the stop and the switch:
// the new version opens all data as they are, and knows what was signed.
func (r *run) asIs() bool {
	p := r.state.Intent.Data
	if p.Method != DataAsIs || p.Older || r.state.NoSigning != nil {
		return false
	}
	d, err := r.openData()
	if d == nil || err != nil {
		return err == nil
	}
	defer d.Close()
	versions, err := d.Versions()
	signed, there := versions[data.Protection]
	return err == nil && (!there || p.ToSigns == 0 || signed.Schema > 0 && signed.Schema <= p.ToSigns)
}

// putNew activates the new generation.
func (r *run) putNew(ctx context.Context) error {
	if r.placed {
		return nil
	}
	if err := r.Files.Activate(r.instance, r.state.Unit, r.to.Number); err != nil {
		return err
	}
	if err := r.Manager.Reload(ctx); err != nil {
		return err
	}
	r.placed = true
	r.say("generation %d (%s) is in place", r.to.Number, r.to.Version)
	return nil
}

// startNew starts the new version. An instance that was stopped stays so.
func (r *run) startNew(ctx context.Context) error {
	if !r.state.Intent.WasActive {
		r.say("%s was stopped and stays stopped", r.state.Unit)
		return nil
	}
	if r.atOnce {
		return r.replace(ctx)
	}
	// Data may have been copied for hours. Of a stop meanwhile nothing is to be
	// seen but that the unit was disabled, too.
	if now, err := r.Manager.Running(ctx, r.state.Unit); err == nil && r.state.Intent.WasEnabled && !now.Enabled {
		return ErrStopped
	}
	r.tried = true
	return r.start(ctx)
}

// proveNew lets the new version pass the gate.
func (r *run) proveNew(ctx context.Context) error {
	if !r.state.Intent.WasActive {
		return nil
	}
	return r.prove(ctx, r.first)
}

// back is what the way back has found and done so far.
type back struct {
	up      bool   // the instance is to run afterwards
	before  string // invocation that the old version must not have; "": it may be the one that ran all the time
	inPlace bool   // the old generation is
	left    bool   // the new version is what starts, and its data are in place
	broken  error  // the data are in a state that nothing must be started on
	failed  error  // why the old version does not run, or does not pass the gate
}

// stopNew stops what runs, unless that is the old version still, or nothing
// is to run.
func (r *run) stopNew(ctx context.Context) {
	now, err := r.Manager.Running(ctx, r.state.Unit)
	if err != nil {
		r.fails("%v", err)
	}
	r.back.up = r.wanted(now, err)
	r.back.before = now.Invocation
	switch {
	case r.state.Intent.Recovered && r.back.up:
		r.back.before = "" // what runs was started from the old version's files
	case !r.back.up:
		r.say("%s is stopped and stays stopped", r.state.Unit)
	case r.first != "" && now.Invocation == r.first:
		r.back.before = "" // the stop failed, so this is the old version still
	default:
		if err := r.stop(ctx); err != nil {
			r.fails("%v", err)
		}
	}
}

// putOld puts the old generation back.
func (r *run) putOld(ctx context.Context) { r.back.inPlace = r.putBack(ctx) }

// startOld starts what is in place, and lets it pass the gate if that is the
// old version.
func (r *run) startOld(ctx context.Context) {
	b := &r.back
	if !b.up {
		return
	}
	if b.broken != nil {
		b.failed = fmt.Errorf("it was not started: %w", b.broken)
		return
	}
	b.failed = r.start(ctx)
	if b.failed != nil {
		r.queue(ctx, r.state.Unit, b.failed)
	}
	r.restored = b.inPlace && r.loaded && b.failed == nil
	if b.inPlace && !b.left && b.failed == nil {
		b.failed = r.prove(ctx, b.before)
	}
	// Those that need it would bring it back.
	if ctx.Err() == nil && !errors.Is(b.failed, ErrStopped) {
		_ = r.startDependents(ctx) // it never fails
	}
}

// startDependents starts again what systemd has stopped with the instance: a
// start of what they need does not bring them back. That one of them does not
// start is said, and is not the version's fault.
func (r *run) startDependents(ctx context.Context) error {
	for _, unit := range r.state.Intent.Dependents {
		now, err := r.Manager.Running(ctx, unit)
		if err == nil && !now.down() {
			continue
		}
		if err == nil {
			r.say("%s was stopped with %s and is started again", unit, r.state.Unit)
			limited, cancel := context.WithTimeout(ctx, r.state.Intent.Gate.Start)
			if err = r.Manager.Start(limited, unit); err != nil {
				r.queue(ctx, unit, err)
			}
			cancel()
		}
		if err != nil {
			r.say("%s ran before the roll and does not now: %v", unit, err)
		}
	}
	return nil
}

// queue queues a start again that failed for a reason. With the wait for it
// the job itself is given up: one that waited for another unit would leave a
// node down that systemd does not start by itself. Of a unit that is starting
// it changes nothing.
func (r *run) queue(ctx context.Context, unit string, reason error) {
	if ctx.Err() != nil || errors.Is(reason, ErrStopped) {
		return
	}
	r.say("queueing a start of %s, which is not waited for", unit)
	if err := r.Manager.StartNoWait(ctx, unit); err != nil {
		r.say("%s was not started: %v", unit, err)
	}
}
