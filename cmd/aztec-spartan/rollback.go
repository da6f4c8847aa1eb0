package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/extract"
	"github.com/aztec-spartan/aztec-spartan/units/atomicfile"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// sinceTakenBack is for how long rollback without a version does nothing after an
// interrupted update was taken back: verbs say that rollback does that, and an engine
// may have been faster than who types it. Who repeats a rollback that was interrupted
// wants it still.
const sinceTakenBack = 10 * time.Minute

var errNoSuchVersion = errors.New("no such version here")

func (a *app) rollbackCommand() *cobra.Command {
	var f updateFlags
	cmd := &cobra.Command{
		Use:   "rollback [NAME]",
		Short: "Roll an instance back to the version before",
		Long: `Roll back to the version before, or to the one that --to names, with the settings
it ran with. It is on this host still: no registry is asked. The old version
must pass the same gate. The version that is left is skipped from now on, until
update --to asks for it, or unskip takes it off.

A roll that was interrupted, or whose way back did not come to its end, is taken
back instead.`,
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.rollEach(cmd.Context(), "rollback", args, f, a.prepareRollback)
		},
	}
	cmd.Flags().StringVar(&f.to, "to", "", "`version` to roll back to")
	f.register(cmd)
	return cmd
}

func (a *app) prepareRollback(ctx context.Context, name string, f updateFlags) (bool, error) {
	inst, err := a.loadInstance(name)
	if err != nil {
		return false, err
	}
	state, meta, err := a.generations(inst)
	if err != nil {
		return false, err
	}
	if last := state.LastRoll; f.to == "" && last != nil && last.TakenBack() && last.Kind != roll.Rollback && time.Since(last.Finished) < sinceTakenBack {
		a.print("%s: its roll to %s, which was interrupted, was taken back at %s; %s is in place, and --to VERSION goes further back", name, last.To, last.Finished.Local().Format(time.TimeOnly), last.From)
		return false, nil
	}
	g, err := previous(state, meta.Generation, f.to)
	if err != nil {
		return false, fmt.Errorf("rolling %s back: %w", name, err)
	}
	if _, err := a.have(g.Image); err != nil {
		err = fmt.Errorf("rolling %s back to %s: %w", name, g.Version, err)
		if errors.Is(err, extract.ErrNotFound) {
			err = withHint(err, "gc removed it; aztec-spartan pull %s@%s fetches it again", repositoryOf(g.Reference), g.Digest)
		}
		return false, err
	}
	if err := a.mayReplace(ctx, "rolling "+name+" back", inst, false); err != nil {
		return false, err
	}
	if err := a.checkStandby(ctx, fmt.Sprintf("rolling %s back to %s", name, g.Version), inst, g.Version); err != nil {
		return false, err
	}
	if edited, err := a.edited(inst, meta.Generation); err != nil {
		return false, err
	} else if edited {
		aside := instancePath(name, "instance.toml.edited")
		a.note("the settings of %s come back; changes that were not applied are kept in %s", g.Version, aside)
		if err := atomicfile.Write(a.path(aside), inst.Encode(), 0o640); err != nil {
			return false, err
		}
	}
	state.Unskip(g.Digest)
	return true, a.record(name, state, roll.Rollback, meta.Generation, g.Number, f)
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
	return roll.Generation{}, withHint(usage(fmt.Errorf("%s: %w", version, errNoSuchVersion)), "aztec-spartan versions lists what is installed; update --to fetches others")
}
