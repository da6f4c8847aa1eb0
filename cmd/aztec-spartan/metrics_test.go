package main

import (
	"encoding/json"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units/probe"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// someMetrics are those of two instances, one of which has everything.
func someMetrics(t *testing.T) string {
	t.Helper()
	a := newApp(io.Discard)
	a.err, a.root = io.Discard, t.TempDir()
	at := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	synced, peers, agents, proving := at.Add(-7*time.Second), 42, 2, 1
	a.rememberUpdate("val1", "4.1.3")
	put(t, a.updateSeenPath("val1"), `{"looked":"2026-11-28T11:30:00Z","newest":"4.1.3"}`)
	all := []status{
		{
			Name: "val1", Role: "sequencer", Network: "mainnet", Version: "4.1.2", Digest: "sha256:" + someKey, Unit: "aztec-sequencer@val1.service",
			Enabled: true, ActiveState: "active", Health: "healthy", Restarts: 2, MemoryBytes: 1 << 30, DiskBytes: 2 << 30, Since: &synced,
			LastRoll: &roll.Outcome{Result: roll.RolledBack, Finished: at.Add(-time.Hour), DowntimeSeconds: 12.5},
			Node:     &probe.Report{Block: 100, Proven: 90, Checkpoint: 80, SyncedL1: &synced, Peers: &peers, Agents: &agents, Proving: &proving, Latency: 3 * time.Millisecond},
		},
		{Name: "full1", Role: "full-node", Network: "testnet", Health: healthStopped, ActiveState: "inactive"},
	}
	text := string(a.metricsOf(all, at).Text())
	// What this machine has.
	text = regexp.MustCompile(`(?m)^(aztec_disk_\w+\{.*\}) .*$`).ReplaceAllString(text, "$1 1")
	return strings.ReplaceAll(text, `version="`+orDefault(version, "unreleased")+`"`, `version="unreleased"`)
}

// Names and labels are a promise: this file changes with a reason only. promtool
// checks it, see the Makefile.
func TestMetrics(t *testing.T) { golden(t, "testdata/metrics.prom", []byte(someMetrics(t))) }

// Alerts and dashboard ask for nothing that there is not.
func TestMetricsAreThere(t *testing.T) {
	there := someMetrics(t)
	name := regexp.MustCompile(`\baztec_[a-z0-9_]+`)
	for _, path := range []string{"../../packaging/metrics/alerts.yml", "../../packaging/metrics/dashboard.json"} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found := name.FindAllString(string(data), -1)
		if len(found) < 9 {
			t.Errorf("%s has only %q", path, found)
		}
		for _, f := range found {
			if !strings.Contains(there, "# TYPE "+f+" ") {
				t.Errorf("%s asks for %s", path, f)
			}
		}
		if strings.HasSuffix(path, ".json") && !json.Valid(data) {
			t.Errorf("%s is no JSON", path)
		}
	}
}

func TestWriteMetrics(t *testing.T) {
	a := newApp(io.Discard)
	a.err, a.root = io.Discard, t.TempDir()
	if err := a.writeMetrics("/none", []byte("x 1\n")); err == nil {
		t.Error("a directory that is not there is made")
	}
	if err := os.Mkdir(a.path("/dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := a.writeMetrics("/dir", []byte("x 1\n")); err != nil || get(t, a.path("/dir/"+metricsFile)) != "x 1\n" {
		t.Error(err)
	}
	if fi, err := os.Stat(a.path("/dir/" + metricsFile)); err != nil || fi.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", fi.Mode(), err)
	}
}
