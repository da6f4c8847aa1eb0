package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/probe"
)

// aliveBudget bounds probe --phase=alive: a unit's start must not wait for a
// sync.
const aliveBudget = 8 * time.Second

func (a *app) probeCommand() *cobra.Command {
	var phase string
	var port int
	cmd := &cobra.Command{
		Use:   "probe NAME",
		Short: "Check the health of one node",
		Long: `Ask systemd, and the node over its RPC, how it is: healthy, syncing, standby (it
waits for a rollup that it can follow), unhealthy or stopped, with the reason. A
node that systemd starts again and again is unhealthy, with how often. Exit code
0 when it is healthy, syncing or standby, 6 when not.

With --phase=alive --port=PORT, and no name, it is what units run after a start:
it returns within 10 s, and fails only when the main process ($MAINPID) is gone.`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case phase == "alive" && len(args) == 0:
				return alive(cmd.Context(), port)
			case phase == "health" && len(args) == 1:
				return a.health(cmd.Context(), args[0])
			}
			return withHint(usage(errors.New("probe: wants the name of an instance, or --phase=alive --port=PORT")), "%s --help shows how it is called", cmd.CommandPath())
		},
	}
	cmd.Flags().StringVar(&phase, "phase", "health", "what to check: health, or alive")
	cmd.Flags().IntVar(&port, "port", 0, "RPC port, for --phase=alive")
	return cmd
}

// alive reads no file of ours: a mistake in one must not stop a node from
// starting.
func alive(ctx context.Context, port int) error {
	pid, err := strconv.Atoi(os.Getenv("MAINPID"))
	if err != nil {
		return usage(errors.New("probe --phase=alive: $MAINPID is not set, systemd sets it in ExecStartPost="))
	}
	return probe.Alive(ctx, probe.AliveParams{PID: pid, URL: rpcURL(port), Budget: aliveBudget})
}

func (a *app) health(ctx context.Context, name string) error {
	if err := profiles.ValidName(name); err != nil {
		return usage(err)
	}
	unit, err := a.installedUnit(name)
	if err != nil {
		return err
	}
	meta, err := a.files().Active(unit)
	if err != nil {
		return fmt.Errorf("probing %s: %w", name, err)
	}
	r, err := a.verdictOn(ctx, unit, meta)
	if err != nil {
		return fmt.Errorf("probing %s: %w", name, err)
	}
	if a.json {
		if err := a.printJSON(r); err != nil {
			return err
		}
	} else {
		a.print("%s: %s", r.Health, r.Reason)
	}
	if r.Health == probe.Unhealthy || r.Health == probe.Stopped || r.Health == probe.Unknown {
		return withCode(exitUnhealthy, fmt.Errorf("probing %s: %s", name, r.Reason))
	}
	return nil
}

// verdictOn is that of status. In a tree there is no systemd to ask, and only
// the node is.
func (a *app) verdictOn(ctx context.Context, unit string, meta units.Meta) (probe.Report, error) {
	if !a.live() {
		return probe.Check(ctx, probe.Client(), probeTarget(meta)), nil
	}
	m, err := connect(ctx)
	if err != nil {
		return probe.Report{}, err
	}
	defer m.Close()
	u, err := m.State(ctx, unit)
	if err != nil {
		return probe.Report{}, err
	}
	u = sinceStopped(ctx, m, u)
	r, _ := verdict(ctx, u, meta, a.restarted(ctx, u), a.obstacle(ctx, meta.Instance, u))
	return r, nil
}
