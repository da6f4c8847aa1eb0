package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

func (a *app) rollbackCommand() *cobra.Command {
	var f updateFlags
	cmd := &cobra.Command{
		Use:   "rollback [NAME]",
		Short: "Roll an instance back to the version before",
		Long: `Roll back to the version before, or to the one that --to names, with the settings
it ran with. It is on this host still: no registry is asked. The old version
must pass the same gate. The version that is left is skipped from now on, until
update --to asks for it.`,
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.rollEach(cmd.Context(), "rollback", args, f, a.rollback)
		},
	}
	cmd.Flags().StringVar(&f.to, "to", "", "`version` to roll back to")
	f.register(cmd)
	return cmd
}

func (a *app) rollback(ctx context.Context, inst profiles.Instance, f updateFlags) error {
	err := a.locked(ctx, inst.Name, "rollback", func() error {
		state, meta, err := a.generations(inst)
		if err != nil {
			return err
		}
		g, err := previous(state, meta.Generation, f.to)
		if err != nil {
			return fmt.Errorf("rolling %s back: %w", inst.Name, err)
		}
		if _, err := a.have(g.Image); err != nil {
			return fmt.Errorf("rolling %s back to %s: %w", inst.Name, g.Version, err)
		}
		state.Unskip(g.Digest)
		return a.record(inst.Name, state, roll.Rollback, meta.Generation, g.Number, f)
	})
	if err != nil {
		return err
	}
	return a.carryOut(ctx, inst.Name)
}

// previous is the generation to go back to: the one before the last roll, or
// the newest with the version asked for.
func previous(s roll.State, active int, version string) (roll.Generation, error) {
	if version == "" {
		if g, ok := s.Generation(s.Previous); ok && g.Number != active {
			return g, nil
		}
		return roll.Generation{}, fmt.Errorf("%w: it has not run another version", errNoSuchVersion)
	}
	for _, g := range slices.Backward(s.Generations) {
		if g.Version == version && g.Number != active {
			return g, nil
		}
	}
	return roll.Generation{}, withHint(fmt.Errorf("%s: %w", version, errNoSuchVersion), "aztec-spartan versions lists what is installed; update --to fetches others")
}
