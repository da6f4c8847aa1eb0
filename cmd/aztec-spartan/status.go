package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/profiles/redact"
	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
	"github.com/aztec-spartan/aztec-spartan/units/probe"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// status is one instance as status --json prints it. Sizes are bytes.
type status struct {
	Name            string        `json:"name"`
	Role            string        `json:"role"`
	Network         string        `json:"network"`
	Unit            string        `json:"unit"`
	Version         string        `json:"version"`
	Digest          string        `json:"digest"`
	Reference       string        `json:"reference"`
	Generation      int           `json:"generation"`
	ActiveState     string        `json:"active_state"`
	SubState        string        `json:"sub_state"`
	Enabled         bool          `json:"enabled"`
	Health          string        `json:"health"`
	Reason          string        `json:"reason"`
	MainPID         uint32        `json:"main_pid"`
	Since           *time.Time    `json:"since,omitempty"`
	Restarts        uint32        `json:"restarts"`
	MemoryBytes     uint64        `json:"memory_bytes"`
	DiskBytes       int64         `json:"disk_bytes"` // the data directory, as allocated
	PreviousVersion string        `json:"previous_version"`
	RestartNeeded   bool          `json:"restart_needed"`
	LastRoll        *roll.Outcome `json:"last_roll"`
	Roll            string        `json:"roll"` // running, interrupted, or empty
	Skipped         []roll.Skip   `json:"skipped"`
	Node            *probe.Report `json:"node,omitempty"` // what its RPC says
}

const (
	healthStopped = "stopped"
	healthUnknown = "unknown"
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
		LastRoll: state.LastRoll, Skipped: append([]roll.Skip{}, state.Skipped...),
		Health: healthUnknown, Reason: "not asked: --root never talks to systemd",
	}
	if g, ok := state.Generation(state.Previous); ok {
		s.PreviousVersion = g.Version
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
			s.RestartNeeded = fi.ModTime().After(u.ActiveEnter)
		}
	}
	s.judge(ctx, u, meta)
	return s, nil
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

func (a *app) statusTable(all []status) error {
	if len(all) == 0 {
		a.note("there is no instance on this host; aztec-spartan config NAME creates one")
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tROLE\tVERSION\tSTATE\tHEALTH\tMEMORY\tLAST ROLL")
	for _, s := range all {
		last := "-"
		if s.LastRoll != nil {
			last = s.LastRoll.Result
		}
		last = orDefault(s.Roll, last)
		memory := "-"
		if s.MemoryBytes > 0 {
			memory = humanize.IBytes(s.MemoryBytes)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Name, s.Role, orDefault(s.Version, "-"), orDefault(s.ActiveState, "-"), s.Health, memory, last)
	}
	return w.Flush()
}

func (a *app) statusPage(s status) {
	line := func(label, format string, args ...any) {
		a.print("%-12s %s", label+":", fmt.Sprintf(format, args...))
	}
	line("name", "%s (%s, %s)", s.Name, s.Role, s.Network)
	line("version", "%s, generation %d", orDefault(s.Version, "none yet"), s.Generation)
	line("image", "%s", s.Reference)
	line("digest", "%s", s.Digest)
	line("unit", "%s", s.Unit)
	enabled := "disabled at boot"
	if s.Enabled {
		enabled = "enabled at boot"
	}
	state := fmt.Sprintf("%s (%s), %s", orDefault(s.ActiveState, healthUnknown), orDefault(s.SubState, healthUnknown), enabled)
	if s.Since != nil {
		state += fmt.Sprintf(", pid %d, since %s", s.MainPID, s.Since.Local().Format(time.DateTime))
	}
	line("state", "%s, %d restarts", state, s.Restarts)
	line("health", "%s: %s", s.Health, s.Reason)
	if s.RestartNeeded {
		line("restart", "needed: the unit was changed after the node started")
	}
	switch s.Roll {
	case rollRunning:
		line("roll", "one is under way; aztec-spartan logs -f %s follows it", s.Name)
	case rollInterrupted:
		line("roll", "the last one was interrupted; aztec-spartan rollback %s takes it back", s.Name)
	}
	line("memory", "%s", humanize.IBytes(s.MemoryBytes))
	line("data", "%s in /var/lib/aztec/%s", humanize.IBytes(uint64(s.DiskBytes)), s.Name)
	line("previous", "%s", orDefault(s.PreviousVersion, "none"))
	if r := s.LastRoll; r != nil {
		text := fmt.Sprintf("%s %s -> %s: %s at %s", r.Kind, r.From, r.To, r.Result, r.Finished.Local().Format(time.DateTime))
		if r.DowntimeSeconds > 0 {
			text += fmt.Sprintf(", down for %.1f s", r.DowntimeSeconds)
		}
		line("last roll", "%s", text)
		if r.Reason != "" {
			line("", "%s", r.Reason)
		}
	}
	for _, k := range s.Skipped {
		line("skipped", "%s since %s: %s", k.Version, k.Since.Local().Format(time.DateTime), k.Reason)
	}
}

// isRunning reports whether the unit of an instance runs on this host.
func (a *app) isRunning(ctx context.Context, unit string) (bool, error) {
	if !a.live() {
		return false, nil
	}
	m, err := connect(ctx)
	if err != nil {
		return false, err
	}
	defer m.Close()
	s, err := m.State(ctx, unit)
	if err != nil {
		return false, err
	}
	return !strings.HasPrefix(s.ActiveState, "inactive") && s.ActiveState != "failed", nil
}

var errNoSuchVersion = errors.New("no such version here")
