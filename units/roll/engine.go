package roll

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units"
)

// Manager is the part of the service manager that a roll needs. Start and
// Stop wait for their job and fail when its result is not "done".
type Manager interface {
	Start(ctx context.Context, unit string) error
	Stop(ctx context.Context, unit string) error
	Reload(ctx context.Context) error
	ResetFailed(ctx context.Context, unit string) error
	Running(ctx context.Context, unit string) (Running, error)
}

// Engine carries out the intent of an instance.
type Engine struct {
	Files   Files
	Manager Manager
	// Probe asks the node that meta describes. It returns within seconds.
	Probe func(ctx context.Context, meta units.Meta) Answer
	// Ready reports whether an image is whole on this host. A roll never
	// needs a registry.
	Ready func(image string) error
	// Say is told each step and each piece of evidence, one line at a time.
	Say func(line string)

	evidence []string
}

// ErrNothingToDo is returned by Run when no roll was asked for.
var ErrNothingToDo = errors.New("no roll was asked for")

// Run carries out the intent recorded for the instance, or takes back one
// that an earlier engine began. The caller holds the instance's lock. The
// outcome is recorded before Run returns; an error means that it could not
// be.
func (e *Engine) Run(ctx context.Context, instance string) (Outcome, error) {
	s, err := e.Files.Load(instance)
	if err != nil {
		return Outcome{}, err
	}
	if s.Intent == nil {
		return Outcome{}, fmt.Errorf("rolling %s: %w", instance, ErrNothingToDo)
	}
	in := s.Intent
	from, ok1 := s.Generation(in.From)
	to, ok2 := s.Generation(in.To)
	if !ok1 || !ok2 {
		return Outcome{}, fmt.Errorf("rolling %s: generation %d or %d is not known", instance, in.From, in.To)
	}
	out := Outcome{Kind: in.Kind, From: from.Version, To: to.Version, Started: time.Now().UTC()}
	r := &run{Engine: e, instance: instance, state: s, from: from, to: to, out: out}
	if in.Begun {
		e.say("an earlier run was killed: going back to %s", from.Version)
		return r.goBack(ctx, errors.New("the roll was interrupted"), true)
	}
	return r.forward(ctx)
}

// run is one roll under way.
type run struct {
	*Engine
	instance string
	state    State
	from, to Generation
	out      Outcome
	stopped  time.Time
}

func (r *run) forward(ctx context.Context) (Outcome, error) {
	r.say("%s of %s: %s -> %s", r.out.Kind, r.instance, r.from.Version, r.to.Version)
	if err := r.Ready(r.to.Image); err != nil {
		return r.finish(Failed, fmt.Sprintf("%s is not on this host: %v", r.to.Version, err))
	}
	before, err := r.Manager.Running(ctx, r.state.Unit)
	if err != nil {
		return r.finish(Failed, err.Error())
	}
	r.state.Intent.Begun = true
	r.state.Intent.WasActive = before.ActiveState != "inactive" && before.ActiveState != "failed"
	if err := r.Files.Save(r.instance, r.state); err != nil {
		return Outcome{}, err
	}
	if err := r.switchTo(ctx, r.to, before.Invocation); err != nil {
		return r.goBack(ctx, err, false)
	}
	if r.state.Intent.Kind == Rollback {
		r.state.skip(r.from, "rolled back by hand", time.Now().UTC())
	}
	r.state.Previous = r.from.Number
	return r.finish(Done, "")
}

// switchTo stops the instance if it runs, activates g, starts it and lets it
// pass the gate. An instance that was stopped stays so.
func (r *run) switchTo(ctx context.Context, g Generation, before string) error {
	active := r.state.Intent.WasActive
	if active {
		if r.stopped.IsZero() {
			r.stopped = time.Now()
		}
		r.say("stopping %s", r.state.Unit)
		if err := r.Manager.Stop(ctx, r.state.Unit); err != nil {
			return err
		}
		r.say("stopped after %.1f s", time.Since(r.stopped).Seconds())
	}
	if err := r.Files.Activate(r.instance, r.state.Unit, g.Number); err != nil {
		return err
	}
	if err := r.Manager.Reload(ctx); err != nil {
		return err
	}
	r.say("generation %d (%s) is in place", g.Number, g.Version)
	if !active {
		r.say("%s was stopped and stays stopped", r.state.Unit)
		return nil
	}
	if err := r.Manager.ResetFailed(ctx, r.state.Unit); err != nil {
		return err
	}
	started := time.Now()
	r.say("starting %s", r.state.Unit)
	if err := r.Manager.Start(ctx, r.state.Unit); err != nil {
		if now, serr := r.Manager.Running(ctx, r.state.Unit); serr == nil && now.Exit != "" {
			return fmt.Errorf("%w: the node %s", err, now.Exit)
		}
		return err
	}
	r.say("start job done after %.1f s", time.Since(started).Seconds())
	meta, err := r.Files.Active(r.state.Unit)
	if err != nil {
		return err
	}
	up, err := r.watch(ctx, r.state.Unit, meta, before, r.state.Intent.Gate)
	if err != nil {
		return err
	}
	r.out.DowntimeSeconds = up.Sub(r.stopped).Seconds()
	r.say("down for %.1f s in all", r.out.DowntimeSeconds)
	return nil
}

// goBack puts the old generation back after cause. interrupted is true when
// an earlier engine died, so that nothing is known against the new version.
func (r *run) goBack(ctx context.Context, cause error, interrupted bool) (Outcome, error) {
	if ctx.Err() != nil {
		return r.abandon()
	}
	r.say("%s failed: %v", r.to.Version, cause)
	r.say("going back to %s", r.from.Version)
	if r.stopped.IsZero() {
		r.stopped = time.Now()
	}
	now, err := r.Manager.Running(ctx, r.state.Unit)
	if err == nil {
		err = r.switchTo(ctx, r.from, now.Invocation)
	}
	if ctx.Err() != nil {
		return r.abandon()
	}
	switch {
	case err == nil && interrupted:
		return r.finish(RolledBack, cause.Error())
	case err == nil:
		reason := cause.Error()
		r.state.skip(r.to, reason, time.Now().UTC())
		return r.finish(RolledBack, reason)
	}
	reason := fmt.Sprintf("%v; then %s failed too: %v", cause, r.from.Version, err)
	if meta, aerr := r.Files.Active(r.state.Unit); aerr != nil || meta.Generation != r.from.Number {
		return r.finish(Failed, reason)
	}
	// The old version fails the same gate: the cause is outside of both, and
	// nothing is held against the new one.
	return r.finish(RolledBack, reason)
}

// abandon answers a request to stop: the old unit file is put back, nothing
// is started. It does not use the cancelled context of the roll.
func (r *run) abandon() (Outcome, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	r.say("cancelled: putting %s back, starting nothing", r.from.Version)
	if err := r.Files.Activate(r.instance, r.state.Unit, r.from.Number); err != nil {
		return r.out, err
	}
	if err := r.Manager.Reload(ctx); err != nil {
		return r.out, err
	}
	return r.finish(Cancelled, "the roll was cancelled")
}

func (r *run) finish(result, reason string) (Outcome, error) {
	r.out.Result, r.out.Reason = result, reason
	r.out.Evidence, r.out.Finished = r.evidence, time.Now().UTC()
	r.state.Intent, r.state.LastRoll = nil, &r.out
	if err := r.Files.Save(r.instance, r.state); err != nil {
		return r.out, err
	}
	r.Say(r.out.String())
	return r.out, nil
}

func (e *Engine) say(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	e.evidence = append(e.evidence, line)
	e.Say(line)
}
