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
	// StartNoWait queues a start and returns.
	StartNoWait(ctx context.Context, unit string) error
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

// ErrStale is returned by Run when the roll that was asked for starts from a
// generation that is not in place any more. Run has forgotten the roll and
// changed nothing else.
var ErrStale = errors.New("the roll was asked for before the instance was changed in another way; ask again")

// Run carries out the intent recorded for the instance, or takes back one
// that an earlier engine began. The caller holds the instance's lock. The
// outcome is recorded before Run returns; an error means that it could not
// be, or that nothing was begun.
func (e *Engine) Run(ctx context.Context, instance string) (Outcome, error) {
	e.evidence = nil
	s, err := e.Files.Load(instance)
	if err != nil {
		return Outcome{}, err
	}
	if s.Intent == nil {
		return Outcome{}, fmt.Errorf("rolling %s: %w", instance, ErrNothingToDo)
	}
	in := s.Intent
	if !in.Begun {
		if err := e.current(instance, s); err != nil {
			return Outcome{}, fmt.Errorf("rolling %s: %w", instance, err)
		}
	}
	from, ok1 := s.Generation(in.From)
	to, ok2 := s.Generation(in.To)
	if !ok1 || !ok2 {
		return Outcome{}, fmt.Errorf("rolling %s: generation %d or %d is not known", instance, in.From, in.To)
	}
	out := Outcome{Kind: in.Kind, From: from.Version, To: to.Version, Started: time.Now().UTC()}
	r := &run{Engine: e, instance: instance, state: s, from: from, to: to, out: out, interrupted: in.Begun}
	if r.interrupted {
		return r.goBack(ctx, errors.New("the roll was interrupted"))
	}
	return r.forward(ctx)
}

// current refuses an intent that does not start from what is in place: going
// back from it would not lead to where the instance is now.
func (e *Engine) current(instance string, s State) error {
	meta, err := e.Files.Active(s.Unit)
	switch {
	case err == nil && meta.Generation == s.Intent.From:
		return nil
	case err != nil && !errors.Is(err, ErrNotInstalled):
		return err
	}
	if err := e.Files.Drop(instance); err != nil {
		return fmt.Errorf("%w, and it could not be forgotten: %w", ErrStale, err)
	}
	return ErrStale
}

// run is one roll under way.
type run struct {
	*Engine
	instance    string
	state       State
	from, to    Generation
	out         Outcome
	interrupted bool      // an earlier engine died: nothing is known against the new version
	first       string    // invocation of the old version when the roll began; empty if not known
	stopped     time.Time // when a stop was first asked for; zero: nothing was disturbed
	tried       bool      // the new version was started: what follows is held against it
	loaded      bool      // the service manager has read the old unit again
	restored    bool      // the old version was started again
	trouble     []string  // what went wrong on the way back
	back        back      // the way back
}

func (r *run) forward(ctx context.Context) (Outcome, error) {
	r.say("%s of %s: %s -> %s", r.out.Kind, r.instance, r.from.Version, r.to.Version)
	if err := r.Ready(r.to.Image); err != nil {
		return r.finish(Failed, fmt.Sprintf("%s is not on this host: %v", r.to.Version, err))
	}
	// Without its files there is no way there, or none back.
	for _, g := range []Generation{r.from, r.to} {
		if _, err := r.Files.Read(r.instance, g.Number); err != nil {
			return r.finish(Failed, err.Error())
		}
	}
	before, err := r.Manager.Running(ctx, r.state.Unit)
	if ctx.Err() != nil {
		return r.finish(Cancelled, cancelled)
	}
	if err != nil {
		return r.finish(Failed, err.Error())
	}
	in := r.state.Intent
	in.Begun, in.WasEnabled = true, before.Enabled
	in.WasActive = before.ActiveState != "inactive" && before.ActiveState != "failed"
	if err := r.Files.Save(r.instance, r.state); err != nil {
		return Outcome{}, err
	}
	r.first = before.Invocation
	for _, step := range r.steps() {
		if err := step.do(ctx); err != nil {
			r.out.FailedStep = step.name
			return r.goBack(ctx, err)
		}
	}
	if in.Kind == Rollback {
		r.state.skip(r.from, "rolled back by hand", time.Now().UTC())
	}
	r.state.Previous = r.from.Number
	return r.finish(Done, "")
}

func (r *run) stop(ctx context.Context) error {
	// A stop that is not even asked for disturbs nothing.
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.stopped.IsZero() {
		r.stopped = time.Now()
	}
	r.say("stopping %s", r.state.Unit)
	if err := r.Manager.Stop(ctx, r.state.Unit); err != nil {
		return err
	}
	r.say("stopped after %.1f s", time.Since(r.stopped).Seconds())
	return nil
}

// start starts what is in place.
func (r *run) start(ctx context.Context) error {
	// If it matters that this failed, the start fails and says why.
	if err := r.Manager.ResetFailed(ctx, r.state.Unit); err != nil {
		r.say("%v", err)
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
	return nil
}

// prove lets what was started pass the gate. before is the invocation that it
// must not be.
func (r *run) prove(ctx context.Context, before string) error {
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
