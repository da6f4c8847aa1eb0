//go:build real

// Tests with the tag real run the real Aztec node on a booted host, beside a
// real L1. They need root; the first run builds the image. `make test-real`
// runs them.
package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage"
	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
)

// The claims of `make demo`, as assertions.
func TestRealNode(t *testing.T) {
	t.Parallel()
	set, err := realimage.Build(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	for _, suite := range []string{"bookworm", "trixie"} {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			s, err := stage.Set(t.Context(), stage.Options{Suite: suite, Deb: debPath(t), Layouts: []string{set.Layout}, L1: set})
			if err != nil {
				t.Fatal(err)
			}
			g := &guest{s, t}
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			g.realNode(set)
		})
	}
}

func (g *guest) realNode(set *realimage.Set) {
	old, updated := set.Tags[0], set.Tags[1]
	g.sh("umask 077; echo " + realimage.DevKey + " >/root/key")
	g.sh("aztec-spartan config val1 --key-file /root/key " + strings.Join(stage.ConfigFlags(set, "val1"), " "))
	g.sh("systemd-analyze security --threshold=12 " + val1)
	began := time.Now()
	g.sh("aztec-spartan start val1")
	g.until("curl -sf http://127.0.0.1:8080/status")
	g.t.Logf("/status answers %.1f s after start", time.Since(began).Seconds())
	if v := g.nodeVersion(); v != old {
		g.t.Errorf("the node says it is %s, want %s", v, old)
	}
	g.publishes(set)
	if r := g.try("pgrep -a aztec-spartan"); r.Code == 0 {
		g.t.Errorf("beside the node runs %s", r.Stdout)
	}
	g.until("aztec-spartan logs val1 -n 1 -g 'Published checkpoint' | grep -q checkpoint")
	if out := g.sh("journalctl --no-pager -u " + val1); strings.Contains(out, realimage.DevKey[2:]) || strings.Contains(out, "ADMIN API KEY") {
		g.t.Error("the journal holds a secret")
	}
	payload := "0x" + strings.Repeat("ab", 20)
	g.votesFor(payload)
	g.votesFor("none")
	g.votesFor(payload)
	g.makesKeys()
	if !g.status().RestartNeeded {
		g.t.Error("keys were added, and status does not say that a restart is needed")
	}
	g.rolls("update val1 --to "+updated, updated)
	if s := g.status(); s.Payload == nil || s.Payload.From != fromNode || s.Payload.Payload != payload {
		g.t.Errorf("after an update it votes for %+v", s.Payload)
	}
	g.publishes(set)
	if err := g.StopRegistry(); err != nil {
		g.t.Fatal(err)
	}
	g.rolls("rollback val1", old)
	g.publishes(set)
	g.sh("aztec-spartan stop val1")
	if r := g.sh("systemctl show -P Result " + val1); r != "success" {
		g.t.Errorf("systemd takes the stop for a %s", r)
	}
	if out := g.sh("find /var/lib/aztec-spartan/images/*/rootfs -newer $(ls -td /var/lib/aztec-spartan/images/*/complete | head -1) | head"); out != "" {
		g.t.Errorf("changed in an image: %s", out)
	}
}

// votesFor changes the vote of the running node.
func (g *guest) votesFor(payload string) {
	g.t.Helper()
	pid := g.status().MainPID
	g.sh("aztec-spartan config val1 --payload " + payload)
	if s := g.status(); s.Payload == nil || *s.Payload != (ballot{Payload: payload, From: fromNode, Next: payload}) || s.RestartNeeded || s.MainPID != pid {
		g.t.Errorf("--payload %s: %+v, restart needed: %t", payload, s.Payload, s.RestartNeeded)
	}
}

// maxDowntime bounds a roll: an epoch on mainnet has 38 minutes.
const maxDowntime = 60

func (g *guest) rolls(args, version string) {
	g.t.Helper()
	g.sh("aztec-spartan " + args)
	s := g.status()
	if s.Version != version || s.Health == "unhealthy" || s.LastRoll.DowntimeSeconds > maxDowntime {
		g.t.Errorf("%s: %+v, %+v", args, s, s.LastRoll)
	}
	g.t.Logf("%s: down for %.1f s", args, s.LastRoll.DowntimeSeconds)
	if v := g.nodeVersion(); v != version {
		g.t.Errorf("the node says it is %s, want %s", v, version)
	}
}
