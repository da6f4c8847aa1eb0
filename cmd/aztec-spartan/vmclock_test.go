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
		{"in a window", (*machine).clockInWindow},
		{"between looks for updates", (*machine).clockOfTimer},
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

// vmL1 answers what an unattended update wants to know of L1 before it stops a
// node: its clock is that of the machine.
const vmL1 = `#!/bin/bash
while read -r line && line=${line%$'\r'} && test -n "$line"; do
	case ${line,,} in content-length:*) length=${line#*: } ;; esac
done
read -r -N "$length" call
case $call in
*eth_chainId*) result='"0x7a69"' ;;
*eth_getBlockByNumber*) result=$(printf '{"number":"0x1","timestamp":"0x%x"}' "$(date +%s)") ;;
*) result=false ;;
esac
answer='{"jsonrpc":"2.0","id":1,"result":'$result'}'
printf 'HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s' ${#answer} "$answer"
`

// clockInWindow: a roll that has begun in a window ends outside of it, and the
// next begins in one only.
func (m *machine) clockInWindow() {
	m.sh("cat >/usr/local/bin/l1 <<'END'\n" + vmL1 + "END\nchmod 755 /usr/local/bin/l1 && systemd-run -q --unit l1 systemd-socket-activate -l 127.0.0.1:8545 --inetd -a /usr/local/bin/l1")
	m.sh("aztec-spartan config val1 --update window='*-*-* 02:00' --update window_length=1h --update constraint='= 4.1.3' && date -s 12:00")
	look := func(when string) {
		m.t.Helper()
		if out := m.sh("aztec-spartan update --unattended val1 2>&1"); !strings.Contains(out, "outside of the window") || m.status("val1").Version != "4.1.2" {
			m.t.Errorf("%s: %s", when, out)
		}
	}
	look("before any window")
	for _, jump := range []string{"+1 day 6 hours", "-2 days 6 hours"} {
		m.sh("date -s 02:30")
		code := m.inRoll("update --unattended val1 --settle 10s", jump)
		if s := m.status("val1"); code != 0 || s.Version != "4.1.3" || s.LastRoll == nil || s.LastRoll.Result != roll.Done {
			m.t.Errorf("in the window, and the clock jumped by %s: exit code %d, %+v, last roll %+v\n%s", jump, code, s, s.LastRoll, m.sh("cat /run/said"))
		}
		m.sh("aztec-spartan rollback val1 --settle 1s && aztec-spartan unskip val1")
		m.until("aztec-spartan probe val1")
		look("after a jump of " + jump)
	}
	m.sh("aztec-spartan config val1 --update window= --update window_length= --update constraint= && systemctl stop l1")
}

// clockOfTimer: the timer of updates looks again within hours, whatever the
// clock was when it looked last, and while it does. systemd reckons from the
// last time anew when the clock is set, but not while the service runs.
func (m *machine) clockOfTimer() {
	const dirs = "/run/systemd/system/aztec-update.service.d /run/systemd/system/aztec-update.timer.d"
	m.sh("mkdir -p " + dirs + " && printf '[Service]\\nExecStart=\\nExecStart=bash -c \"until test -e /run/looked; do sleep 0.2; done\"\\n' >/run/systemd/system/aztec-update.service.d/look.conf && " +
		"printf '[Timer]\\nRandomizedDelaySec=0\\n' >/run/systemd/system/aztec-update.timer.d/now.conf && systemctl daemon-reload && aztec-spartan auto-update enable")
	soon := func(when string) {
		m.t.Helper()
		next := m.number("systemctl list-timers --output=json aztec-update.timer | jq '.[0].next / 1000000 - now | floor'")
		m.t.Logf("%s, the timer looks again in %d min", when, next/60)
		if next > 3*60*60 {
			m.t.Errorf("%s, the timer looks again in %d s only", when, next)
		}
	}
	look := func() {
		m.t.Helper()
		m.sh("rm -f /run/looked && date -s '+1 day'")
		m.until("test $(systemctl show -P ActiveState aztec-update.service) = activating")
	}
	looked := func() {
		m.t.Helper()
		m.sh("touch /run/looked")
		m.until("test $(systemctl show -P ActiveState aztec-update.service) = inactive")
	}
	look()
	looked()
	m.sh("date -s '-1 day'")
	soon("after a day that was none")
	look()
	m.sh("date -s '-1 day'")
	looked()
	soon("after one that was none while it looked")
	m.sh("aztec-spartan auto-update disable && rm -r " + dirs + " /run/looked && systemctl daemon-reload")
}

// inRoll sets the clock once the roll has started another version, and returns
// the exit code of the verb.
func (m *machine) inRoll(command, jump string) int {
	m.t.Helper()
	pid := m.sh("systemctl show -P MainPID " + vmSequencer)
	m.sh("rm -f /run/said; systemctl reset-failed; systemd-run -q --collect --unit roll-by-hand bash -c 'aztec-spartan " + command + " >/run/saying 2>&1; echo $? >>/run/saying; mv /run/saying /run/said'")
	m.until("test -e /run/said || { test $(systemctl show -P ActiveState aztec-roll@val1.service) = activating && systemctl is-active " + vmSequencer + " && test $(systemctl show -P MainPID " + vmSequencer + ") != " + pid + "; }")
	if said := m.sh("cat /run/said 2>/dev/null || :"); said != "" {
		m.t.Fatalf("%s: over before the clock jumped:\n%s", command, said)
	}
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
