//go:build booted || soak

package main

import (
	"cmp"
	"encoding/json"
	"errors"
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
	gate    string // "": matrixGate
	settle  string // "": matrixSettle
	stopped bool   // the node is
}

// The gate of the matrix is short, and its instance has P2P on.
const (
	matrixGate   = "3s"
	matrixSettle = "1s"
	// longGate is for what the test itself ends.
	longGate = "2m"
	// shipped is what config.toml says.
	shipped      = "shipped"
	matrixConfig = " --no-p2p=false --ip 203.0.113.7"
)

var matrix = []fault{
	{name: "exits at once", tag: stubimage.Exits, code: exitRolledBack, reason: "exited with code 1", phase: roll.PhaseJob, skipped: true},
	{name: "hangs in start", tag: stubimage.Silent, around: startTimeout, code: exitRolledBack, reason: "start job was not done within 2s", phase: roll.PhaseJob, skipped: true},
	{name: "exits after a while", tag: stubimage.Late, code: exitRolledBack, reason: "exited with code 1 and was restarted", phase: roll.PhaseSettle, skipped: true, settle: "6s"},
	{name: "exits after 30 s", tag: stubimage.Tardy, around: shippedSettle, code: exitRolledBack, reason: "exited with code 1 and was restarted", phase: roll.PhaseSettle, skipped: true, settle: shipped, long: true},
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
	{name: "wipes its data", tag: stubimage.Wipes, around: withProof, code: exitRolledBack, reason: "answers as 4.1.2", phase: roll.PhaseRPC, skipped: true},
	{name: "refuses old data", tag: stubimage.Refuses, around: withProof, code: exitRolledBack, reason: "exited with code 1", phase: roll.PhaseJob, skipped: true},
	{name: "the registry goes away", tag: stubimage.Silent, around: noRegistry, code: exitRolledBack, reason: "was killed by signal 9", phase: roll.PhaseRPC, skipped: true, gate: longGate},
	{name: "two updates at once", tag: stubimage.Silent, around: twoUpdates, code: exitRolledBack, reason: "was killed by signal 9", phase: roll.PhaseRPC, skipped: true, gate: longGate},
	{name: "the terminal hangs up", tag: stubimage.Silent, around: hangUp, code: exitRolledBack, reason: "was killed by signal 9", phase: roll.PhaseRPC, skipped: true, gate: longGate},
	{name: "stopped by systemctl", tag: stubimage.Silent, around: stopBySystemctl, code: exitFailed, result: roll.Cancelled, reason: "stopped by somebody else", stopped: true, gate: longGate},
	{name: "stopped by stop", tag: stubimage.Silent, around: stopByStop, code: exitFailed, result: roll.Cancelled, reason: "the roll was cancelled", stopped: true, gate: longGate},
	{name: "restarted by systemctl", tag: stubimage.Newer, around: restartBySystemctl, result: roll.Done, settle: "8s"},
	{name: "stopped by systemctl while it stops", tag: stubimage.Newer, around: stopInTheStop, code: exitFailed, result: roll.Cancelled, reason: "stopped by somebody else", stopped: true},
	{name: "L1 is away before", tag: stubimage.Newer, around: noL1Before, code: exitRolledBack, reason: "then 4.1.2 failed too: no progress within 3s", phase: roll.PhaseProgress, blamed: true, long: true},
	{name: "L1 goes away in the middle", tag: stubimage.Newer, around: noL1Meanwhile, code: exitRolledBack, reason: "then 4.1.2 failed too: no progress within 3s", phase: roll.PhaseProgress, blamed: true, long: true},
	{name: "L1 goes away after", tag: stubimage.Newer, around: noL1After, result: roll.Done, long: true},
}

// faults plays those of the matrix that are chosen on one host.
func (g *guest) faults(chosen func(n int, f fault) bool) {
	g.t.Helper()
	g.faultless()
	for n, f := range matrix {
		if chosen(n, f) && !g.t.Run(f.name, func(t *testing.T) { (&guest{g.Stage, t}).fault(f) }) {
			g.mend()
		}
	}
}

// faultless has val1 run the old version.
func (g *guest) faultless() {
	g.t.Helper()
	g.sh(fmt.Sprintf("echo %s | aztec-spartan config val1 %s%s --key-file -", devKey, strings.ReplaceAll(configArgs("4.1.2"), " --no-p2p", ""), matrixConfig))
	g.sh("aztec-spartan start val1")
}

// mend takes away whatever a case that went wrong has left, and makes val1 anew,
// so that the next is not spoilt.
func (g *guest) mend() {
	g.t.Helper()
	if err := errors.Join(g.TakeL1Away(), g.StopRegistry(), g.StartRegistry()); err != nil {
		g.t.Fatal(err)
	}
	const state = "/var/lib/aztec-spartan/instances/val1/state.json"
	g.sh("systemctl stop aztec-roll@val1.service " + val1 + "; pkill -f '[a]ztec-spartan update'; systemctl stop companion.service; umount /var/lib/aztec/val1" +
		"; rm -rf /etc/systemd/system/companion.service /etc/hold-val1 /root/data; sed -i 's/^start_timeout.*/start_timeout = \"1m\"/' " + configFile +
		"; systemctl daemon-reload; systemctl reset-failed; jq 'del(.intent)' " + state + " >/root/state && cp /root/state " + state + " && aztec-spartan remove val1 --purge --yes")
	g.faultless()
}

func (f fault) gates() string {
	gates := " --gate-timeout " + cmp.Or(f.gate, matrixGate)
	if f.settle == shipped {
		return gates
	}
	return gates + " --settle " + cmp.Or(f.settle, matrixSettle)
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
		g.fails(f.code, "aztec-spartan update val1 --to "+f.tag+f.gates(), words...)
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
		g.sh("systemctl reset-failed " + val1 + "; aztec-spartan start val1")
	}
	if after.Version != "4.1.2" { // it passed: back by hand
		g.sh("aztec-spartan rollback val1" + fault{}.gates())
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
		if of := e["OBJECT_SYSTEMD_UNIT"]; of != rollUnit("val1") {
			g.t.Errorf("an event of %v: %s", of, line)
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
