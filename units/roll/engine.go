package roll

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units"
)

// Manager is the part of the service manager that a roll needs. Start, Stop and
// TryRestart wait for their job and fail when its result is not "done"; Start and
// TryRestart with ErrStopped when somebody else has cancelled it.
type Manager interface {
	Start(ctx context.Context, unit string) error
	// StartNoWait queues a start and returns.
	StartNoWait(ctx context.Context, unit string) error
	Stop(ctx context.Context, unit string) error
	// TryRestart stops a unit and starts it again, by one job, and calls waiting
	// about every second until that is done. One that does not run, or that
	// somebody has asked to stop, is left so, and that is no error.
	TryRestart(ctx context.Context, unit string, waiting func()) error
	Reload(ctx context.Context) error
	ResetFailed(ctx context.Context, unit string) error
	Running(ctx context.Context, unit string) (Running, error)
	// Dependents are the units that run and that are stopped with this one:
	// Requires=, BindsTo= and PartOf= in them name it.
	Dependents(ctx context.Context, unit string) ([]string, error)
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
	// Data is the directory of an instance's data; an error says that they are
	// away. nil: a roll does nothing about them.
	Data func(instance string) (string, error)
	// Busy says what the node that meta describes does that a stop would spoil,
	// "" if nothing that is known. It returns within seconds. nil: it is never
	// busy.
	Busy func(ctx context.Context, meta units.Meta) string
	// Say is told each step and each piece of evidence, one line at a time.
	Say func(line string)
	// Note is told what Say would be told of events that have a number. If it
	// is nil, Say is told their lines.
	Note func(Event)

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
// be, that nothing was begun, or, for ErrUnfinished and ErrGivenUp, that the data
// could not be put back: then the intent stays, and another Run takes it back.
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
	in.Gate = in.Gate.filled()
	if !in.Begun {
		if err := e.current(instance, s); err != nil {
			return Outcome{}, fmt.Errorf("rolling %s: %w", instance, err)
		}
	}
	r, err := e.resume(instance, s)
	if err != nil {
		return Outcome{}, err
	}
	if r.interrupted {
		r.awaitRetry(ctx)
		return r.goBack(ctx, errors.New(interrupted))
	}
	return r.forward(ctx)
}

// resume is the roll that the state describes.
func (e *Engine) resume(instance string, s State) (*run, error) {
	in := s.Intent
	from, ok1 := s.Generation(in.From)
	to, ok2 := s.Generation(in.To)
	if !ok1 || !ok2 {
		return nil, fmt.Errorf("rolling %s: generation %d or %d is not known", instance, in.From, in.To)
	}
	out := Outcome{Kind: in.Kind, From: from.Version, To: to.Version, Started: time.Now().UTC()}
	return &run{Engine: e, instance: instance, state: s, from: from, to: to, out: out, interrupted: in.Begun}, nil
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
	started     time.Time // when a start was asked for last
	placed      bool      // the new generation is in place, and systemd has read it
	atOnce      bool      // one job stops the old version and starts the new one
	tried       bool      // the new version was started: what follows is held against it
	loaded      bool      // the service manager has read the old unit again
	restored    bool      // the old version was started again
	waiting     string    // why the version in place waits in standby; "": it does not
	halted      bool      // somebody else stopped the node in the middle
	trouble     []string  // what went wrong on the way back
	back        back      // the way back
}

func (r *run) forward(ctx context.Context) (Outcome, error) {
	r.begun()
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
	if err == nil && before.down() && before.Queued { // as in a boot: it would start the new version, and nobody judge it
		r.say("waiting for the start of %s, which is under way", r.state.Unit)
		before, err = r.standing(ctx)
	}
	if ctx.Err() != nil {
		return r.finish(Cancelled, cancelled)
	}
	if err != nil {
		return r.finish(Failed, err.Error())
	}
	in := r.state.Intent
	in.Begun = true
	up := !before.down()
	in.WasActive = up || before.Outdated
	if before.Outdated && !up {
		r.say("%s is down, since its node wants to be another version: it %s", r.state.Unit, before.Exit)
	}
	if up {
		in.Before = r.health(ctx)
	}
	if why := r.waitIdle(ctx); why != "" {
		in.Begun = false
		return r.finish(Busy, why)
	}
	if up {
		before, err = r.lookAgain(ctx)
	}
	switch {
	case ctx.Err() != nil:
		return r.finish(Cancelled, cancelled)
	case err != nil:
		in.Begun = false
		return r.finish(Failed, err.Error())
	case up && before.down() && !before.Outdated:
		in.Begun = false
		return r.finish(Cancelled, ErrStopped.Error())
	}
	in.WasEnabled = before.Enabled
	if err := r.clearData(); err != nil {
		return r.finish(Failed, err.Error())
	}
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
	if in.Kind == Rollback && r.from.Digest != r.to.Digest {
		r.state.skip(r.from, "rolled back by hand", time.Now().UTC())
	}
	if r.from.Image != r.to.Image { // else rollback would lead to the same version
		r.state.Previous = r.from.Number
	}
	if r.waiting != "" {
		return r.finish(Waiting, r.waiting)
	}
	return r.finish(Done, "")
}

// lookAgain is what a unit does that ran when the roll began: health and
// waitIdle take their time, and who stopped it meanwhile wants it down. What
// runs then is what systemd stops with it.
func (r *run) lookAgain(ctx context.Context) (Running, error) {
	now, err := r.standing(ctx)
	if err != nil || now.down() {
		return now, err
	}
	if r.state.Intent.Dependents, err = r.Manager.Dependents(ctx, r.state.Unit); err != nil {
		r.say("%v", err)
	}
	return now, nil
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

// start starts what is in place: the first phase of the gate.
func (r *run) start(ctx context.Context) error {
	// If it matters that this failed, the start fails and says why.
	if err := r.Manager.ResetFailed(ctx, r.state.Unit); err != nil {
		r.say("%v", err)
	}
	r.started = time.Now()
	r.say("starting %s", r.state.Unit)
	limited, cancel := ctx, context.CancelFunc(func() {})
	// At boot it waits for all that it comes after.
	if !r.state.Intent.Recovered {
		limited, cancel = context.WithTimeout(ctx, r.state.Intent.Gate.Start)
	}
	defer cancel()
	if err := r.Manager.Start(limited, r.state.Unit); err != nil {
		return r.notStarted(ctx, err, limited.Err() != nil)
	}
	r.phase(PhaseJob, Passed, fmt.Sprintf("start job done after %.1f s", time.Since(r.started).Seconds()))
	return nil
}

// notStarted is why a start was not done. late is set if it took too long.
func (r *run) notStarted(ctx context.Context, err error, late bool) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, ErrStopped) { // nothing to hold against the version
		// On the way back nothing is done beside a node that is still there.
		_, _ = r.standing(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return ErrStopped
	}
	if late {
		err = fmt.Errorf("its start job was not done within %s", r.state.Intent.Gate.Start)
	}
	if now, serr := r.Manager.Running(ctx, r.state.Unit); serr == nil && now.Exit != "" {
		err = fmt.Errorf("%w: the node %s", err, now.Exit)
	}
	r.phase(PhaseJob, Fell, err.Error())
	return err
}

// prove lets what was started pass the other phases. before is the invocation
// that it must not be.
func (r *run) prove(ctx context.Context, before string) error {
	meta, err := r.Files.Active(r.state.Unit)
	if err != nil {
		return err
	}
	w := &watch{run: r, meta: meta, gate: r.state.Intent.Gate, before: before}
	r.waiting = ""
	if err := w.watch(ctx); err != nil {
		return err
	}
	if w.waiting {
		r.waiting = "in standby: " + w.why
	}
	if !w.up.IsZero() && !r.stopped.IsZero() {
		r.out.DowntimeSeconds = w.up.Sub(r.stopped).Seconds()
		r.say("down for %.1f s in all", r.out.DowntimeSeconds)
	}
	return nil
}

func (r *run) finish(result, reason string) (Outcome, error) {
	r.out.Result, r.out.Reason = result, reason
	r.keepSet(result)
	if r.state.NoSigning != nil {
		r.out.NoSigning = r.state.NoSigning.Reason
	}
	r.out.Evidence, r.out.Finished = r.evidence, time.Now().UTC()
	r.state.LastRoll = &r.out
	switch {
	case r.out.Environment && r.out.Kind == Update:
		r.state.Blamed = &Blamed{r.out.To, r.out.Finished}
	case r.out.Succeeded() && r.state.Intent.WasActive:
		r.state.Blamed = nil
	}
	if r.out.Unfinished = r.undone(); r.out.Unfinished {
		r.state.Intent.Tries++
	} else {
		r.state.Intent = nil
	}
	if err := r.Files.Save(r.instance, r.state); err != nil {
		return r.out, err
	}
	r.dropSets()
	r.note(r.ended())
	if r.undone() {
		return r.out, r.unfinished(reason)
	}
	return r.out, nil
}

func (e *Engine) say(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	e.evidence = append(e.evidence, line)
	e.Say(line)
}
