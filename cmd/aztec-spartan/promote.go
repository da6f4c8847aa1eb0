package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
	"github.com/aztec-spartan/aztec-spartan/units/probe"
)

func (a *app) promoteCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "promote NAME",
		Short: "End the instance that another one stood by for",
		Long: `After a cutover, end the old instance whose keys NAME has (config NAME --from OLD).

First both nodes are asked over RPC: NAME must follow its rollup, not wait for
the cutover, and be on another rollup than the old one. Then the old instance is
stopped and disabled, and refuses to start: its keys have one signer. Its data
and settings stay until remove OLD.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.each(cmd.Context(), "promote", args, false, onlyInstance, func(ctx context.Context, m *manager.Manager, name string) error {
				return a.lockedInstance(ctx, name, "promote", func(inst profiles.Instance) error { return a.promote(ctx, m, inst) })
			})
		},
	}
}

func (a *app) promote(ctx context.Context, m *manager.Manager, inst profiles.Instance) error {
	fail := func(err error) error { return fmt.Errorf("promoting %s: %w", inst.Name, err) }
	if inst.StandbyOf == "" {
		return withHint(usage(fail(errors.New("it stands by for no other instance"))), "aztec-spartan config NAME --from %s --version VERSION makes one that does", inst.Name)
	}
	err := a.lockedInstance(ctx, inst.StandbyOf, "promote", func(old profiles.Instance) error {
		if err := a.askBoth(ctx, inst, old); err != nil {
			return err
		}
		return a.endOld(ctx, old, inst.Name, func() error { return a.stop(ctx, m, old.Name) })
	})
	if err != nil {
		return fail(err)
	}
	a.print("%s has taken over from %[2]s, which is stopped and refuses to start; aztec-spartan remove %[2]s ends it for good", inst.Name, inst.StandbyOf)
	return nil
}

// askBoth asks the nodes of two instances whether the first can take over.
func (a *app) askBoth(ctx context.Context, inst, old profiles.Instance) error {
	reports := map[string]probe.Report{}
	for _, i := range []profiles.Instance{inst, old} {
		unit, err := a.unitOf(i)
		if err != nil {
			return err
		}
		meta, err := a.files().Active(unit)
		if err != nil {
			return err
		}
		reports[i.Name] = probe.Check(ctx, probe.Client(), probeTarget(meta))
	}
	if err := mayPromote(reports[inst.Name], reports[old.Name]); err != nil {
		return withHint(withCode(exitUnhealthy, err), "aztec-spartan status %s; both stay as they are", inst.Name)
	}
	return nil
}

// endOld ends an instance whose keys another one has. It refuses to start before
// it is stopped: who starts it in between, by systemctl too, would have both run.
func (a *app) endOld(ctx context.Context, old profiles.Instance, by string, stop func() error) error {
	if err := a.markElsewhere(ctx, old, elsewhere{Why: promoted, Since: time.Now().UTC(), Host: by}); err != nil {
		return err
	}
	if err := stop(); err != nil {
		return withHint(err, "%s refuses to start from now on, and may run still; aztec-spartan promote %s tries to stop it again", old.Name, by)
	}
	return nil
}

// mayPromote decides by what the two nodes say. The old one may be gone.
func mayPromote(next, old probe.Report) error {
	switch {
	case next.Health == probe.Standby:
		return errors.New("it waits for the cutover")
	case next.Health != probe.Healthy && next.Health != probe.Syncing:
		return fmt.Errorf("it is %s: %s", next.Health, next.Reason)
	case next.RollupAddress == "":
		return errors.New("its node does not say on which rollup it is")
	case strings.EqualFold(next.RollupAddress, old.RollupAddress):
		return fmt.Errorf("both nodes are on the rollup %s: that is no cutover", next.RollupAddress)
	}
	return nil
}

// settleStandby learns what became of the instance that one stood by for: it
// stands by for none that is gone.
func (a *app) settleStandby(s *status) {
	if s.StandbyOf == "" {
		return
	}
	if _, err := a.loadInstance(s.StandbyOf); errors.Is(err, fs.ErrNotExist) {
		s.StandbyOf = ""
		return
	}
	s.Promoted = a.promotedOver(s.Name, s.StandbyOf)
}

// promotedOver reports whether an instance has taken over from another one.
func (a *app) promotedOver(name, old string) bool {
	e, err := a.loadElsewhere(old)
	return err == nil && e != nil && e.Why == promoted && e.Host == name
}

// standbyWords says what an instance that stands by waits for.
func standbyWords(s status) string {
	if s.Promoted {
		return fmt.Sprintf("for %s no longer: it has taken over; aztec-spartan remove %s ends that one for good", s.StandbyOf, s.StandbyOf)
	}
	silent := s.Node != nil && s.Node.NodeVersion == "" // it may not have opened its port yet
	switch {
	case s.Health == string(probe.Standby):
		return fmt.Sprintf("for %s, whose keys it has: it waits for the cutover to the rollup of %s", s.StandbyOf, s.Version)
	case (s.Health == string(probe.Healthy) || s.Health == string(probe.Syncing)) && !silent:
		return fmt.Sprintf("for %s, and follows its rollup by now: aztec-spartan promote %s ends %s", s.StandbyOf, s.Name, s.StandbyOf)
	}
	return fmt.Sprintf("for %s, whose keys it has", s.StandbyOf)
}
