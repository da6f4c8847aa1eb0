//go:build real

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage"
	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
	"github.com/aztec-spartan/aztec-spartan/packaging/testhost"
)

// stack are the instances of the test and their units.
var stack = map[string]string{
	"val1":    val1,
	"broker1": "aztec-prover-broker@broker1.service",
	"prove1":  "aztec-prover-node@prove1.service",
	"agent1":  "aztec-prover-agent@agent1.service",
}

// A sequencer, a broker, a prover node and an agent, each the real one, made
// by a config each: what the sequencer publishes is proven, and L1 accepts it.
func TestRealProver(t *testing.T) {
	t.Parallel()
	set, err := realimage.Build(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	s, err := stage.Set(t.Context(), stage.Options{Suite: "bookworm", Deb: debPath(t), Layouts: []string{set.Layout}, L1: set})
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
	g.sh("aztec-spartan start val1")
	if err := s.ServeBlobs("val1"); err != nil {
		t.Fatal(err)
	}
	g.sh("aztec-spartan start")
	g.stackHealthy()
	t.Logf("all four are healthy %.1f s after the first start", time.Since(began).Seconds())
	g.ownUsers()
	g.proves(set)
	g.rollsAgent(set)
	g.stackHealthy()
	g.stopStack()
}

// configStack makes the four instances.
func (g *guest) configStack(set *realimage.Set) {
	g.t.Helper()
	const broker = "--broker http://127.0.0.1:8083 "
	node, brk, agent := stage.ProverFlags(set)
	g.sh("umask 077; echo " + realimage.DevKey + " >/root/key; echo " + realimage.ProverKey + " >/root/prover-key")
	g.sh("aztec-spartan config val1 --key-file /root/key " + strings.Join(stage.ConfigFlags(set, "val1"), " "))
	g.sh("aztec-spartan config broker1 --port 8083 " + strings.Join(brk, " "))
	g.sh("aztec-spartan config prove1 --port 8082 --admin-port 8882 --publisher-key-file /root/prover-key " + broker + strings.Join(node, " "))
	g.sh("aztec-spartan config agent1 --port 8084 --agents 1 " + broker + strings.Join(agent, " "))
	for _, unit := range stack {
		g.sh("systemd-analyze security --threshold=12 " + unit)
	}
}

// stackHealthy waits until status says so of all four.
func (g *guest) stackHealthy() {
	g.t.Helper()
	// A prover node has no block before the first checkpoint, which may take some slots.
	ctx, cancel := context.WithTimeout(g.t.Context(), 2*realimage.EpochTime)
	defer cancel()
	var list []status
	err := testhost.Wait(ctx, "four healthy instances", func() (bool, error) {
		list = nil
		out := g.sh("aztec-spartan status --json")
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			return false, fmt.Errorf("%s: %w", out, err)
		}
		healthy := 0
		for _, s := range list {
			if s.Health == "healthy" && s.Restarts == 0 {
				healthy++
			}
		}
		return healthy == len(stack), nil
	})
	for _, s := range list {
		g.t.Logf("%s (%s): %s: %s", s.Name, s.Role, s.Health, s.Reason)
	}
	if err != nil {
		g.t.Fatalf("%v\n%s", err, g.journal())
	}
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

// proves waits until the rollup contract on L1 has accepted the proof of an
// epoch that was published after the start.
func (g *guest) proves(set *realimage.Set) {
	g.t.Helper()
	before, err := g.Proven(g.t.Context(), set)
	if err != nil {
		g.t.Fatal(err)
	}
	began := time.Now()
	// What is left of this epoch may be proven in part; the whole next one is
	// proven some 20 s after its end.
	ctx, cancel := context.WithTimeout(g.t.Context(), 2*realimage.EpochTime+time.Minute)
	defer cancel()
	var now uint64
	err = testhost.Wait(ctx, "a proof on L1", func() (bool, error) {
		now, err = g.Proven(ctx, set)
		return now > before, err
	})
	if err != nil {
		g.t.Fatalf("%v\n%s", err, g.journal())
	}
	published, err := g.Checkpoint(g.t.Context(), set)
	if err != nil || published < now {
		g.t.Fatalf("%d checkpoints are proven, %d published: %v", now, published, err)
	}
	g.t.Logf("L1 accepted the proof of checkpoint %d (before: %d; published: %d) after %.1f s", now, before, published, time.Since(began).Seconds())
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
