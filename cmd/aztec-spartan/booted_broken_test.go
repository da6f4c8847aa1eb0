//go:build booted

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// The engine is killed while it waits for a new version that never answers:
// without anyone typing, the old version comes back.
func TestKilledEngine(t *testing.T) {
	onEachSuite(t, func(g *guest) {
		g.config("4.1.2")
		g.sh("aztec-spartan start val1")
		box := g.hook()
		ctx, cancel := context.WithTimeout(g.t.Context(), 4*time.Minute)
		defer cancel()
		roll := g.Command(ctx, "aztec-spartan", "update", "val1", "--to", "4.1.5-silent", "--gate-timeout", "1m")
		if err := roll.Start(); err != nil {
			g.t.Fatal(err)
		}
		g.until("grep -q '^Version=4.1.5-silent' /etc/systemd/system/" + val1 + " && systemctl is-active " + val1)
		g.until(`aztec-spartan status val1 --json | jq -e '.[0].health == "syncing" and (.[0].reason | startswith("opens no port yet, "))'`)
		g.sh("kill -9 $(systemctl show -P MainPID aztec-roll@val1.service)")
		killed := time.Now()
		g.until("grep -q '^Version=4.1.2' /etc/systemd/system/" + val1 + " && systemctl is-active " + val1)
		if took := time.Since(killed); took > 30*time.Second { // of the minute that the gate has
			g.t.Errorf("the old version runs again after %s", took)
		} else {
			g.t.Logf("the old version runs again %.1f s after the engine was killed", took.Seconds())
		}
		err := roll.Wait()
		if err == nil || roll.ProcessState.ExitCode() != exitRolledBack {
			g.t.Errorf("update ended with %v, want exit code %d", err, exitRolledBack)
		}
		s := g.status()
		if s.Version != "4.1.2" || s.Health != "healthy" || s.Roll != "" || len(s.Skipped) != 0 {
			g.t.Errorf("afterwards: %+v", s)
		}
		g.told(box, "val1] rolled-back: update 4.1.2 -> 4.1.5-silent")
		// Each host has the time for one more thing.
		if strings.HasSuffix(g.t.Name(), "/trixie") {
			g.outdated(box)
		} else {
			g.unattended(box)
		}
	})
}

// A dropped terminal changes nothing; stop cancels a roll instead of waiting.
func TestDetachAndCancel(t *testing.T) {
	onEachSuite(t, func(g *guest) {
		g.config("4.1.2")
		g.sh("aztec-spartan start val1")
		g.watches()
		if strings.HasSuffix(g.t.Name(), "/bookworm") {
			g.losesItsBus()
		}
		term, err := g.TTY(g.t.Context(), "aztec-spartan", "update", "val1", "--to", "4.1.5-silent", "--gate-timeout", "5m")
		if err != nil {
			g.t.Fatal(err)
		}
		if _, err := term.Expect(g.t.Context(), "start job done"); err != nil {
			g.t.Fatal(err)
		}
		if err := term.Close(); err != nil {
			g.t.Log(err) // hung up: what is tested is the other side
		}
		if state := g.sh("systemctl show -P ActiveState aztec-roll@val1.service"); state != "activating" {
			g.t.Errorf("without its terminal the roll is %s", state)
		}
		g.fails(exitLocked, "aztec-spartan restart val1", "roll")
		g.sh("aztec-spartan stop val1")
		s := g.status()
		if s.Version != "4.1.2" || s.Health != "stopped" || s.Roll != "" || s.LastRoll == nil || s.LastRoll.Result != roll.Cancelled {
			g.t.Errorf("after stop: %+v, last roll %+v", s, s.LastRoll)
		}
		if strings.HasSuffix(g.t.Name(), "/trixie") { // one is enough
			g.promoted()
		}
	})
}

// losesItsBus: dbus-daemon is restarted, and systemd replaces itself, in the middle
// of a roll, as an upgrade of the host may have it. It is judged as any other.
func (g *guest) losesItsBus() {
	g.t.Helper()
	began := time.Now()
	defer func() { g.t.Logf("losesItsBus: %s", time.Since(began)) }()
	ctx, cancel := context.WithTimeout(g.t.Context(), 4*time.Minute)
	defer cancel()
	var said strings.Builder
	update := g.Command(ctx, "sh", "-c", "aztec-spartan update val1 --to 4.1.5-silent --gate-timeout 5s 2>&1")
	update.Stdout = &said
	if err := update.Start(); err != nil {
		g.t.Fatal(err)
	}
	g.until("grep -q '^Version=4.1.5-silent' /etc/systemd/system/" + val1 + " && systemctl is-active " + val1)
	g.sh("systemctl restart dbus && systemctl daemon-reexec")
	if err := update.Wait(); err == nil || update.ProcessState.ExitCode() != exitRolledBack {
		g.t.Errorf("update: %v: %s", err, said.String())
	}
	s := g.status()
	if s.Version != "4.1.2" || s.Health != "healthy" || s.LastRoll == nil || !strings.Contains(s.LastRoll.Reason, "not healthy within 5s") {
		g.t.Errorf("afterwards: %+v, last roll %+v", s, s.LastRoll)
	}
}

// watches: status --watch draws what has changed, until Ctrl-C.
func (g *guest) watches() {
	g.t.Helper()
	ctx := g.t.Context()
	term, err := g.TTY(ctx, "aztec-spartan", "status", "val1", "--watch")
	if err != nil {
		g.t.Fatal(err)
	}
	defer term.Close()
	for range 2 {
		if _, err := term.Expect(ctx, "health: +healthy: "); err != nil {
			g.t.Fatal(err)
		}
		g.sh("systemctl restart " + val1)
		if _, err := term.Expect(ctx, "pid "+g.sh("systemctl show -P MainPID "+val1)+", "); err != nil {
			g.t.Fatal(err)
		}
	}
	if err := term.Send("\x03"); err != nil {
		g.t.Fatal(err)
	}
	if code, err := term.Wait(ctx); err != nil || code != 0 {
		g.t.Errorf("status --watch ended with %d, %v", code, err)
	}
}

// resolv.conf is replaced by rename, as hosts do: a running node sees it.
func TestResolvConf(t *testing.T) {
	onEachSuite(t, func(g *guest) {
		g.sh("echo nameserver 192.0.2.1 >/etc/resolv.conf")
		g.config("4.1.2")
		g.sh("aztec-spartan start val1")
		seen := "/proc/$(systemctl show -P MainPID " + val1 + ")/root/etc/resolv.conf"
		g.sh("grep -q 192.0.2.1 " + seen)
		// More often than systemd's default limit of starts allows.
		for n := 2; n < 22; n++ {
			g.sh(fmt.Sprintf("echo nameserver 192.0.2.%d >/etc/resolv.conf.new && mv /etc/resolv.conf.new /etc/resolv.conf", n))
		}
		g.until("grep -q 192.0.2.21 " + seen)
		g.sh("systemctl is-active aztec-resolv.path")
		// Each host has the time for one more thing.
		if strings.HasSuffix(g.t.Name(), "/trixie") {
			g.addressWaits()
		} else {
			g.brokenHosts()
		}
	})
}

// A package upgrade touches no node; neither does removing the package.
func TestPackageLeavesNodesAlone(t *testing.T) {
	onEachSuite(t, func(g *guest) {
		g.config("4.1.2")
		g.sh("aztec-spartan start val1")
		pid := "systemctl show -P MainPID " + val1
		before := g.sh(pid)
		g.sh("apt-get install -y --reinstall /root/aztec-spartan.deb")
		if after := g.sh(pid); after != before {
			g.t.Errorf("reinstalling the package changed the node's PID from %s to %s", before, after)
		}
		g.sh("apt-get remove -y aztec-spartan")
		if after := g.sh(pid); after != before {
			g.t.Errorf("removing the package changed the node's PID from %s to %s", before, after)
		}
		// Without the program the node still comes back after a crash.
		g.sh("kill -9 " + before)
		g.until("test $(" + pid + ") != " + before + " && systemctl is-active " + val1 + " && curl -sf http://127.0.0.1:8080/status")
		g.sh("apt-get install -y /root/aztec-spartan.deb && aztec-spartan probe val1 | grep 'it was restarted 1 time in '")
		// Nor does a file that is being edited keep it down.
		g.sh("echo '[' >>/etc/aztec-spartan/instances/val1/instance.toml && echo '{' >/var/lib/aztec-spartan/instances/val1/state.json && systemctl restart " + val1)
		g.until("curl -sf http://127.0.0.1:8080/status")
	})
}

// Prompts: what a new instance needs is asked for, and the key is not echoed.
func TestPrompts(t *testing.T) {
	onEachSuite(t, func(g *guest) {
		ctx := g.t.Context()
		term, err := g.TTY(ctx, "aztec-spartan", "config")
		if err != nil {
			g.t.Fatal(err)
		}
		defer term.Close()
		for _, step := range []struct{ expect, answer string }{
			{"Name of the instance", "\r"},
			{"Role", "\r"},
			{"Network", "k\r"}, // up, from mainnet to local,
			{"Version", "127.0.0.1:5000/aztecprotocol/aztec:4.1.2\r"},
			{"L1 execution node", "http://127.0.0.1:8545\r"},
			{"RPC port", "\r"},
			{"Admin port", "\r"},
			{"Directory of the data", "\r"},
			{"Private key", devKey + "\r"},
			{"Coinbase", "\r"},
			{"Write val1", "\r"},
			{"is configured", ""},
		} {
			if _, err := term.Expect(ctx, step.expect); err != nil {
				g.t.Fatalf("%v\n%s", err, term.Output())
			}
			if err := term.Send(step.answer); err != nil {
				g.t.Fatal(err)
			}
		}
		if code, err := term.Wait(ctx); err != nil || code != 0 {
			g.t.Errorf("exit code %d, %v\n%s", code, err, term.Output())
		}
		if strings.Contains(term.Output(), devKey[2:]) {
			g.t.Error("the key was echoed")
		}
		if !strings.Contains(g.sh("systemd-creds decrypt --name=keystore.json /etc/aztec-spartan/instances/val1/keystore.json.cred -"), devKey) {
			g.t.Error("the key typed is not the one in the keystore")
		}
	})
}

// Bars are for people: on a terminal one for each layer, elsewhere none.
func TestProgress(t *testing.T) {
	onEachSuite(t, func(g *guest) {
		ctx := g.t.Context()
		ref := stage.Repository + ":4.1.3"
		term, err := g.TTY(ctx, "aztec-spartan", "pull", ref)
		if err != nil {
			g.t.Fatal(err)
		}
		defer term.Close()
		if _, err := term.Expect(ctx, `[0-9a-f]{12} +\[=*>?-*\] +[0-9.]+ \S+ / [0-9.]+ MiB`); err != nil {
			g.t.Error(err)
		}
		if code, err := term.Wait(ctx); err != nil || code != 0 {
			g.t.Errorf("exit code %d, %v", code, err)
		}
		r := g.try("rm -r /var/lib/aztec-spartan/images && aztec-spartan pull " + ref)
		if r.Code != 0 || r.Stderr != "" {
			g.t.Errorf("off a terminal: exit code %d, stderr %q", r.Code, r.Stderr)
		}
	})
}

// The host goes down in the middle of a roll. It boots into the old version,
// which is judged without anyone typing and without a second start; the new
// one never runs again.
func TestInterruptedRoll(t *testing.T) {
	onEachSuite(t, func(g *guest) {
		g.config("4.1.2")
		g.sh("aztec-spartan start val1")
		for _, unit := range []string{"aztec-recover.service", "aztec-gate.service"} {
			g.sh("systemctl is-enabled " + unit)
		}
		g.hook()
		ctx, cancel := context.WithCancel(g.t.Context())
		update := g.Command(ctx, "aztec-spartan", "update", "val1", "--to", "4.1.5-silent", "--gate-timeout", "1m")
		if err := update.Start(); err != nil {
			g.t.Fatal(err)
		}
		g.until("grep -q '^Version=4.1.5-silent' /etc/systemd/system/" + val1 + " && systemctl is-active " + val1)
		g.sh("sync")
		if err := g.Reset(g.t.Context()); err != nil {
			g.t.Fatal(err)
		}
		cancel()
		_ = update.Wait() // its host is gone
		box := g.inbox()
		g.until("jq -e '.intent == null' /var/lib/aztec-spartan/instances/val1/state.json")
		s := g.status()
		if s.Version != "4.1.2" || s.Health != "healthy" || s.Roll != "" || len(s.Skipped) != 0 || s.LastRoll == nil || s.LastRoll.Result != roll.RolledBack || s.LastRoll.Reason != "the roll was interrupted" {
			g.t.Errorf("after the boot: %+v, last roll %+v", s, s.LastRoll)
		}
		if v := g.nodeVersion(); v != "4.1.2" {
			g.t.Errorf("the node says it is %s", v)
		}
		if n := g.sh("journalctl --sync && journalctl -b --no-pager -u " + val1 + " | grep -c ' Started '"); n != "1" || s.Restarts != 0 {
			g.t.Errorf("started %s times, restarted %d times\n%s", n, s.Restarts, g.journal())
		}
		if out := g.sh("journalctl -b --no-pager -u aztec-recover.service MESSAGE_ID=" + roll.EventRecovered); !strings.Contains(out, "4.1.2 is put back") {
			g.t.Errorf("the journal lacks what was done at boot:\n%s", out)
		}
		if out := g.sh("journalctl -b -x --no-pager MESSAGE_ID=" + roll.EventRolledBack); !strings.Contains(out, "val1 was rolled back to 4.1.2") {
			g.t.Errorf("journalctl -x explains nothing:\n%s", out)
		}
		g.sh("systemctl is-active aztec-gate.service aztec-recover.service | grep -v failed")
		g.sh("systemctl restart aztec-notify.service") // at boot nobody listened yet
		g.told(box, "val1] recovery-at-boot: ", "val1] rolled-back: update 4.1.2 -> 4.1.5-silent: rolled-back: the roll was interrupted")
		g.takenBackFirst()
	})
}

// takenBackFirst: while no engine is left to be restarted, and no boot comes,
// the next update takes a roll back first, and the one after that works.
func (g *guest) takenBackFirst() {
	g.t.Helper()
	if err := errors.Join(g.StopRegistry(), g.StartRegistry()); err != nil {
		g.t.Fatal(err)
	}
	state := "/var/lib/aztec-spartan/instances/val1/state.json"
	g.sh("aztec-spartan update val1")
	// What is on disk is what is left between the switch and the gate.
	g.sh(`jq '.intent = {kind: "update", from: 1, to: .generations[-1].number, begun: true, was_active: true, gate: {timeout_ns: 60000000000, settle_ns: 1000000000}} | del(.last_roll)' ` + state + " >/root/cut && cp /root/cut " + state)
	g.fails(exitLocked, "aztec-spartan config val1 --verbose", "not finished", "rollback val1")
	g.fails(exitRolledBack, "aztec-spartan update val1", "interrupted", "4.1.2 is back")
	if s := g.status(); s.Version != "4.1.2" || s.Health != "healthy" || s.Roll != "" || len(s.Skipped) != 0 {
		g.t.Errorf("afterwards: %+v", s)
	}
	g.sh("aztec-spartan update val1")
	if v := g.nodeVersion(); v != "4.1.3" {
		g.t.Errorf("the node says it is %s", v)
	}
}
