//go:build vm

package main

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/stubimage"
)

const vmState = "/var/lib/aztec-spartan/instances/val1/state.json"

// rollCut is a moment of a roll at which the power goes.
type rollCut struct {
	name   string
	data   bool          // the stores are exchanged
	pull   bool          // its image is not here yet
	to     string        // a version that fails; "": the roll would succeed
	hold   string        // "POINT N": the roll is held there, at the Nth time
	moment string        // else: what is true then, in the machine
	after  time.Duration // else: since the update began; 0: of that moment
	settle time.Duration // 0: 1 s
	ends   string        // "old", "new", "": either
}

// rollCuts are one for each step of a roll, by its name in units/roll, on the
// way there and on the way back, and for what comes before and after them. The
// copy of data is over too soon to be met: looks sees it. Their order lets the
// ways back with data begin at a version that has a proof.
var rollCuts = []rollCut{
	{name: "image", pull: true, moment: "compgen -G '/var/lib/aztec-spartan/images/.partial-sha256-*'", ends: "old"},
	{name: "intent recorded", hold: "intent 1", ends: "old"},
	{name: "stop", hold: "stop 1", ends: "old"},
	{name: "start", hold: "start 1", ends: "old"},
	{name: "gate", moment: "journalctl -o cat -u aztec-roll@val1 --since \"$began\" | grep 'RPC answers as'", settle: 20 * time.Second, ends: "old"},
	{name: "dependents", hold: "dependents 1", ends: "old"},
	{name: "outcome recorded", moment: "grep -q ^0$ /run/update.code", ends: "new"},
	{name: "way back: stop", to: stubimage.WrongChain, hold: "stop 2", ends: "old"},
	{name: "way back: start", to: stubimage.WrongChain, hold: "start 2", ends: "old"},
	{name: "way back: switch, data", data: true, to: stubimage.Wipes, hold: "reload 2", ends: "old"},
	{name: "switch", data: true, hold: "reload 1", ends: "old"},
	{name: "way back: start, data", data: true, to: stubimage.Wipes, hold: "start 2", ends: "old"},
	{name: "gate, data", data: true, moment: "journalctl -o cat -u aztec-roll@val1 --since \"$began\" | grep 'RPC answers as'", settle: 20 * time.Second, ends: "old"},
}

// hold waits for ever where it is called for the Nth time, once the file of its
// point says N. What was said before the power went holds nothing after it. The
// commands of a unit have a /run of their own.
const hold = `#!/bin/bash
d=/etc/hold/$(cat /proc/sys/kernel/random/boot_id) f=$d/POINT
test -e $f || exit 0
n=$(($(cat $f) - 1))
echo $n >$f
test $n -eq 0 || exit 0
touch $d/held
exec sleep infinity
`

// vmHeld is there once one does.
const vmHeld = "/etc/hold/$(cat /proc/sys/kernel/random/boot_id)/held"

// cutRolls: whatever the moment of a pull or a roll when the power goes, the
// host comes up with one of the two versions, whole, with its data, without a
// hand, and the next roll works. What update has said is done stays done.
func (m *machine) cutRolls() {
	m.holds()
	began := time.Now()
	m.update(m.third())
	took := time.Since(began)
	m.t.Logf("an update with its pull takes %s", took.Round(100*time.Millisecond))
	cuts := rollCuts
	for range m.moreCuts() {
		after := time.Duration(rand.Int64N(int64(took)))
		cuts = append(cuts, rollCut{name: "after " + after.Round(time.Millisecond).String(), pull: true, after: after})
	}
	ended := map[bool]int{}
	for _, c := range cuts {
		m.t.Run(c.name, func(t *testing.T) { ended[m.as(t).cutRoll(c)]++ })
	}
	m.t.Logf("power cuts: %d, after which the old version ran %d times and the new one %d times", len(cuts), ended[false], ended[true])
}

// moreCuts is how many VM_CUTS asks for, at random moments.
func (m *machine) moreCuts() int {
	m.t.Helper()
	s := os.Getenv("VM_CUTS")
	if s == "" {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		m.t.Fatalf("VM_CUTS: %v", err)
	}
	return n
}

// holds installs the points: a hook, a generator, which every reload waits for,
// commands around those of the unit, and a unit that stops with it.
func (m *machine) holds() {
	m.t.Helper()
	m.sh("mkdir -p /etc/systemd/system-generators " + vmUnit + ".d\ncat >/run/hold.sh <<'END'\n" + hold + "END\n" +
		"for p in intent stop start dependents reload; do sed s/POINT/$p/ /run/hold.sh >/usr/local/sbin/hold-$p; chmod 755 /usr/local/sbin/hold-$p; done\n" +
		"mv /usr/local/sbin/hold-reload /etc/systemd/system-generators/\n" +
		"printf '[Service]\\nExecStartPre=+/usr/local/sbin/hold-start\\nExecStop=+/usr/local/sbin/hold-stop\\n' >" + vmUnit + ".d/hold.conf\n" +
		"printf '[Unit]\\nRequires=" + vmSequencer + "\\nAfter=" + vmSequencer + "\\n[Service]\\nExecStartPre=/usr/local/sbin/hold-dependents\\nExecStart=sleep infinity\\n[Install]\\nWantedBy=multi-user.target\\n' >/etc/systemd/system/follower.service\n" +
		"systemctl daemon-reload && systemctl enable --now follower")
	m.sh("aztec-spartan config val1 --update pre_hook=/usr/local/sbin/hold-intent && sync")
}

// cutRoll cuts the power in one roll, asserts what that leaves, and reports
// whether it is the new version.
func (m *machine) cutRoll(c rollCut) bool {
	m.sh("aztec-spartan gc")
	from, next := m.status("val1").Version, m.next(c.data)
	if c.pull {
		next = m.third()
	}
	to := next
	if c.to != "" {
		to = c.to
	}
	settle, proof := max(c.settle, time.Second), 0
	if from == stubimage.Schema || next == stubimage.Schema {
		proof = 64 // a while to copy
	}
	m.sh("rm -rf /etc/hold /run/update.code; mkdir -p $(dirname " + vmHeld + ") && dd if=/dev/zero of=" + vmStore + "proof bs=1M status=none count=" + strconv.Itoa(proof) + " && sync")
	if point, n, ok := strings.Cut(c.hold, " "); ok {
		m.sh("echo " + n + " >$(dirname " + vmHeld + ")/" + point)
	}
	m.sh("date '+%F %T' >/run/began; systemd-run -q --collect --unit the-update bash -c 'aztec-spartan update val1 --to " + to + " --settle " + settle.String() + "; echo $? >/run/update.code'")
	where := "somewhere"
	switch {
	case c.hold != "":
		m.until("test -e " + vmHeld + " -o -e /run/update.code")
		if m.try("test -e "+vmHeld).Code != 0 {
			m.t.Fatalf("not held:\n%s", m.sh("journalctl --no-pager -n 40 -u the-update -u aztec-roll@val1; head /etc/hold/*/* /run/update.code; systemctl cat "+vmSequencer))
		}
		where = m.rolling()
	case c.moment != "":
		m.sh("SECONDS=0 began=$(cat /run/began); until { " + c.moment + "; } >/dev/null 2>&1; do test $SECONDS -lt 180 || exit 1; done")
	default:
		ctx, cancel := context.WithTimeout(m.t.Context(), c.after)
		<-ctx.Done()
		cancel()
	}
	m.cut()
	got := m.whole(from, to, proof)
	m.t.Logf("from %s to %s, where %s: %s", from, to, where, got)
	if want := map[string]string{"old": from, "new": to, "": got}[c.ends]; got != want {
		m.t.Errorf("it is in %s, want %s", got, want)
	}
	if got != next {
		m.update(next)
		m.whole(next, next, proof)
	}
	return got == to
}

// rolling is what is in place, and what the state says of the roll.
func (m *machine) rolling() string {
	m.t.Helper()
	return m.sh(`echo "$(sed -n 's/^Version=//p' ` + vmUnit + `) is in place, $(jq -r 'if .intent == null then "no roll" elif .intent.begun then "the roll begun" else "the roll asked for" end' ` + vmState + `)"`)
}

// next is a good version that val1 is not in, of the same stores or of others.
func (m *machine) next(data bool) string {
	m.t.Helper()
	switch m.status("val1").Version {
	case stubimage.Good:
		if data {
			return stubimage.Schema
		}
		return stubimage.Newer
	case stubimage.Newer:
		if data {
			return stubimage.Schema
		}
	}
	return stubimage.Good
}

// third is the good version that val1 is not in, nor was before: its image is
// gone.
func (m *machine) third() string {
	m.t.Helper()
	s := m.status("val1")
	for _, version := range []string{stubimage.Good, stubimage.Newer, stubimage.Schema} {
		if version != s.Version && version != s.PreviousVersion {
			return version
		}
	}
	m.t.Fatalf("there is no third version: %+v", s)
	return ""
}

func (m *machine) update(to string) {
	m.t.Helper()
	m.sh("aztec-spartan update val1 --to " + to + " --settle 1s")
}

// whole asserts that the host is in one of two versions, all of it, and returns
// which. Where that is the old one, its stores are what they were: they have a
// proof of so many MiB.
func (m *machine) whole(from, to string, proof int) string {
	m.t.Helper()
	m.settled()
	m.until("jq -e '.intent == null' " + vmState + " && aztec-spartan probe val1 && systemctl is-active follower")
	s := m.status("val1")
	in := m.sh("sed -n 's/^Version=//p' " + vmUnit)
	var says struct{ Result string }
	answer := m.sh(`curl -s -m 5 -H 'content-type: application/json' -d '{"jsonrpc":"2.0","id":1,"method":"node_getNodeVersion","params":[]}' http://127.0.0.1:8080/`)
	if err := json.Unmarshal([]byte(answer), &says); err != nil {
		m.t.Fatalf("%s: %v", answer, err)
	}
	if s.Version != in || says.Result != in || in != from && in != to || s.Health != "healthy" || s.Roll != "" || !s.Enabled || s.RestartNeeded || len(s.Skipped) > 0 {
		m.t.Fatalf("from %s to %s: the unit is of %s, the node says %s, status: %+v", from, to, in, says.Result, s)
	}
	schema := map[bool]string{true: "6", false: "5"}[in == stubimage.Schema]
	m.sh("jq -e '.schemaVersion == " + schema + "' " + vmStore + "db_version")
	if in == from && from != to {
		m.sh("test $(stat -c %s " + vmStore + "proof) = " + strconv.Itoa(proof<<20))
	}
	if left := m.sh("find /var/lib/aztec/val1/.aztec-spartan.saved -maxdepth 1 -name '*.*' -mindepth 1 2>/dev/null || :"); left != "" {
		m.t.Errorf("left of exchanged stores:\n%s", left)
	}
	m.sh("aztec-spartan verify")
	m.sh("cd /var/lib/aztec-spartan && jq -e . instances/*/state.json images/*.json images/sha256-*/image.json >/dev/null")
	m.sh("for i in $(ls /etc/aztec-spartan/instances); do aztec-spartan config $i --dry-run || exit; done >/dev/null && aztec-spartan keys val1 --json | jq -e length")
	if left := m.sh("aztec-spartan gc >/dev/null && find /var/lib/aztec-spartan/images -maxdepth 1 -name '.partial-*'"); left != "" {
		m.t.Errorf("left behind:\n%s", left)
	}
	return in
}
