package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/extract"
	"github.com/aztec-spartan/aztec-spartan/profiles/redact"
	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

func (a *app) statusCommand() *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use:   "status [NAME...]",
		Short: "Show version, health and last roll of instances",
		Long: `Show what instances run and how they are. Without names, all of them in a
table of 80 columns; with one name, everything about it: what it uses, how far it
is behind L1, its peers, whether its attesters are in the validator set and what they
missed, what its publishers have on L1, its last error.

Health is healthy, syncing, standby, unhealthy, stopped or unknown. An HTTP
answer alone is not health: the node's RPC must answer as the version that was
installed.

--watch draws the same every two seconds, as much as the screen has room for,
until Ctrl-C. --json prints an array; what takes longer to learn is in it only
where instances are named.`,
		Example: `  aztec-spartan status
  aztec-spartan status val1 --watch
  aztec-spartan status --json | jq -r '.[] | select(.health != "healthy").name'`,
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.needRoot("status", false); err != nil {
				return err
			}
			if watch {
				return a.watchStatus(cmd.Context(), args)
			}
			return a.showStatus(cmd.Context(), args)
		},
	}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "draw it again and again")
	return cmd
}

func (a *app) showStatus(ctx context.Context, args []string) error {
	names, err := a.instanceNames()
	if err == nil && len(args) > 0 {
		names, err = a.selected(args, false, everyInstance)
	}
	if err != nil {
		return err
	}
	var m unitReader
	if a.live() {
		c, err := connect(ctx)
		if err != nil {
			return err
		}
		defer c.Close()
		m = c
	}
	all, err := a.statuses(ctx, m, names, len(args) > 0)
	switch {
	case err != nil:
		return err
	case a.json:
		return a.printJSON(all)
	case len(args) == 1:
		a.statusPage(all[0])
		return nil
	}
	return a.statusTable(all)
}

// unitReader is the service manager as a status sees it. Several goroutines
// call it.
type unitReader interface {
	State(ctx context.Context, unit string) (manager.UnitState, error)
}

// atOnce is how many instances are looked at together: most of the time is
// spent waiting for their answers.
const atOnce = 32

// statuses are those of instances, in their order. One that cannot be read does
// not hide the others; one that is not there is an error.
func (a *app) statuses(ctx context.Context, m unitReader, names []string, detailed bool) ([]status, error) {
	all, errs := a.look(ctx, m, names, detailed)
	for _, err := range errs {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return all, ctx.Err()
}

// look is the status of each instance, with the errors, which are the reasons
// of their statuses, too.
func (a *app) look(ctx context.Context, m unitReader, names []string, detailed bool) ([]status, []error) {
	all, errs := make([]status, len(names)), make([]error, len(names))
	var next *time.Time
	if m != nil {
		if u, err := m.State(ctx, updateTimer); err == nil && u.ActiveState == "active" && !u.NextElapse.IsZero() {
			at := u.NextElapse.UTC()
			next = &at
		}
	}
	var open error
	var looking sync.WaitGroup
	if m != nil {
		looking.Go(func() { open = a.exposed(ctx) })
	}
	slots := make(chan struct{}, atOnce)
	for i, name := range names {
		slots <- struct{}{}
		looking.Go(func() {
			defer func() { <-slots }()
			s, err := a.status(ctx, m, name)
			if err == nil && (detailed || a.json) {
				err = a.askVote(ctx, &s)
			}
			if err == nil && detailed && m != nil {
				s.details = a.details(ctx, s)
				s.RootfsBytes = a.rootfsBytes(s.Digest)
			}
			if err != nil {
				s.Health, s.Reason = healthUnknown, redact.Text(err.Error())
			}
			s.NextCheck = next
			all[i], errs[i] = s, err
		})
	}
	looking.Wait()
	for i := range all {
		if open != nil && all[i].MainPID != 0 {
			all[i].Exposed = open.Error()
		}
	}
	return all, errs
}

// status returns what could be learned, with an error too.
func (a *app) status(ctx context.Context, m unitReader, name string) (status, error) {
	inst, err := a.loadInstance(name)
	if err != nil {
		return status{Name: name, Skipped: []roll.Skip{}}, err
	}
	state, meta, err := a.generations(inst)
	if err != nil {
		return status{Name: name, Role: inst.Role, Network: inst.Network, Unit: state.Unit, Skipped: []roll.Skip{}}, err
	}
	s := status{
		Name: name, Role: inst.Role, Network: inst.Network, StandbyOf: inst.StandbyOf, Unit: state.Unit,
		Version: meta.Version, Digest: meta.Digest, Reference: meta.Reference, Generation: meta.Generation, DataDir: a.dataHome(inst),
		LastRoll: state.LastRoll, Skipped: append([]roll.Skip{}, state.Skipped...), Pin: state.Pin, NoSigning: state.NoSigning,
		Health: healthUnknown, Reason: "not asked: --root never talks to systemd",
	}
	a.settleStandby(&s)
	if g, ok := state.Generation(state.Previous); ok {
		s.PreviousVersion = g.Version
	}
	if s.Payload, err = a.votes(ctx, inst, meta, nil); err != nil {
		return s, err
	}
	if meta.Image == "" {
		s.Health, s.Reason = healthStopped, "its image was not fetched yet: aztec-spartan start "+inst.Name
		return a.withoutUnit(ctx, m, s)
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
	if dir, err := a.dataPath(inst.Name); err == nil { // else their disk is away
		s.DiskBytes = diskUsage(dir)
	}
	if u.CPUUsageNSec != manager.Unknown {
		s.CPUSeconds = time.Duration(u.CPUUsageNSec).Seconds()
	}
	if s.MemoryBytes = u.MemoryCurrent; u.MemoryCurrent == manager.Unknown {
		s.MemoryBytes = residentBytes(u.MainPID) // no memory accounting on this host
	}
	if !u.ActiveEnter.IsZero() && u.ActiveState == "active" {
		s.Since = &u.ActiveEnter
		unit := changedSince(a.path(filepath.Join(systemdDir, state.Unit)), u.ActiveEnter)
		s.RestartNeeded = unit && !a.caughtUp(name, u, meta.Generation) || a.inputChanged(name, u.ActiveEnter)
	}
	s.Restarted = a.restarted(ctx, u)
	u = sinceStopped(ctx, m, u)
	s.judge(ctx, u, meta, a.obstacle(ctx, name, u))
	return s, nil
}

// withoutUnit is the status of an instance that has no unit file. Somebody may
// have removed it under a node, which runs on.
func (a *app) withoutUnit(ctx context.Context, m unitReader, s status) (status, error) {
	if m == nil {
		return s, nil
	}
	u, err := m.State(ctx, s.Unit)
	if err == nil && u.MainPID != 0 {
		s.ActiveState, s.SubState, s.MainPID = u.ActiveState, u.SubState, u.MainPID
		s.Health, s.Reason = healthUnknown, "its node runs, and its unit file is gone: aztec-spartan restart "+s.Name+" writes it again"
	}
	return s, err
}

func changedSince(path string, t time.Time) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.ModTime().After(t)
}

// inputChanged reports whether something changed that a node reads at its
// start only, and that is not in its unit.
func (a *app) inputChanged(name string, t time.Time) bool {
	for _, file := range []string{keystoreFile, keystoreFile + sealedSuffix, p2pKeyFile, localEnvFile} {
		if changedSince(a.path(instancePath(name, file)), t) {
			return true
		}
	}
	return false
}

// States of a roll that has no outcome yet.
const (
	rollRunning     = "running"
	rollInterrupted = "interrupted"
)

func rollState(ctx context.Context, m unitReader, name string, in roll.Intent) (string, error) {
	u, err := m.State(ctx, rollUnit(name))
	switch {
	case err != nil:
		return "", err
	case !u.Down():
		return rollRunning, nil
	case in.Begun:
		return rollInterrupted, nil
	}
	return "", nil // recorded, never begun: it will not happen
}

// judge decides on the health of a unit from what systemd and the node say.
func (s *status) judge(ctx context.Context, u manager.UnitState, meta units.Meta, obstacle error) {
	r, asked := verdict(ctx, u, meta, s.Restarted, obstacle)
	s.Health, s.Reason = string(r.Health), r.Reason
	if asked {
		s.Node = &r
	}
}

// rootfsBytes are those of an image, whatever part of them others share; its
// record knows only of what was fetched with it. Some ten thousand files are
// looked at.
func (a *app) rootfsBytes(digest string) int64 {
	img, err := a.have(extract.IDOf(digest))
	if err != nil {
		return 0
	}
	return diskUsage(img.Rootfs())
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
