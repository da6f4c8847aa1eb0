package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/lock"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// rollUnit is the service in which the rolls of an instance run.
func rollUnit(instance string) string { return "aztec-roll@" + instance + ".service" }

// exitGivenUp is how the engine ends when the way back was tried often enough:
// RestartPreventExitStatus= of aztec-roll@.service. No verb ends so.
const exitGivenUp = 76

// rollWait is longer than any roll.
const rollWait = 24 * time.Hour

// rollCommand is the engine: what aztec-roll@.service runs, and what sees to
// it after a power cut.
func (a *app) rollCommand() *cobra.Command {
	var recover, gate bool
	cmd := &cobra.Command{
		Use:    "roll NAME | --recover | --gate",
		Short:  "Carry out the roll that update or rollback recorded",
		Hidden: true, // for services only
		Args:   cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if err := a.needRoot("roll", false); err != nil {
				return err
			}
			count := len(args)
			for _, flag := range []bool{recover, gate} {
				if flag {
					count++
				}
			}
			switch {
			case count != 1:
				return usage(errors.New("roll: wants one of NAME, --recover and --gate"))
			case recover:
				return a.recoverRolls(ctx)
			case gate:
				return a.gateRolls(ctx)
			}
			return a.rollService(ctx, args[0])
		},
	}
	cmd.Flags().BoolVar(&recover, "recover", false, "at boot, before any node starts: put the files of interrupted rolls right")
	cmd.Flags().BoolVar(&gate, "gate", false, "after the boot: have interrupted rolls judged")
	return cmd
}

// rollService carries out the roll of one instance, in its service.
func (a *app) rollService(ctx context.Context, name string) error {
	if err := profiles.ValidName(name); err != nil {
		return usage(err)
	}
	m, err := connect(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	engine := a.engine(rollManager{m}, a.rollLine(name))
	engine.Note = a.rollEvent(name)
	out, err := a.runEngine(ctx, name, engine)
	switch {
	case errors.Is(err, roll.ErrNothingToDo):
		a.print("%v", err)
		return nil
	case errors.Is(err, roll.ErrGivenUp):
		a.print("%v", err)
		return withCode(exitGivenUp, outcomeError(name, out))
	case err != nil:
		return err
	}
	return outcomeError(name, out)
}

func (a *app) engine(m roll.Manager, say func(string)) *roll.Engine {
	return &roll.Engine{
		Files: a.files(), Manager: m, Probe: ask, Say: say,
		Ready: func(image string) error { _, err := a.have(image); return err },
		Data:  a.dataPath, Busy: a.busy,
	}
}

// runEngine carries out the recorded roll of an instance in this process.
func (a *app) runEngine(ctx context.Context, name string, engine *roll.Engine) (out roll.Outcome, err error) {
	var asked roll.Outcome
	err = a.locked(ctx, name, "roll", func() (err error) {
		if asked, err = a.askedRoll(name); err != nil {
			return err
		}
		// Nobody changes the instance between what the hook sees and the stop.
		over := false
		if out, over, err = a.beforeRoll(ctx, name, engine.Say); err != nil || over {
			return err
		}
		out, err = engine.Run(ctx, name)
		return err
	})
	// Without the lock: the hook may call this program.
	switch held := (*lock.HeldError)(nil); {
	case err == nil || errors.Is(err, roll.ErrGivenUp):
		a.tellRoll(ctx, name, out)
		a.afterRoll(ctx, name, out, engine.Say)
	case errors.Is(err, roll.ErrUnfinished), errors.Is(err, roll.ErrNothingToDo), errors.As(err, &held), asked.Kind == "":
		// It is tried again, or was nothing.
	default:
		// Nobody else learns of it: the journal has it, and systemd tries again.
		asked.Result, asked.Reason = roll.Failed, err.Error()
		a.tellRoll(ctx, name, asked)
		a.afterRoll(ctx, name, asked, engine.Say)
	}
	return out, err
}

// askedRoll is the roll that an engine is about to carry out, as an outcome
// without a result. Finished is when it was asked for: of the tries of one roll
// whose errors are the same only one is told.
func (a *app) askedRoll(name string) (roll.Outcome, error) {
	s, err := a.files().Load(name)
	if err != nil || s.Intent == nil {
		return roll.Outcome{}, err
	}
	from, _ := s.Generation(s.Intent.From)
	to, _ := s.Generation(s.Intent.To)
	return roll.Outcome{Kind: s.Intent.Kind, From: from.Version, To: to.Version, Started: s.Intent.Requested, Finished: s.Intent.Requested}, nil
}

// outcomeError is the exit code of a roll, and what to type after it.
func outcomeError(name string, out roll.Outcome) error {
	err := fmt.Errorf("%s of %s to %s: %s", out.Kind, name, out.To, out.Reason)
	if out.Situation != "" {
		err = fmt.Errorf("%w; now %s", err, out.Situation)
	}
	silent := func(err error) error {
		return withHint(withCode(exitRolledBack, fmt.Errorf("%w, and does not sign: %s", err, out.NoSigning)), "aztec-spartan start %s --sign, a few minutes from now, lets it; resume_signing = \"when-safe\" under [update] has it done", name)
	}
	switch {
	case out.Unfinished:
		return withHint(err, "once that is put right, aztec-spartan rollback %s takes the roll back; no verb starts the node before, and journalctl -u %s says what was tried", name, rollUnit(name))
	case out.Succeeded() && out.NoSigning != "":
		return silent(fmt.Errorf("%s of %s to %s: done", out.Kind, name, out.To))
	case out.Succeeded():
		return nil
	case out.Result == roll.Busy:
		return withHint(err, "nothing was changed; --now does not wait")
	case out.Result == roll.RolledBack && out.Environment:
		return withHint(withCode(exitRolledBack, fmt.Errorf("%w; %s is in place", err, out.From)),
			"the cause is outside of both versions, and %s is not skipped: aztec-spartan logs %[2]s -n 200 and journalctl -u %[3]s say more; then aztec-spartan restart %[2]s, and update %[2]s --to %[1]s tries it again; an unattended update does in its next window",
			out.To, name, rollUnit(name))
	case out.Result == roll.RolledBack && out.NoSigning != "":
		return silent(fmt.Errorf("%w; %s is back", err, out.From))
	case out.Result == roll.RolledBack && out.Kind == roll.Config:
		return withHint(withCode(exitRolledBack, fmt.Errorf("%w; the settings before are back", err)), "aztec-spartan logs %s -n 200 shows what the node said", name)
	case out.Result == roll.RolledBack:
		return withHint(withCode(exitRolledBack, fmt.Errorf("%w; %s is back", err, out.From)), "aztec-spartan logs %s -n 200 shows what the node said", name)
	case out.Result == roll.Cancelled:
		return withHint(err, "%s is in place; aztec-spartan status %s shows whether it runs", out.From, name)
	case out.Situation != "": // the old version could not be put back
		return withHint(err, "once that is put right, aztec-spartan rollback %s --to %s puts %[2]s back; journalctl -u %[3]s says what was tried", name, out.From, rollUnit(name))
	}
	return err
}

// carryOut runs a recorded roll in its service and follows it. When ctx ends
// the roll goes on. Under --root, where nothing runs, it is done here.
func (a *app) carryOut(ctx context.Context, name string) (roll.Outcome, error) {
	if !a.live() {
		return a.runEngine(ctx, name, a.engine(offline{}, func(line string) { a.note("  %s", line) }))
	}
	before, err := a.files().Load(name)
	if err != nil {
		return roll.Outcome{}, err
	}
	job, tail, err := a.startRoll(ctx, name)
	if err != nil {
		// Nothing was begun: an intent left behind would be carried out by
		// whatever starts the service next.
		return roll.Outcome{}, errors.Join(err, a.dropRoll(ctx, name))
	}
	defer tail.stop()
	var jobErr error
	select {
	case jobErr = <-job:
	case <-ctx.Done():
		return roll.Outcome{}, fmt.Errorf("%s: the roll goes on in %s; aztec-spartan logs -f %s follows it", name, rollUnit(name), name)
	}
	out, err := a.outcome(ctx, name, before.LastRoll)
	if err != nil {
		return out, errors.Join(err, jobErr)
	}
	tail.until(out.String())
	return out, nil
}

// dropRoll forgets a roll that no engine has begun, also when ctx has ended. An
// engine that holds the lock is at it: then it is left alone.
func (a *app) dropRoll(ctx context.Context, name string) error {
	return a.locked(context.WithoutCancel(ctx), name, "update", func() error { return a.files().Drop(name) })
}

// startRoll starts the service of a roll; job tells when it has ended.
func (a *app) startRoll(ctx context.Context, name string) (job <-chan error, tail *rollTail, err error) {
	m, err := connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	unit := rollUnit(name)
	if err := m.ResetFailed(ctx, unit); err != nil {
		m.Close()
		return nil, nil, err
	}
	if tail, err = a.followRoll(ctx, unit); err != nil {
		m.Close()
		return nil, nil, err
	}
	done := make(chan error, 1)
	go func() {
		defer m.Close()
		// The gate has deadlines of its own; a wait that ended would cancel the roll.
		done <- m.Start(context.WithoutCancel(ctx), unit, manager.Timeout(rollWait))
	}()
	return done, tail, nil
}

// outcome waits until the roll has one: an engine that was killed is started
// again by systemd and takes the roll back.
func (a *app) outcome(ctx context.Context, name string, before *roll.Outcome) (roll.Outcome, error) {
	m, err := connect(ctx)
	if err != nil {
		return roll.Outcome{}, err
	}
	defer m.Close()
	for {
		s, err := a.files().Load(name)
		if err != nil {
			return roll.Outcome{}, err
		}
		if decided(s, before) {
			return *s.LastRoll, nil
		}
		u, err := m.State(ctx, rollUnit(name))
		if err != nil {
			return roll.Outcome{}, err
		}
		if u.Down() {
			if s, err = a.files().Load(name); err != nil {
				return roll.Outcome{}, err
			}
			if decided(s, before) || s.LastRoll != nil && s.LastRoll.Unfinished && another(*s.LastRoll, before) {
				return *s.LastRoll, nil
			}
			return roll.Outcome{}, a.noOutcome(ctx, name, s)
		}
		select {
		case <-ctx.Done():
			return roll.Outcome{}, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// noOutcome is the error of a roll whose service has ended without one. Only a
// roll that has begun is there to be taken back: of another one, rollback would
// leave the version that runs.
func (a *app) noOutcome(ctx context.Context, name string, s roll.State) error {
	if s.Intent != nil && s.Intent.Begun {
		return withHint(errors.New("the roll ended without an outcome"), "journalctl -u %s says why; aztec-spartan rollback %s takes it back", rollUnit(name), name)
	}
	err := withHint(errors.New("the roll was not begun, and nothing was changed"), "journalctl -u %s says why", rollUnit(name))
	return errors.Join(err, a.dropRoll(ctx, name))
}

// decided reports whether a roll has its outcome, another than the one before.
// A clock may be set back meanwhile, so that which is later says nothing.
func decided(s roll.State, before *roll.Outcome) bool {
	return s.Intent == nil && s.LastRoll != nil && another(*s.LastRoll, before)
}

func another(now roll.Outcome, before *roll.Outcome) bool {
	return before == nil || !now.Started.Equal(before.Started) || !now.Finished.Equal(before.Finished)
}
