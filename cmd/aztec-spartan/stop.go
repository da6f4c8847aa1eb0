package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
)

func (a *app) stopCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "stop [NAME...]",
		Short: "Stop instances, and disable them at boot",
		Long: `Stop instances and wait until their nodes are gone.

The instance is disabled: it stays stopped over a reboot. A roll under way is
cancelled first. Plain systemctl stop keeps its meaning.`,
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.each(cmd.Context(), "stop", args, all, onlyInstance, a.stop)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every instance")
	return cmd
}

// stop takes no lock: it must work while another run holds it.
func (a *app) stop(ctx context.Context, m *manager.Manager, inst profiles.Instance) error {
	unit, err := unitOf(inst)
	if err != nil {
		return err
	}
	rolling := rollUnit(inst.Name)
	if s, err := m.State(ctx, rolling); err == nil && s.ActiveState != "inactive" && s.ActiveState != "failed" {
		a.note("cancelling the roll of %s", inst.Name)
		if err := m.Stop(ctx, rolling, a.waiting(rolling, "stop")); err != nil {
			return err
		}
	}
	began := time.Now()
	if err := m.Stop(ctx, unit, a.waiting(unit, "stop")); err != nil {
		return err
	}
	if err := m.Disable(ctx, unit); err != nil {
		return err
	}
	a.print("stopped %s in %.1f s, and disabled it at boot", inst.Name, time.Since(began).Seconds())
	return nil
}
