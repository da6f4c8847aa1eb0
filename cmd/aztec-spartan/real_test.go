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
	"github.com/aztec-spartan/aztec-spartan/units/roll"
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
			s, err := stage.Set(t.Context(), stage.Options{Suite: suite, Deb: debPath(t), Settle: "5s", Layouts: []string{set.Layout}, L1: set})
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
	trixie := strings.HasSuffix(g.t.Name(), "/trixie")
	if trixie {
		g.brokenUpdate(old, updated)
	}
	g.rolls("update val1 --to "+updated, updated)
	if s := g.status(); s.Payload == nil || s.Payload.From != fromNode || s.Payload.Payload != payload {
		g.t.Errorf("after an update it votes for %+v", s.Payload)
	}
	g.publishes(set)
	g.page("update " + old + " -> " + updated + ": done")
	if err := g.StopRegistry(); err != nil {
		g.t.Fatal(err)
	}
	if !trixie { // it has been back already
		g.rolls("rollback val1", old)
		g.publishes(set)
		g.signsRemotely(set)
	}
	g.sh("aztec-spartan stop val1")
	if r := g.sh("systemctl show -P Result " + val1); r != "success" {
		g.t.Errorf("systemd takes the stop for a %s", r)
	}
	if out := g.sh("find /var/lib/aztec-spartan/images/*/rootfs -newer $(ls -td /var/lib/aztec-spartan/images/*/complete | head -1) | head"); out != "" {
		g.t.Errorf("changed in an image: %s", out)
	}
}

// brokenUpdate is an update to a version whose node ends soon after it has
// opened its ports: the old one comes back.
func (g *guest) brokenUpdate(old, updated string) {
	g.t.Helper()
	dir := g.sh("aztec-spartan pull "+stage.Repository+":"+updated+" --json | jq -r .rootfs") + "/usr/src/yarn-project/aztec/dest/bin"
	// Not in place: the file is one with that of the other version.
	g.sh("cp -p " + dir + "/index.js /root/index.js && touch -r " + dir + " /root/then && " +
		`(cat /root/index.js; echo "if (process.argv.includes('start')) setTimeout(() => process.exit(1), 8000);") >/root/broken.js && cp --remove-destination /root/broken.js ` + dir + "/index.js")
	began := time.Now()
	g.fails(exitRolledBack, "aztec-spartan update val1 --to "+updated, "exited with code 1", old+" is back")
	took := time.Since(began)
	s := g.status()
	if s.Version != old || s.Health == "unhealthy" || len(s.Skipped) != 1 || s.Skipped[0].Version != updated || s.LastRoll.Result != roll.RolledBack || s.LastRoll.Environment {
		g.t.Errorf("after a broken update: %+v, last roll %+v", s, s.LastRoll)
	}
	if v := g.nodeVersion(); v != old {
		g.t.Errorf("the node says it is %s, want %s", v, old)
	}
	g.t.Logf("a broken update and the way back: %.1f s, of these down for %.1f s", took.Seconds(), s.LastRoll.DowntimeSeconds)
	g.sh("cp -p --remove-destination /root/index.js " + dir + "/index.js && touch -r /root/then " + dir)
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

// maxDowntime bounds a roll, which takes seconds on a machine that does nothing
// else: an epoch on mainnet has 38 minutes.
const maxDowntime = 240

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
