package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// rollUnit is the service in which the rolls of an instance run.
func rollUnit(instance string) string { return "aztec-roll@" + instance + ".service" }

// rollWait is longer than any roll.
const rollWait = 24 * time.Hour

// rollCommand is the engine: what aztec-roll@.service runs.
func (a *app) rollCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "roll NAME",
		Short:  "Carry out the roll that update or rollback recorded",
		Hidden: true, // for aztec-roll@.service only
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if err := a.needRoot("roll", false); err != nil {
				return err
			}
			name := args[0]
			if err := profiles.ValidName(name); err != nil {
				return usage(err)
			}
			m, err := connect(ctx)
			if err != nil {
				return err
			}
			defer m.Close()
			out, err := a.runEngine(ctx, name, rollManager{m}, func(line string) { a.print("%s", line) })
			if errors.Is(err, roll.ErrNothingToDo) {
				a.print("%v", err)
				return nil
			}
			if err != nil {
				return err
			}
			return outcomeError(name, out)
		},
	}
}

// runEngine carries out the recorded roll of an instance in this process.
func (a *app) runEngine(ctx context.Context, name string, m roll.Manager, say func(string)) (out roll.Outcome, err error) {
	engine := &roll.Engine{
		Files: a.files(), Manager: m, Probe: ask, Say: say,
		Ready: func(image string) error { _, err := a.have(image); return err },
	}
	err = a.locked(ctx, name, "roll", func() error {
		out, err = engine.Run(ctx, name)
		return err
	})
	if err == nil {
		a.tellRoll(ctx, name, out)
	}
	return out, err
}

// outcomeError is the exit code of a roll.
func outcomeError(name string, out roll.Outcome) error {
	err := fmt.Errorf("%s of %s to %s: %s", out.Kind, name, out.To, out.Reason)
	switch out.Result {
	case roll.Done:
		return nil
	case roll.RolledBack:
		return withHint(withCode(exitRolledBack, fmt.Errorf("%w; %s is back", err, out.From)), "aztec-spartan logs %s -n 200 shows what the node said", name)
	case roll.Cancelled:
		return withHint(err, "%s is in place; aztec-spartan status %s shows whether it runs", out.From, name)
	}
	return err
}

// carryOut runs a recorded roll in its service and follows it. When ctx ends
// the roll goes on. Under --root, where nothing runs, it is done here.
func (a *app) carryOut(ctx context.Context, name string) (roll.Outcome, error) {
	if !a.live() {
		return a.runEngine(ctx, name, offline{}, func(line string) { a.note("  %s", line) })
	}
	began := time.Now()
	job, tail, err := a.startRoll(ctx, name)
	if err != nil {
		// Nothing was begun: an intent left behind would be carried out by
		// whatever starts the service next.
		return roll.Outcome{}, errors.Join(err, a.files().Drop(name))
	}
	defer tail.stop()
	var jobErr error
	select {
	case jobErr = <-job:
	case <-ctx.Done():
		return roll.Outcome{}, fmt.Errorf("%s: the roll goes on in %s; aztec-spartan logs -f %s follows it", name, rollUnit(name), name)
	}
	out, err := a.outcome(ctx, name, began)
	if err != nil {
		return out, errors.Join(err, jobErr)
	}
	tail.until(out.String())
	return out, nil
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
func (a *app) outcome(ctx context.Context, name string, began time.Time) (roll.Outcome, error) {
	decided := func(s roll.State) bool {
		return s.Intent == nil && s.LastRoll != nil && s.LastRoll.Finished.After(began)
	}
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
		if decided(s) {
			return *s.LastRoll, nil
		}
		u, err := m.State(ctx, rollUnit(name))
		if err != nil {
			return roll.Outcome{}, err
		}
		if u.ActiveState == "inactive" || u.ActiveState == "failed" {
			if s, err = a.files().Load(name); err == nil && decided(s) {
				return *s.LastRoll, nil
			}
			return roll.Outcome{}, withHint(errors.New("the roll ended without an outcome"), "journalctl -u %s", rollUnit(name))
		}
		select {
		case <-ctx.Done():
			return roll.Outcome{}, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}
