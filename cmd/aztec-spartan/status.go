package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/profiles/redact"
	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
	"github.com/aztec-spartan/aztec-spartan/units/probe"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status [NAME...]",
		Short: "Show version, health and last roll of instances",
		Long: `Show what instances run and how they are. Without names, all of them in a
table; with one name, everything about it.

Health is healthy, syncing, standby, unhealthy, stopped or unknown. An HTTP
answer alone is not health: the node's RPC must answer as the version that was
installed.`,
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if err := a.needRoot("status", false); err != nil {
				return err
			}
			names, err := a.instanceNames()
			if err == nil && len(args) > 0 {
				names, err = a.selected(args, false, everyInstance)
			}
			if err != nil {
				return err
			}
			var m *manager.Manager
			if a.live() {
				if m, err = connect(ctx); err != nil {
					return err
				}
				defer m.Close()
			}
			all := []status{}
			for _, name := range names {
				s, err := a.status(ctx, m, name)
				switch {
				case errors.Is(err, fs.ErrNotExist):
					return err
				case err != nil: // one that cannot be read must not hide the others
					s.Health, s.Reason = healthUnknown, redact.Text(err.Error())
				}
				all = append(all, s)
			}
			switch {
			case a.json:
				return a.printJSON(all)
			case len(args) == 1:
				a.statusPage(all[0])
				return nil
			}
			return a.statusTable(all)
		},
	}
}

// status returns what could be learned, with an error too.
func (a *app) status(ctx context.Context, m *manager.Manager, name string) (status, error) {
	inst, err := a.loadInstance(name)
	if err != nil {
		return status{Name: name, Skipped: []roll.Skip{}}, err
	}
	state, meta, err := a.generations(inst)
	if err != nil {
		return status{Name: name, Skipped: []roll.Skip{}}, err
	}
	s := status{
		Name: name, Role: inst.Role, Network: inst.Network, Unit: state.Unit,
		Version: meta.Version, Digest: meta.Digest, Reference: meta.Reference, Generation: meta.Generation,
		LastRoll: state.LastRoll, Skipped: append([]roll.Skip{}, state.Skipped...), Pin: state.Pin,
		Health: healthUnknown, Reason: "not asked: --root never talks to systemd",
	}
	if g, ok := state.Generation(state.Previous); ok {
		s.PreviousVersion = g.Version
	}
	if s.Payload, err = a.votes(ctx, inst, meta, nil); err != nil {
		return s, err
	}
	if meta.Image == "" {
		s.Health, s.Reason = healthStopped, "its image was not fetched yet: aztec-spartan start "+inst.Name
		return s, nil
	}
	if m == nil {
		return s, nil
	}
	if state.Intent != nil {
		if s.Roll, err = rollState(ctx, m, name, *state.Intent); err != nil {
			return s, err
		}
	}
	u, err := m.State(ctx, state.Unit)
	if err != nil {
		return s, err
	}
	s.ActiveState, s.SubState, s.MainPID, s.Restarts = u.ActiveState, u.SubState, u.MainPID, u.NRestarts
	s.Enabled = u.UnitFileState == "enabled"
	s.DiskBytes = diskUsage(filepath.Join("/var/lib/aztec", inst.Name))
	if s.MemoryBytes = u.MemoryCurrent; u.MemoryCurrent == manager.Unknown {
		s.MemoryBytes = residentBytes(u.MainPID) // no memory accounting on this host
	}
	if !u.ActiveEnter.IsZero() && u.ActiveState == "active" {
		s.Since = &u.ActiveEnter
		if fi, err := os.Stat(filepath.Join(systemdDir, state.Unit)); err == nil {
			s.RestartNeeded = fi.ModTime().After(u.ActiveEnter) && !a.caughtUp(name, u, meta.Generation)
		}
	}
	s.judge(ctx, u, meta)
	if s.Node != nil {
		s.Payload, err = a.votes(ctx, inst, meta, s.Node)
	}
	return s, err
}

// States of a roll that has no outcome yet.
const (
	rollRunning     = "running"
	rollInterrupted = "interrupted"
)

func rollState(ctx context.Context, m *manager.Manager, name string, in roll.Intent) (string, error) {
	u, err := m.State(ctx, rollUnit(name))
	switch {
	case err != nil:
		return "", err
	case u.ActiveState != "inactive" && u.ActiveState != "failed":
		return rollRunning, nil
	case in.Begun:
		return rollInterrupted, nil
	}
	return "", nil // recorded, never begun: it will not happen
}

// judge decides on the health of a unit from what systemd and the node say.
func (s *status) judge(ctx context.Context, u manager.UnitState, meta units.Meta) {
	switch {
	case u.ActiveState == "inactive":
		s.Health, s.Reason = healthStopped, "it is stopped"
	case u.ActiveState == "activating" && u.SubState == "auto-restart":
		s.Health = string(probe.Unhealthy)
		s.Reason = fmt.Sprintf("the node %s; systemd starts it again (restart %d)", orDefault(exitWords(u), "stopped"), u.NRestarts)
	case u.ActiveState == "failed":
		s.Health, s.Reason = string(probe.Unhealthy), "the unit failed: "+u.Result
	default:
		r := probe.Check(ctx, probe.Client(), probeTarget(meta))
		s.Health, s.Reason, s.Node = string(r.Health), r.Reason, &r
	}
}

// diskUsage is what a directory takes on disk; sparse LMDB maps count as
// allocated, not as long. 0 if it cannot be read.
func diskUsage(dir string) int64 {
	var total int64
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // files come and go under a running node
		}
		if fi, err := d.Info(); err == nil {
			total += allocated(fi)
		}
		return nil
	})
	return total
}
