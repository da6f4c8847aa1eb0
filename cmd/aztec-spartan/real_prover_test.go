//go:build real

package main

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage"
	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
)

// A sequencer, a broker, a prover node and an agent, each the real one, made
// by a config each: what the sequencer publishes is proven, and L1 accepts it.
func TestRealProver(t *testing.T) {
	t.Parallel()
	set, err := realimage.Build(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	s, err := stage.Set(t.Context(), stage.Options{Suite: "bookworm", Deb: debPath(t), Settle: "5s", Layouts: []string{set.Layout}, L1: set})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	g := &guest{s, t}
	began := time.Now()
	g.configStack(set)
	t.Logf("four configs took %.1f s", time.Since(began).Seconds())
	began = time.Now()
	g.startStack()
	g.stackHealthy()
	t.Logf("all four are healthy %.1f s after the first start", time.Since(began).Seconds())
	g.ownUsers()
	g.proves(set)
	g.rollsAgent(set)
	g.stackHealthy()
	g.stopStack()
}

// ownUsers holds every node to the user of its instance.
func (g *guest) ownUsers() {
	g.t.Helper()
	for name, unit := range stack {
		if user := g.sh("stat -c %U /proc/$(systemctl show -P MainPID " + unit + ")"); user != userOf(name) {
			g.t.Errorf("%s runs as %s", name, user)
		}
	}
}

// rollsAgent rolls the one that follows no chain, there and back.
func (g *guest) rollsAgent(set *realimage.Set) {
	g.t.Helper()
	for _, roll := range []struct{ verb, version string }{{"update agent1 --to " + set.Tags[1], set.Tags[1]}, {"rollback agent1", set.Tags[0]}} {
		g.sh("aztec-spartan " + roll.verb)
		var list []status
		out := g.sh("aztec-spartan status agent1 --json")
		if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != 1 {
			g.t.Fatalf("%s: %v", out, err)
		}
		s := list[0]
		if s.Version != roll.version || s.Node == nil || s.Node.NodeVersion != roll.version {
			g.t.Errorf("%s: %s", roll.verb, out)
		}
		g.t.Logf("%s: down for %.1f s", roll.verb, s.LastRoll.DowntimeSeconds)
	}
}

// stopStack stops all four, the broker last: without it the prover node would
// take half a minute.
func (g *guest) stopStack() {
	g.t.Helper()
	began := time.Now()
	g.sh("aztec-spartan stop --all")
	if took := time.Since(began); took > 30*time.Second {
		g.t.Errorf("the stop took %s", took)
	}
	g.t.Logf("all four stopped in %.1f s", time.Since(began).Seconds())
	for name, unit := range stack {
		if r := g.sh("systemctl show -P Result " + unit); r != "success" {
			g.t.Errorf("systemd takes the stop of %s for a %s", name, r)
		}
	}
	for _, key := range []string{realimage.DevKey, realimage.ProverKey} {
		if g.try("journalctl --no-pager -u 'aztec-*' | grep -q "+key[2:]).Code == 0 {
			g.t.Error("the journal holds a key")
		}
	}
}
