package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/units/probe"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// aliveBudget bounds probe --phase=alive: a unit's start must not wait for a
// sync.
const aliveBudget = 8 * time.Second

func (a *app) probeCommand() *cobra.Command {
	var phase string
	cmd := &cobra.Command{
		Use:   "probe NAME",
		Short: "Check the health of one node",
		Long: `Ask the node over its RPC how it is. Exit code 0 when healthy or syncing, 6 when not.

--phase=alive is what units run after a start: it returns within 10 s, and
fails only when the main process ($MAINPID) is gone.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			inst, err := a.loadInstance(args[0])
			if err != nil {
				return err
			}
			_, meta, err := a.generations(inst)
			if err != nil {
				return err
			}
			if meta.Image == "" {
				return fmt.Errorf("probing %s: %w", inst.Name, roll.ErrNotInstalled)
			}
			t := probeTarget(meta)
			switch phase {
			case "alive":
				return alive(ctx, t)
			case "health":
				return a.health(ctx, t)
			}
			return usage(fmt.Errorf("--phase %q: neither alive nor health", phase))
		},
	}
	cmd.Flags().StringVar(&phase, "phase", "health", "what to check: health, or alive")
	return cmd
}

func alive(ctx context.Context, t probe.Target) error {
	pid, err := strconv.Atoi(os.Getenv("MAINPID"))
	if err != nil {
		return usage(errors.New("--phase=alive: $MAINPID is not set, systemd sets it in ExecStartPost="))
	}
	return probe.Alive(ctx, probe.AliveParams{PID: pid, URL: t.URL, Budget: aliveBudget})
}

func (a *app) health(ctx context.Context, t probe.Target) error {
	r := probe.Check(ctx, probe.Client(), t)
	if a.json {
		if err := a.printJSON(r); err != nil {
			return err
		}
	} else {
		a.print("%s: %s", r.Health, r.Reason)
	}
	if r.Health == probe.Unhealthy || r.Health == probe.Unknown {
		return withCode(exitUnhealthy, fmt.Errorf("probing %s: %s", t.Name, r.Reason))
	}
	return nil
}
