//go:build booted || soak

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/stubimage"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// fault is what a new version does wrong, or what else goes wrong while it is
// rolled to, and how the host must be afterwards.
type fault struct {
	name    string
	tag     string                        // of the new version
	around  func(g *guest, update func()) // what goes wrong, around the update; nil: only the version does
	code    int                           // of update
	result  string                        // of the roll; "": rolled-back
	reason  string                        // in what update says, status, and the journal
	phase   string                        // of the gate that the new version does not pass; "": it does
	skipped bool
	blamed  bool   // the environment is
	long    bool   // too long for every day: make soak
	settle  string // "": matrixSettle
	stopped bool   // the node is
}

// The gate of the matrix is short, and its instance has P2P on.
const (
	matrixGate   = " --gate-timeout 3s --settle "
	matrixSettle = "1s"
	matrixConfig = " --no-p2p=false --ip 203.0.113.7"
)

var matrix = []fault{
	{name: "exits at once", tag: stubimage.Exits, code: exitRolledBack, reason: "exited with code 1", phase: roll.PhaseJob, skipped: true},
	{name: "hangs in start", tag: stubimage.Silent, around: startTimeout, code: exitRolledBack, reason: "start job was not done within 2s", phase: roll.PhaseJob, skipped: true},
	{name: "exits after a while", tag: stubimage.Late, code: exitRolledBack, reason: "exited with code 1 and was restarted", phase: roll.PhaseSettle, skipped: true, settle: "3s"},
	{name: "never answers", tag: stubimage.Hung, code: exitRolledBack, reason: "not healthy within 3s", phase: roll.PhaseRPC, skipped: true, long: true},
	{name: "never opens the port", tag: stubimage.Silent, code: exitRolledBack, reason: "not healthy within 3s", phase: roll.PhaseRPC, skipped: true},
	{name: "wrong chain", tag: stubimage.WrongChain, around: withDependent, code: exitRolledBack, reason: "is on L1 chain 5, wanted 31337", phase: roll.PhaseRPC, skipped: true},
	{name: "wrong version", tag: stubimage.Liar, code: exitRolledBack, reason: "answers as 4.1.2", phase: roll.PhaseRPC, skipped: true},
	{name: "no progress", tag: stubimage.Frozen, code: exitRolledBack, reason: "no progress within 3s", phase: roll.PhaseProgress, skipped: true},
	{name: "falsely green status", tag: stubimage.Sick, code: exitRolledBack, reason: "Internal error", phase: roll.PhaseRPC, skipped: true},
	{name: "slow but fine sync", tag: stubimage.Behind, result: roll.Done},
	{name: "no peers", tag: stubimage.Alone, code: exitRolledBack, reason: "no peers within 3s", phase: roll.PhasePeers, skipped: true},
	{name: "ignores SIGTERM", tag: stubimage.Deaf, around: shortStop, code: exitRolledBack, reason: "answers as 4.1.2", phase: roll.PhaseRPC, skipped: true},
	{name: "standby before a cutover", tag: stubimage.Standby, result: roll.Waiting, reason: "in standby"},
	{name: "the old version is broken too", tag: stubimage.Exits, around: badSettings, code: exitRolledBack, reason: "then 4.1.2 failed too", phase: roll.PhaseJob, blamed: true, stopped: true},
	{name: "fills the disk", tag: stubimage.Full, around: smallDisk, code: exitRolledBack, reason: "then 4.1.2 failed too", phase: roll.PhaseJob, blamed: true, stopped: true},
	{name: "the registry goes away, and another update comes", tag: stubimage.Frozen, around: noRegistry, code: exitRolledBack, reason: "no progress", phase: roll.PhaseProgress, skipped: true},
	{name: "stopped by systemctl in the middle", tag: stubimage.Silent, around: stopByHand, code: exitFailed, result: roll.Cancelled, reason: "stopped by somebody else", stopped: true},
}

// faults plays those of the matrix that are chosen on one host.
func (g *guest) faults(chosen func(n int, f fault) bool) {
	g.t.Helper()
	g.sh(fmt.Sprintf("echo %s | aztec-spartan config val1 %s%s --key-file -", devKey, strings.ReplaceAll(configArgs("4.1.2"), " --no-p2p", ""), matrixConfig))
	g.sh("aztec-spartan start val1")
	for n, f := range matrix {
		if chosen(n, f) {
			g.t.Run(f.name, func(t *testing.T) { (&guest{g.Stage, t}).fault(f) })
		}
	}
}

func (g *guest) fault(f fault) {
	g.t.Helper()
	g.until("aztec-spartan probe val1")
	before := g.status()
	since := g.sh("date +@%s.%N")
	update := func() {
		g.t.Helper()
		words := []string{}
		if f.code != 0 {
			words = append(words, f.reason, "hint: ")
		}
		g.fails(f.code, "aztec-spartan update val1 --to "+f.tag+matrixGate+cmp.Or(f.settle, matrixSettle), words...)
	}
	if f.around == nil {
		update()
	} else {
		f.around(g, update)
	}
	after := g.status()
	g.judged(f, after, since)
	if f.stopped {
		if after.ActiveState == "active" {
			g.t.Errorf("it is %s", after.ActiveState)
		}
		g.sh("systemctl reset-failed " + val1 + "; aztec-spartan restart val1")
	}
	if after.Version != "4.1.2" { // it passed: back by hand
		g.sh("aztec-spartan rollback val1" + matrixGate + matrixSettle)
	}
	g.until("aztec-spartan probe val1")
	if v := g.nodeVersion(); v != "4.1.2" {
		g.t.Errorf("the node says it is %s", v)
	}
	// The data are those there were.
	if now := g.status(); now.Node.Block < before.Node.Block || now.Version != "4.1.2" {
		g.t.Errorf("at block %d, was at %d; version %s", now.Node.Block, before.Node.Block, now.Version)
	}
	g.sh("rm -r /var/lib/aztec-spartan/images/$(jq -r '.skipped[0].digest // \"none\"' /var/lib/aztec-spartan/instances/val1/state.json | tr : -) 2>/dev/null || true")
}

// judged holds status, state file and journal to what the fault must come to.
func (g *guest) judged(f fault, s status, since string) {
	g.t.Helper()
	want, version := roll.RolledBack, "4.1.2"
	if f.result != "" {
		want = f.result
	}
	if f.code == 0 {
		version = f.tag
	}
	last := s.LastRoll
	if last == nil || s.Version != version || s.Roll != "" || last.Result != want || !strings.Contains(last.Reason, f.reason) || last.Environment != f.blamed {
		g.t.Fatalf("%+v, last roll %+v", s, last)
	}
	fell := ""
	for _, p := range last.Phases {
		if p.Result == roll.Fell && p.Version == f.tag {
			fell = p.Name
		}
	}
	if fell != f.phase {
		g.t.Errorf("it fell in phase %q, want %q: %+v", fell, f.phase, last.Phases)
	}
	if skipped := slices.ContainsFunc(s.Skipped, func(k roll.Skip) bool { return k.Version == f.tag }); skipped != f.skipped {
		g.t.Errorf("skipped %v: %+v", skipped, s.Skipped)
	}
	if (last.Situation != "") != f.blamed {
		g.t.Errorf("situation %q", last.Situation)
	}
	if out := g.sh("jq -r '.intent' /var/lib/aztec-spartan/instances/val1/state.json"); out != "null" {
		g.t.Errorf("left in the state: %s", out)
	}
	if out := g.sh("aztec-spartan status val1"); !strings.Contains(out, f.reason) {
		g.t.Errorf("status does not say %q:\n%s", f.reason, out)
	}
	g.sh("journalctl --sync")
	var events []string
	for line := range strings.Lines(g.sh("journalctl -o json --since " + since + " -u aztec-roll@val1.service AZTEC_INSTANCE=val1 | grep MESSAGE_ID")) {
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			g.t.Fatal(err)
		}
		events = append(events, fmt.Sprintf("%v %v %v", e["MESSAGE_ID"], e["AZTEC_PHASE"], e["AZTEC_RESULT"]))
	}
	wanted := []string{roll.EventBegun + " <nil> <nil>", eventOf(want) + " <nil> " + want}
	if f.phase != "" {
		wanted = append(wanted, roll.EventPhaseFell+" "+f.phase+" "+roll.Fell)
	}
	for _, w := range wanted {
		if !slices.Contains(events, w) {
			g.t.Errorf("the journal lacks %s:\n%s", w, strings.Join(events, "\n"))
		}
	}
}

func eventOf(result string) string {
	return map[string]string{
		roll.Done: roll.EventDone, roll.Waiting: roll.EventDone, roll.RolledBack: roll.EventRolledBack, roll.Cancelled: roll.EventCancelled,
	}[result]
}

// withDependent has a unit of the operator's beside the node, which systemd
// stops with it.
func withDependent(g *guest, update func()) {
	const unit = "/etc/systemd/system/companion.service"
	g.sh("printf '[Unit]\\nBindsTo=" + val1 + "\\nAfter=" + val1 + "\\n[Service]\\nExecStart=sleep infinity\\n' >" + unit + " && systemctl daemon-reload && systemctl start companion")
	pid := g.sh("systemctl show -P MainPID companion")
	update()
	if now := g.sh("systemctl is-active companion >/dev/null && systemctl show -P MainPID companion"); now == pid {
		g.t.Error("it was not stopped, so that nothing was shown")
	}
	g.sh("systemctl stop companion && rm " + unit + " && systemctl daemon-reload")
}

// startTimeout gives the start job less time than it takes.
func startTimeout(g *guest, update func()) {
	g.sh(`sed -i 's/^start_timeout.*/start_timeout = "2s"/' /etc/aztec-spartan/config.toml`)
	update()
	g.sh(`sed -i 's/^start_timeout.*/start_timeout = "1m"/' /etc/aztec-spartan/config.toml`)
}

// shortStop has systemd kill what does not stop.
func shortStop(g *guest, update func()) {
	g.sh("mkdir -p /etc/systemd/system/" + val1 + ".d && printf '[Service]\\nTimeoutStopSec=2\\n' >/etc/systemd/system/" + val1 + ".d/stop.conf && systemctl daemon-reload")
	update()
	g.sh("rm -r /etc/systemd/system/" + val1 + ".d && systemctl daemon-reload")
}

// badSettings keeps both versions from starting.
func badSettings(g *guest, update func()) {
	g.sh("echo LOG_LEVEL=loud >>/etc/aztec-spartan/instances/val1/local.env")
	update()
	g.sh("sed -i /LOG_LEVEL=loud/d /etc/aztec-spartan/instances/val1/local.env")
}

// smallDisk is one that the new version fills.
func smallDisk(g *guest, update func()) {
	g.sh("systemctl stop " + val1 + " && cp -a /var/lib/aztec/val1 /root/data && mount -t tmpfs -o size=8M tmpfs /var/lib/aztec/val1 && cp -a /root/data/. /var/lib/aztec/val1/ && chown --reference /root/data /var/lib/aztec/val1 && systemctl start " + val1)
	g.until("aztec-spartan probe val1")
	update()
	g.sh("systemctl stop " + val1 + "; rm -rf /root/data; rm /var/lib/aztec/val1/archiver/junk.mdb && cp -a /var/lib/aztec/val1 /root/data && umount /var/lib/aztec/val1 && cp -a /root/data/. /var/lib/aztec/val1/ && rm -r /root/data")
}

// meanwhile does something while the update waits at the gate.
func meanwhile(g *guest, update, do func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		update()
	}()
	g.until("test $(systemctl show -P ActiveState aztec-roll@val1.service) = activating && ! grep -q ^Version=4.1.2 /etc/systemd/system/" + val1)
	do()
	<-done
}

func noRegistry(g *guest, update func()) {
	meanwhile(g, update, func() {
		if err := g.StopRegistry(); err != nil {
			g.t.Error(err)
		}
		g.fails(exitLocked, "aztec-spartan update val1 --to "+stubimage.Newer, "held by roll (pid ")
	})
	if err := g.StartRegistry(); err != nil {
		g.t.Fatal(err)
	}
}

func stopByHand(g *guest, update func()) {
	meanwhile(g, update, func() {
		g.until("systemctl is-active " + val1)
		g.sh("systemctl stop " + val1)
	})
}
