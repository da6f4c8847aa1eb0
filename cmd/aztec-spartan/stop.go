package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/units/manager"
)

func (a *app) stopCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "stop [NAME...]",
		Short: "Stop instances, and disable them at boot",
		Long: `Stop instances and wait until their nodes are gone.

The instance is disabled: it stays stopped over a reboot. A roll under way is
cancelled first, and a start that still waits for something starts nothing.
Plain systemctl stop keeps its meaning.`,
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.each(cmd.Context(), "stop", args, all, onlyInstance, a.stop)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every instance")
	return cmd
}

// stop takes no lock, and reads no settings: it must work while another run
// holds the one, and when there is a mistake in the other. The instance is
// disabled first, so that a power cut leaves it stopped. A start that still
// waits for something is told.
func (a *app) stop(ctx context.Context, m *manager.Manager, name string) error {
	unit, err := a.installedUnit(name)
	if err != nil {
		return err
	}
	if err := a.noteStop(name); err != nil {
		a.note("warning: a start of %s that goes on will not know of this stop: %v", name, err)
	}
	if err := m.Disable(ctx, unit); err != nil {
		return err
	}
	rolling := rollUnit(name)
	if s, err := m.State(ctx, rolling); err == nil && !s.Down() && a.undecided(name) {
		a.note("cancelling the roll of %s", name)
		if err := m.Stop(ctx, rolling, a.waiting(rolling, "stop")...); err != nil {
			return err
		}
	}
	began := time.Now()
	if err := m.Stop(ctx, unit, a.waiting(unit, "stop")...); err != nil {
		return err
	}
	a.print("stopped %s in %.1f s, and disabled it at boot", name, time.Since(began).Seconds())
	return nil
}

// undecided reports whether a roll that runs has no outcome yet. One that has
// runs its post-hook, which may be what calls stop: it would wait for itself.
func (a *app) undecided(name string) bool {
	state, err := a.files().Load(name)
	return err != nil || state.Intent != nil
}
