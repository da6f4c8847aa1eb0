//go:build vm

package main

import (
	"strconv"
	"strings"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/stubimage"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// clock: the time of day is set in the middle of rolls, forward past every
// deadline and back before the roll began. Neither is the roll cut short, nor
// does it wait for ever, nor is what is held until a time let go.
func (m *machine) clock() {
	back := m.clockBack()
	for _, part := range []struct {
		name string
		play func(*machine)
	}{
		{"in the gate", (*machine).clockInGate},
		{"while a validator must not sign", (*machine).clockWhileHeld},
	} {
		m.t.Run(part.name, func(t *testing.T) {
			part.play(m.as(t))
			m.as(t).sh("aztec-spartan unskip val1 && " + back)
		})
	}
}

func (m *machine) clockInGate() {
	for _, c := range []struct {
		command, jump   string
		version, result string
		least, most     float64 // seconds that do not jump
		says            string
	}{
		{"update val1 --settle 10s --to 4.1.3", "+1 day", "4.1.3", roll.Done, 10, 300, "unchanged for 1"},
		{"rollback val1 --settle 10s", "-2 days", "4.1.2", roll.Done, 10, 300, "unchanged for 1"},
		{"update val1 --gate-timeout 15s --to " + stubimage.Silent, "+1 day", "4.1.2", roll.RolledBack, 15, 300, "not healthy within 15s"},
		{"update val1 --gate-timeout 15s --to " + stubimage.Silent, "-2 days", "4.1.2", roll.RolledBack, 15, 300, "not healthy within 15s"},
	} {
		began := m.uptime()
		code := m.inRoll(c.command, c.jump)
		took := m.uptime() - began
		s := m.status("val1")
		if s.LastRoll == nil || s.Version != c.version || s.Roll != "" || s.LastRoll.Result != c.result || code != map[string]int{roll.RolledBack: exitRolledBack}[c.result] || took < c.least || took > c.most ||
			!strings.Contains(strings.Join(append(s.LastRoll.Evidence, s.LastRoll.Reason), "\n"), c.says) {
			m.t.Errorf("%s, and the clock jumped by %s: exit code %d after %.0f s, %+v, last roll %+v", c.command, c.jump, code, took, s, s.LastRoll)
		}
		m.t.Logf("%s, and the clock jumped by %s: %s after %.0f s", c.command, c.jump, s.LastRoll, took)
		m.until("aztec-spartan probe val1")
	}
}

// inRoll sets the clock once the roll has started another version, and returns
// the exit code of the verb.
func (m *machine) inRoll(command, jump string) int {
	m.t.Helper()
	pid := m.sh("systemctl show -P MainPID " + vmSequencer)
	m.sh("rm -f /run/said; systemctl reset-failed; systemd-run -q --collect --unit roll-by-hand bash -c 'aztec-spartan " + command + " >/run/saying 2>&1; echo $? >>/run/saying; mv /run/saying /run/said'")
	m.until("test $(systemctl show -P ActiveState aztec-roll@val1.service) = activating && systemctl is-active " + vmSequencer + " && test $(systemctl show -P MainPID " + vmSequencer + ") != " + pid)
	m.sh("date -s '" + jump + "'")
	m.until("test -e /run/said")
	return m.number("tail -n 1 /run/said")
}

// clockWhileHeld: a version that does not know what was signed signs neither
// after a day that was none, nor in one that comes again.
func (m *machine) clockWhileHeld() {
	m.fails(exitRolledBack, "aztec-spartan update val1 --settle 1s --to "+stubimage.Signs, "4.1.2 is back, and does not sign")
	for _, jump := range []string{"+1 day", "-2 days"} {
		m.sh("date -s '" + jump + "'")
		m.fails(exitFailed, "aztec-spartan start val1 --sign", "not past yet", "all are: aztec-spartan start val1 --sign")
		m.sh("aztec-spartan config val1 --update resume_signing=when-safe && aztec-spartan watch && aztec-spartan config val1 --update resume_signing=")
		m.sh("tr '\\0' '\\n' </proc/$(systemctl show -P MainPID " + vmSequencer + ")/environ | grep -qx VALIDATOR_DISABLED=true")
	}
	state := "/var/lib/aztec-spartan/instances/val1/state.json"
	m.sh("jq '.no_signing.until = .no_signing.since' " + state + " >/run/state && date -s '+2 days' && cat /run/state >" + state + " && aztec-spartan start val1 --sign")
	m.until("aztec-spartan probe val1")
}

// uptime is a clock that does not jump.
func (m *machine) uptime() float64 {
	m.t.Helper()
	first, _, _ := strings.Cut(m.sh("cat /proc/uptime"), " ")
	seconds, err := strconv.ParseFloat(first, 64)
	if err != nil {
		m.t.Fatal(err)
	}
	return seconds
}

// clockBack is what sets the clock right again.
func (m *machine) clockBack() string {
	m.t.Helper()
	return "date -s @$((" + m.sh("echo $(($(date +%s) - $(cut -d. -f1 /proc/uptime)))") + " + $(cut -d. -f1 /proc/uptime)))"
}
