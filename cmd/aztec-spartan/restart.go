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
		Use:               "restart [NAME...]",
		Short:             "Restart instances",
		Long:              "Restart instances and wait until their nodes run again. Whether they start at boot stays as it is.",
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.each(cmd.Context(), "restart", args, all, onlyInstance, a.restart)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every instance")
	return cmd
}

func (a *app) restart(ctx context.Context, m *manager.Manager, name string) error {
	return a.lockedInstance(ctx, name, "restart", func(inst profiles.Instance) error {
		if err := a.mayRun(name); err != nil {
			return err
		}
		unit, err := a.prepare(ctx, inst)
		if err != nil {
			return err
		}
		began := time.Now()
		if err := m.Restart(ctx, unit, a.waiting(unit, "restart")); err != nil {
			return a.explain(ctx, m, name, unit, err)
		}
		a.print("restarted %s in %.1f s", name, time.Since(began).Seconds())
		return nil
	})
}
