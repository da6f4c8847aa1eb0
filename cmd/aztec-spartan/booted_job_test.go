//go:build booted

package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// The main job: install, configure, start, look, update, roll back, stop.
func TestMainJob(t *testing.T) {
	post := make(parcels, 1)
	onEachSuite(t, func(g *guest) {
		if out := g.sh("systemctl list-units --all --no-legend 'aztec-*@*'"); out != "" {
			g.t.Errorf("the package started %s", out)
		}
		g.config("4.1.2")
		g.configured()
		g.fails(0, "aztec-spartan start val1", "failed   l1 ", "--ethereum-host URL") // doctor looks before a first start
		g.running()
		g.votes()
		g.logs()
		box := g.hook()
		g.watched(box)
		g.resynced()
		g.updated()
		g.rolledBack()
		g.told(box, "update 4.1.2 -> 4.1.3: done", "rollback 4.1.3 -> 4.1.2: done")
		g.stopped()
		g.watchdog(box)
		g.administrated()
		g.rebooted()
		g.moved(post)
		g.removed()
	})
}

func (g *guest) configured() {
	g.t.Helper()
	// verify looks for programs on the host, whatever RootDirectory= says.
	if v := g.sh("install -D /bin/true /usr/local/bin/node && systemd-analyze verify --man=no " + val1 + " 2>&1; rm /usr/local/bin/node"); v != "" {
		g.t.Errorf("systemd-analyze verify: %s", v)
	}
	g.sh("systemd-analyze security --threshold=12 " + val1)
	for path, want := range map[string]string{
		"/etc/aztec-spartan/instances/val1/keystore.json.cred": "600 root root",
		"/etc/aztec-spartan/instances/val1/admin-api-key.cred": "600 root root",
		"/var/lib/aztec-spartan/instances/val1/1/env":          "600 root root",
		"/var/lib/aztec-spartan/images":                        "700 root root",
		"/etc/systemd/system/aztec-sequencer@val1.service":     "644 root root",
		"/etc/aztec-spartan/instances/val1/instance.toml":      "640 root root",
		"/var/lib/aztec-spartan/instances/val1/state.json":     "600 root root",
	} {
		if got := g.sh("stat -c '%a %U %G' " + path); got != want {
			g.t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	key := devKey[2:]
	if r := g.try("grep -rl " + key + " /etc /var/lib/aztec-spartan/instances /run --exclude-dir=credentials; journalctl --no-pager | grep " + key); r.Stdout != "" {
		g.t.Errorf("the key is in:\n%s", r.Stdout)
	}
	if out := g.sh("aztec-spartan config val1 2>&1"); !strings.Contains(out, "nothing to change") {
		g.t.Errorf("config again: %s", out)
	}
}

func (g *guest) running() {
	g.t.Helper()
	g.until("aztec-spartan probe val1")
	s := g.status()
	if s.Health != "healthy" || s.ActiveState != "active" || s.Version != "4.1.2" || s.MainPID == 0 || !s.Enabled || s.Unit != val1 || s.LastRoll != nil {
		g.t.Errorf("status: %+v", s)
	}
	if v := g.nodeVersion(); v != "4.1.2" {
		g.t.Errorf("the node says it is %s", v)
	}
	if owner := g.sh("ps -o user:32= -p $(systemctl show -P MainPID " + val1 + ")"); owner != "aztec-val1" {
		g.t.Errorf("the node runs as %s", owner)
	}
	// There is no L1 here, which doctor says, and what the host has. That units of others failed is no reason for anything.
	g.sh("systemd-run --quiet --wait --unit broken false || systemctl is-system-running | grep -q degraded")
	g.fails(exitUnhealthy, "aztec-spartan doctor val1 --json >/tmp/doctor", "of the checks failed")
	g.sh(`grep -q 'units of this host failed: .*broken.service' /tmp/doctor && grep -A1 '"l1"' /tmp/doctor | grep -q failed && grep -q 'does not answer: connection refused' /tmp/doctor && grep -A2 '"keystore"' /tmp/doctor | grep -q '1 attester(s), encrypted'`)
	// Nothing of ours runs beside the node.
	if r := g.try("pgrep -a aztec-spartan"); r.Code == 0 {
		g.t.Errorf("still running: %s", r.Stdout)
	}
	// Nothing was created inside the image.
	if out := g.sh("find /var/lib/aztec-spartan/images/*/rootfs -newer /var/lib/aztec-spartan/images/*/complete"); out != "" {
		g.t.Errorf("changed in the rootfs: %s", out)
	}
	g.sh("test -e /var/lib/aztec/val1 && aztec-spartan status | grep -q healthy")
	// What it uses is known, and what is not, with L1 away, is said.
	if s.CPUSeconds <= 0 || s.RootfsBytes <= 0 || s.DiskBytes <= 0 || len(s.Publishers) != 1 || s.Publishers[0].Address != devAddress || len(s.Attesters) != 1 ||
		s.L1 != nil || !strings.Contains(strings.Join(s.Unknown, "\n"), "L1: it does not answer: connection refused") {
		g.t.Errorf("details: %+v", s)
	}
}

// votes: a running node takes its payload at once, keeps it over a restart,
// and nobody is told to restart it.
func (g *guest) votes() {
	g.t.Helper()
	pid := g.status().MainPID
	other := "0x" + strings.Repeat("ab", 20)
	for _, payload := range []string{"0x" + strings.Repeat("CD", 20), profiles.NoPayload, other} {
		if out := g.sh("aztec-spartan config val1 --payload " + payload + " 2>/dev/null"); !strings.Contains(out, "votes for "+payload+" now") || strings.Contains(out, "restart") {
			g.t.Errorf("config --payload %s: %s", payload, out)
		}
		s := g.status()
		if d := cmp.Diff(&ballot{Payload: strings.ToLower(payload), From: fromNode, Next: strings.ToLower(payload)}, s.Payload); d != "" || s.RestartNeeded || s.MainPID != pid {
			g.t.Errorf("payload %s: restart needed: %t, pid %d and %d (-want +got):\n%s", payload, s.RestartNeeded, pid, s.MainPID, d)
		}
	}
	// What else changed still wants its restart, also after the next vote.
	if out := g.sh("aztec-spartan config val1 --set LOG_LEVEL=debug && aztec-spartan config val1 --payload none"); !strings.Contains(out, "votes for none now") || strings.Count(out, "restart needed") != 2 || !g.status().RestartNeeded {
		g.t.Errorf("another change: %s", out)
	}
	g.sh("aztec-spartan config val1 --unset LOG_LEVEL --payload " + other + " && aztec-spartan restart val1")
	g.until("aztec-spartan probe val1")
	if out := g.sh("aztec-spartan status val1"); !strings.Contains(out, other+", as the node says") || strings.Contains(out, "restart:") {
		g.t.Errorf("after a restart: %s", out)
	}
}

func (g *guest) logs() {
	g.t.Helper()
	if out := g.sh("aztec-spartan logs val1 -n 200"); !strings.Contains(out, "Aztec Node version: 4.1.2") || !strings.Contains(out, "Started") {
		g.t.Errorf("logs lack what the node or systemd said:\n%s", out)
	}
	for line := range strings.Lines(g.sh("aztec-spartan logs val1 -o json -n 20")) {
		if !json.Valid([]byte(line)) {
			g.t.Errorf("not JSON: %s", line)
		}
	}
	if out := g.sh("aztec-spartan logs val1 --level error -n 200"); strings.Contains(out, "INFO") {
		g.t.Errorf("--level error shows:\n%s", out)
	}
	for flags, want := range map[string]string{
		"-g 'Node version: 4.1.[2]' -n 1":                    "1", // of a line that it writes at each start
		"-g 'Node version: 4.1.[3]'":                         "0",
		"--since '1 hour ago' -g 'Aztec Node version' -n 1":  "1",
		"--until '1 hour ago' -n 1":                          "0",
		"--since '1 hour ago' --until '+1 min' -n 2":         "2",
		"--since '1 min ago' --until '30 min ago'":           "0",
		"-g 'Aztec Node version' --level info -n 1":          "1",
		"-g 'Aztec Node version' --level warning --lines -1": "0",
	} {
		if got := g.sh("aztec-spartan logs val1 -o cat " + flags + " | wc -l"); got != want {
			g.t.Errorf("logs %s: %s lines, want %s", flags, got, want)
		}
	}
	for _, wrong := range []string{"logs val1 --since nonsense", "logs val1 --since today --until yesterday", "logs val1 -g '('", "logs val1 -n -2", "report val1 --since nonsense"} {
		g.fails(exitUsage, "aztec-spartan "+wrong, "reading the journal: ", "hint: a time is ")
	}
	// Following goes on over a restart, in which the unit writes more than ten thousand lines a second; none is lost, and Ctrl-C ends it with code 0.
	// The last of them and the node's first line have two streams, of which journald may read either first: it is followed until both were seen.
	const dropIn = "/run/systemd/system/" + val1 + ".d"
	g.sh(`set -e
		mkdir -p ` + dropIn + ` && printf '[Service]\nExecStartPre=/bin/bash -c "for i in {1..30000}; do echo flood $$i; done"\n' >` + dropIn + `/flood.conf && systemctl daemon-reload
		coproc F { exec aztec-spartan logs -f val1 -n 0 -o cat; }
		pid=$F_PID
		read -r -t 60 <&${F[0]} # it follows: the node says something every second
		systemctl restart ` + val1 + `
		timeout 60 sed -e '/^flood 30000$/b seen' -e '/Aztec Node version/b seen' -e b -e ': seen' -e 'x; s/^/x/; /xx/{x; q}; x' <&${F[0]} >/root/followed
		kill -INT $pid
		wait $pid
		grep '^flood' /root/followed | cmp - <(seq -f 'flood %.0f' 30000)
		aztec-spartan logs val1 --since '10 min ago' -g '^flood' -o cat | cmp - <(seq -f 'flood %.0f' 30000)
		rm -r ` + dropIn + ` && systemctl daemon-reload`)
	// So it does where it hangs in a write that nobody reads.
	g.sh(`mkfifo /root/unread; sleep 100 </root/unread &
		aztec-spartan logs -f val1 -n 30000 >/root/unread &
		pid=$!
		timeout 30 sh -c "until grep -qs '^1 0x1 ' /proc/$pid/task/*/syscall; do sleep 0.1; done" && kill -INT $pid && wait $pid && kill %1`)
	g.until("aztec-spartan probe val1")
}

// dropInDir is where an administrator changes the unit; no verb touches it.
const dropInDir = "/etc/systemd/system/" + val1 + ".d"

func (g *guest) updated() {
	g.t.Helper()
	before := g.status()
	if out := g.sh("aztec-spartan update val1 --check"); !strings.Contains(out, "4.1.3") {
		g.t.Errorf("update --check: %s", out)
	}
	g.sh("mkdir -p " + dropInDir + " && printf '[Service]\\nNice=2\\n' >" + dropInDir + "/override.conf && systemctl daemon-reload")
	// Who follows sees the roll, and both versions.
	g.sh("aztec-spartan logs -f val1 -n 0 -o json >/root/rolled & pid=$!; aztec-spartan update val1 && test $(ps -o ni= -p $(systemctl show -P MainPID " + val1 + ")) = 2 && " +
		"timeout 60 sh -c 'until grep -q \"Node version: 4.1.3\" /root/rolled && grep -q aztec-roll@val1.service /root/rolled; do sleep 0.1; done' && kill -INT $pid && wait $pid")
	s := g.status()
	if s.Version != "4.1.3" || s.PreviousVersion != "4.1.2" || s.MainPID == before.MainPID || s.Health != "healthy" || s.LastRoll == nil || s.LastRoll.Result != roll.Done || s.LastRoll.DowntimeSeconds <= 0 {
		g.t.Errorf("after the update: %+v, last roll %+v", s, s.LastRoll)
	}
	if v := g.nodeVersion(); v != "4.1.3" {
		g.t.Errorf("the node says it is %s", v)
	}
	if out := g.sh("aztec-spartan update val1"); !strings.Contains(out, "already") {
		g.t.Errorf("a second update: %s", out)
	}
}

// rolledBack needs no registry.
func (g *guest) rolledBack() {
	g.t.Helper()
	if err := g.StopRegistry(); err != nil {
		g.t.Fatal(err)
	}
	g.fails(0, "aztec-spartan rollback val1", "what the roll starts may not be able to prove itself", "failed   l1 ")
	g.sh("test $(ps -o ni= -p $(systemctl show -P MainPID " + val1 + ")) = 2")
	g.sh("rm -r " + dropInDir + " && systemctl daemon-reload")
	s := g.status()
	if s.Version != "4.1.2" || s.Health != "healthy" || len(s.Skipped) != 1 || s.Skipped[0].Version != "4.1.3" {
		g.t.Errorf("after the rollback: %+v", s)
	}
	if v := g.nodeVersion(); v != "4.1.2" {
		g.t.Errorf("the node says it is %s", v)
	}
	if err := g.StartRegistry(); err != nil {
		g.t.Fatal(err)
	}
	g.fails(0, "aztec-spartan update val1", "4.1.3 is skipped", "--to 4.1.3")
}

func (g *guest) stopped() {
	g.t.Helper()
	g.sh("aztec-spartan stop val1")
	s := g.status()
	if s.Health != "stopped" || s.ActiveState != "inactive" || s.Enabled {
		g.t.Errorf("after stop: %+v", s)
	}
	if r := g.sh("systemctl show -P Result " + val1); r != "success" {
		g.t.Errorf("systemd takes the stop for a %s", r)
	}
	// A stopped instance gets the new version and stays stopped.
	g.sh("aztec-spartan update val1 --to 4.1.3")
	if s = g.status(); s.Version != "4.1.3" || s.ActiveState != "inactive" {
		g.t.Errorf("after the update of a stopped instance: %+v", s)
	}
	g.sh("aztec-spartan start val1 && systemctl is-enabled " + val1)
	g.until("aztec-spartan probe val1")
	if v := g.nodeVersion(); v != "4.1.3" {
		g.t.Errorf("the node says it is %s", v)
	}
}
