package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/units/atomicfile"
	"github.com/aztec-spartan/aztec-spartan/units/doctor"
	"github.com/aztec-spartan/aztec-spartan/units/metrics"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// metricsFile is the name in the directory of the textfile collector.
const metricsFile = "aztec_spartan.prom"

func (a *app) metricsCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "metrics",
		Short: "Print metrics for Prometheus",
		Long: `Print metrics of all instances in the text format of Prometheus: versions,
health, sync, peers, restarts, outcomes of rolls, disks, whether an update is
there, and when each was looked at.

With --textfile DIR they are written for the textfile collector of node_exporter,
in one rename. [metrics] textfile in config.toml has aztec-watch.timer do that
every minute (aztec-spartan notify enable). Alert rules and a dashboard for
Grafana are in /usr/share/aztec-spartan/metrics.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.needRoot("metrics", false); err != nil {
				return err
			}
			if !a.live() {
				return withCode(exitUnsupported, errors.New("metrics: --root has no nodes to look at"))
			}
			all, err := a.everyStatus(cmd.Context())
			if err != nil {
				return err
			}
			text := a.metricsOf(all, time.Now()).Text()
			if dir != "" {
				return a.writeMetrics(dir, text)
			}
			_, err = a.out.Write(text)
			return err
		},
	}
	cmd.Flags().StringVar(&dir, "textfile", "", "`directory` of the textfile collector to write to")
	return cmd
}

func (a *app) writeMetrics(dir string, text []byte) error {
	// node_exporter runs as another user.
	if err := atomicfile.Write(filepath.Join(a.path(dir), metricsFile), text, 0o644); err != nil {
		err = fmt.Errorf("writing metrics: %w", err)
		if errors.Is(err, fs.ErrNotExist) {
			return withHint(err, "is node_exporter there? its --collector.textfile.directory is the directory to name")
		}
		return err
	}
	return nil
}

// exportMetrics is what a look at all instances leaves for Prometheus.
func (a *app) exportMetrics(ctx context.Context, c hostConfig, all []status) error {
	if c.Metrics.Textfile == "" || ctx.Err() != nil {
		return ctx.Err()
	}
	return a.writeMetrics(c.Metrics.Textfile, a.metricsOf(all, time.Now()).Text())
}

var healthStates = []string{"healthy", "syncing", "standby", "unhealthy", healthStopped, healthUnknown}

// metricsOf describes what is known of all instances. Names and labels are a
// promise: dashboards and alerts of others rest on them.
func (a *app) metricsOf(all []status, now time.Time) *metrics.Set {
	m := metrics.New()
	truth := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	m.Gauge("aztec_spartan_info", "Version of aztec-spartan that wrote this.", 1, "version", orDefault(version, "unreleased"))
	m.Gauge("aztec_spartan_last_look_timestamp_seconds", "When this was collected.", float64(now.Unix()))
	for _, s := range all {
		l := []string{"instance_name", s.Name, "role", s.Role, "network", s.Network}
		with := func(more ...string) []string { return append(append([]string{}, l...), more...) }
		m.Gauge("aztec_instance_info", "What an instance is configured to run.", 1, with("version", s.Version, "digest", s.Digest, "unit", s.Unit)...)
		m.Gauge("aztec_instance_enabled", "Whether it starts at boot.", truth(s.Enabled), l...)
		m.Gauge("aztec_instance_up", "Whether its unit is active.", truth(s.ActiveState == "active"), l...)
		for _, state := range healthStates {
			m.Gauge("aztec_instance_health", "The health that it has is 1, all others 0.", truth(s.Health == state), with("health", state)...)
		}
		m.Counter("aztec_instance_restarts_total", "Automatic restarts since it was started by hand.", float64(s.Restarts), l...)
		m.Gauge("aztec_instance_memory_bytes", "Memory of its processes.", float64(s.MemoryBytes), l...)
		m.Gauge("aztec_instance_data_bytes", "Its data, as allocated on the disk.", float64(s.DiskBytes), l...)
		m.Gauge("aztec_instance_restart_needed", "Whether its unit, keys or local.env have changed since it was started.", truth(s.RestartNeeded), l...)
		if s.Since != nil {
			m.Gauge("aztec_instance_start_timestamp_seconds", "When it was started.", float64(s.Since.Unix()), l...)
		}
		a.nodeMetrics(m, s, now, l)
		if r := s.LastRoll; r != nil {
			for _, result := range []string{roll.Done, roll.RolledBack, roll.Failed, roll.Cancelled} {
				m.Gauge("aztec_instance_last_roll", "The result of the last roll is 1, all others 0.", truth(r.Result == result), with("result", result)...)
			}
			m.Gauge("aztec_instance_last_roll_timestamp_seconds", "When the last roll ended.", float64(r.Finished.Unix()), l...)
			m.Gauge("aztec_instance_last_roll_downtime_seconds", "How long the node did not answer during the last roll.", r.DowntimeSeconds, l...)
		}
		if u, known := a.updateSeen(s.Name); known {
			m.Gauge("aztec_instance_update_available", "Whether the last unattended look found a version that is not run yet.", truth(u.Newest != "" && u.Newest != s.Version), l...)
			m.Gauge("aztec_instance_update_look_timestamp_seconds", "When auto-update looked last.", float64(u.Looked.Unix()), l...)
		}
		m.Gauge("aztec_instance_skipped_versions", "How many versions failed here and are not tried again.", float64(len(s.Skipped)), l...)
	}
	a.diskMetrics(m, all)
	return m
}

// nodeMetrics are what the node itself says.
func (a *app) nodeMetrics(m *metrics.Set, s status, now time.Time, l []string) {
	n := s.Node
	if n == nil {
		return
	}
	m.Gauge("aztec_node_block", "Newest block.", float64(n.Block), l...)
	m.Gauge("aztec_node_proven_block", "Newest proven block.", float64(n.Proven), l...)
	m.Gauge("aztec_node_checkpoint", "Newest checkpoint on L1 that it knows.", float64(n.Checkpoint), l...)
	m.Gauge("aztec_node_rpc_latency_seconds", "How long its RPC took to answer.", n.Latency.Seconds(), l...)
	if n.SyncedL1 != nil {
		m.Gauge("aztec_node_l1_lag_seconds", "Age of the newest block of L1 that it has seen.", now.Sub(*n.SyncedL1).Seconds(), l...)
	}
	if n.Peers != nil {
		m.Gauge("aztec_node_peers", "Peers.", float64(*n.Peers), l...)
	}
	if n.Agents != nil {
		m.Gauge("aztec_agent_provers", "Provers in an agent.", float64(*n.Agents), l...)
	}
	if n.Proving != nil {
		m.Gauge("aztec_agent_proving", "Provers in an agent that have a job.", float64(*n.Proving), l...)
	}
}

func (a *app) diskMetrics(m *metrics.Set, all []status) {
	for _, r := range a.rooms(all, 0) {
		free, total, err := doctor.Disks{}.Room(a.path(r.Dir))
		if err == nil {
			m.Gauge("aztec_disk_free_bytes", "Free space of the disks of data and images.", float64(free), "directory", r.Dir)
			m.Gauge("aztec_disk_size_bytes", "Size of these disks.", float64(total), "directory", r.Dir)
		}
	}
}

// updateSeen is what the last unattended look for updates has found.
type updateSeen struct {
	Looked time.Time `json:"looked"`
	Newest string    `json:"newest"` // that the policy allows, now or later; "": none but what runs
}

func (a *app) updateSeenPath(name string) string {
	return a.path(filepath.Join(stateDir, name, "update-seen.json"))
}

// rememberUpdate keeps for metrics what an unattended look has found.
func (a *app) rememberUpdate(name, newest string) {
	data, err := json.Marshal(updateSeen{time.Now().UTC(), newest})
	if err == nil {
		err = atomicfile.Write(a.updateSeenPath(name), data, 0o600)
	}
	if err != nil {
		a.note("warning: metrics will not know of updates of %s: %v", name, err)
	}
}

func (a *app) updateSeen(name string) (updateSeen, bool) {
	var u updateSeen
	data, err := os.ReadFile(a.updateSeenPath(name))
	return u, err == nil && json.Unmarshal(data, &u) == nil
}
