package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
)

func (a *app) restartCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "restart [NAME...]",
		Short: "Restart instances",
		Long: `Restart instances and wait until their nodes run again. Whether they start at
boot stays as it is. One that is named is started if it does not run; with --all
those that are stopped stay so. Ctrl-C ends the wait, and not the restart.`,
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			job := a.restart
			if all { // somebody has stopped those that do not run
				job = a.restartRunning
			}
			return a.each(cmd.Context(), "restart", args, all, onlyInstance, job)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every instance that runs")
	return cmd
}

func (a *app) restart(ctx context.Context, m *manager.Manager, name string) error {
	last := a.lastStop(name)
	return a.lockedInstance(ctx, name, "restart", func(inst profiles.Instance) error { return a.restartBy(ctx, m, inst, last, m.Restart) })
}

// restartBy restarts an instance, whose lock is held, by a job of systemd's, unless
// it was stopped since last.
func (a *app) restartBy(ctx context.Context, m *manager.Manager, inst profiles.Instance, last string,
	job func(ctx context.Context, unit string, opts ...manager.Option) error,
) error {
	if err := a.mayRun(inst.Name); err != nil {
		return err
	}
	unit, err := a.prepare(ctx, inst)
	if err != nil {
		return err
	}
	if err := a.awaitReference(ctx, m, unit); err != nil { // which may take long: the node still runs
		return err
	}
	return a.unlessStopped(ctx, m, inst.Name, unit, last, func() error {
		began := time.Now()
		if err := job(ctx, unit, append(a.waiting(unit, "restart"), manager.GoesOn())...); err != nil {
			return a.explain(ctx, m, inst.Name, unit, err)
		}
		if err := unmet(ctx, m, unit); err != nil {
			return err
		}
		a.print("restarted %s in %.1f s", inst.Name, time.Since(began).Seconds())
		return nil
	})
}

// restartRunning restarts an instance that ran when it was looked at. Who has
// stopped it since wants it down, and may have its key elsewhere by now.
func (a *app) restartRunning(ctx context.Context, m *manager.Manager, name string) error {
	return a.lockedInstance(ctx, name, "restart", func(inst profiles.Instance) error { return a.restartIfRuns(ctx, m, inst) })
}

// restartIfRuns is restartRunning where the lock is held.
func (a *app) restartIfRuns(ctx context.Context, m *manager.Manager, inst profiles.Instance) error {
	last := a.lastStop(inst.Name)
	unit, err := a.installedUnit(inst.Name)
	if err != nil {
		return err
	}
	s, err := m.State(ctx, unit)
	if err != nil {
		return err
	}
	switch s.ActiveState {
	case "inactive", "failed", "deactivating":
		a.note("%s does not run, and is not restarted", inst.Name)
		return nil
	}
	return a.restartBy(ctx, m, inst, last, m.TryRestart)
}
