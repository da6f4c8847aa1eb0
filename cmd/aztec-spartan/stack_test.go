//go:build real || soak

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
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

// startStack starts them, the sequencer first, whose blobs the others read.
func (g *guest) startStack() {
	g.t.Helper()
	g.sh("aztec-spartan start val1")
	if err := g.ServeBlobs("val1"); err != nil {
		g.t.Fatal(err)
	}
	g.sh("aztec-spartan start")
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
