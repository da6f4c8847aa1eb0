//go:build booted

package main

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
)

// timerNow has the timer fire at once, and every three seconds.
const timerNow = `mkdir -p /etc/systemd/system/aztec-update.timer.d &&
printf '[Timer]\nOnCalendar=\nOnCalendar=*:*:0/3\nRandomizedDelaySec=0\nAccuracySec=100ms\n' >/etc/systemd/system/aztec-update.timer.d/now.conf && systemctl daemon-reload`

// unattended begins with val1 running 4.1.2. The instance that can be away goes
// first, and when it fails, the sequencer is not touched; then the timer brings
// both to 4.1.3 with nobody there.
func (g *guest) unattended(box *inbox) {
	g.t.Helper()
	began := time.Now()
	defer func() { g.t.Logf("unattended: %s", time.Since(began)) }()
	g.sh(`sed -i 's/^settle = .*/settle = "1s"/' /etc/aztec-spartan/config.toml`)
	g.sh("aztec-spartan config full1 --role full-node --network local --image " + stage.Repository + ":4.1.2 --port 8090 --admin-port 8890 --no-p2p=false --ip 203.0.113.7 --p2p-port 40401 --ethereum-host http://127.0.0.1:8545 --set REGISTRY_CONTRACT_ADDRESS=" + registryContract)
	g.sh("aztec-spartan start full1")
	if u := g.autoUpdate("status"); u.Enabled || u.Active || len(u.Instances) != 2 {
		g.t.Errorf("before it is enabled: %+v", u)
	}

	const pid = "systemctl show -P MainPID " + val1
	before := g.sh(pid)
	g.sh("aztec-spartan pin full1 4.1.4-exits")
	// Without L1 no version could prove itself: nothing is stopped.
	fullPID := g.sh("systemctl show -P MainPID aztec-full-node@full1.service")
	g.fails(exitUnhealthy, "aztec-spartan update --unattended full1", "no version could prove itself now, so its node is not stopped: l1: ", "hint: aztec-spartan doctor full1")
	if is := g.sh("systemctl show -P MainPID aztec-full-node@full1.service"); is != fullPID {
		g.t.Errorf("the node was restarted: its PID was %s and is %s", fullPID, is)
	}
	if err := g.StandInForL1(); err != nil {
		g.t.Fatal(err)
	}
	g.fails(1, "systemctl start aztec-update.service")
	if code := g.sh("systemctl show -P ExecMainStatus aztec-update.service"); code != "4" {
		g.t.Errorf("the exit code is %s, want 4", code)
	}
	out := g.sh("journalctl --sync && journalctl --no-pager -o cat -u aztec-update.service")
	for _, want := range []string{"exited with code 1; 4.1.2 is back", "left as they are: val1"} {
		if !strings.Contains(out, want) {
			g.t.Errorf("the journal does not say %q:\n%s", want, out)
		}
	}
	if after := g.sh(pid); after != before {
		g.t.Errorf("the sequencer was restarted: its PID was %s and is %s", before, after)
	}
	g.until("aztec-spartan probe full1")

	g.decided(box)

	// Hooks: one that fails before an update leaves everything as it is.
	hook := `printf '#!/bin/sh\necho "$AZTEC_SPARTAN_INSTANCE $AZTEC_SPARTAN_TO $(systemctl is-active "$AZTEC_SPARTAN_UNIT") $AZTEC_SPARTAN_RESULT" >>/var/lib/hooks\ntest ! -e /run/refuse\n' >/usr/local/sbin/hook && chmod 755 /usr/local/sbin/hook`
	g.sh(hook + ` && touch /run/refuse && sed -i 's|^hook_timeout = .*|hook_timeout = "10s"\npre_hook = "/usr/local/sbin/hook"\npost_hook = "/usr/local/sbin/hook"|' /etc/aztec-spartan/config.toml`)
	g.fails(exitFailed, "aztec-spartan update val1 --to 4.1.3", "nothing was changed, since the hook /usr/local/sbin/hook failed: exit status 1")
	if after := g.sh(pid); after != before {
		g.t.Errorf("the hook failed, and the PID was %s and is %s", before, after)
	}
	g.sh("rm /run/refuse /var/lib/hooks")

	g.sh("aztec-spartan unpin full1 && " + timerNow)
	if u := g.autoUpdate("enable"); !u.Enabled || !u.Active || u.Next == nil {
		g.t.Errorf("enabled: %+v", u)
	}
	g.until("grep -q '^Version=4.1.3' /etc/systemd/system/" + val1 + " && systemctl is-active --quiet " + val1 + " && aztec-spartan probe val1")
	g.sh("aztec-spartan probe full1 && grep -q '^Version=4.1.3' /etc/systemd/system/aztec-full-node@full1.service")
	if u := g.autoUpdate("status"); u.Last == nil {
		g.t.Errorf("after an update: %+v", u)
	}
	if u := g.autoUpdate("disable"); u.Enabled || u.Active {
		g.t.Errorf("disabled: %+v", u)
	}
	g.until("test $(systemctl show -P ActiveState aztec-update.service) = inactive") // the last one to fire
	g.sh("rm -r /etc/systemd/system/aztec-update.timer.d && systemctl daemon-reload")
	if got, want := g.sh("cat /var/lib/hooks"), "full1 4.1.3 active \nfull1 4.1.3 active done\nval1 4.1.3 active \nval1 4.1.3 active done"; got != want {
		g.t.Errorf("the hooks saw:\n%s\nwant:\n%s", got, want)
	}
	if first, second := g.finished("full1"), g.finished("val1"); first > second {
		g.t.Errorf("full1 was updated at %s, val1 at %s", first, second)
	}
	g.told(box, "full1] rolled-back: update 4.1.2 -> 4.1.4-exits", "full1] roll-done: update 4.1.2 -> 4.1.3", "val1] roll-done: update 4.1.2 -> 4.1.3")
	g.addressed(box)
	g.failing(box)
}

// finished is when the last roll of an instance ended.
func (g *guest) finished(name string) string {
	g.t.Helper()
	return g.sh("aztec-spartan status " + name + " --json | jq -r '.[0].last_roll.finished'")
}

func (g *guest) autoUpdate(verb string) autoUpdate {
	g.t.Helper()
	var u autoUpdate
	if err := json.Unmarshal([]byte(g.sh("aztec-spartan auto-update "+verb+" --json")), &u); err != nil {
		g.t.Fatal(err)
	}
	return u
}

// outdated: a node that says by its exit code that its version is out of date
// has aztec-failure@.service look at once. With auto-update off the node is
// only started again, with it on it runs the newer version, and nobody types.
func (g *guest) outdated(box *inbox) {
	g.t.Helper()
	began := time.Now()
	defer func() { g.t.Logf("outdated: %s", time.Since(began)) }()
	const unit = "aztec-full-node@old1.service"
	const failure = "aztec-failure@" + unit + ".service"
	g.sh("aztec-spartan auto-update disable")
	g.sh("aztec-spartan config old1 --role full-node --network local --image " + stage.Repository + ":4.1.1-outdated --port 8091 --admin-port 8891 --no-p2p --ethereum-host http://127.0.0.1:8545 --set REGISTRY_CONTRACT_ADDRESS=" + registryContract)
	g.sh("aztec-spartan start old1")
	invocation := "systemctl show -P InvocationID " + unit
	first := g.sh(invocation)
	says := func(text string) string {
		return "journalctl --no-pager -o cat -t aztec-failure | grep -qF '" + text + "'"
	}
	g.until(says("old1: the node exited with code 79: its version is out of date"))
	g.until(says("4.1.1-outdated is out of date, and 4.1.3 is there; auto-update is off: aztec-spartan update old1 takes it"))
	g.until(says("old1: starting it again in 5s"))
	g.until("test $(" + invocation + ") != " + first)

	// Who stops it while it waits for its next start has stopped it.
	g.until(says("old1: starting it again in 10s"))
	g.sh("systemctl stop " + unit)
	g.until("test $(systemctl show -P ActiveState '" + failure + "') = inactive && test $(systemctl show -P ActiveState " + unit + ") = failed")
	// Nor does an update start it, though it has failed and did not end by that
	// stop, or a restart of all.
	g.sh("aztec-spartan update old1 --to 4.1.2 && grep -q '^Version=4.1.2' /etc/systemd/system/" + unit + " && aztec-spartan restart --all")
	g.sh("test $(systemctl show -P MainPID " + unit + ") = 0 && aztec-spartan rollback old1 && aztec-spartan unskip old1 4.1.2")

	// It ends once more, and now there is somebody to update it.
	g.sh("systemctl start " + unit)
	g.sh("aztec-spartan auto-update enable")
	g.until("grep -q '^Version=4.1.3' /etc/systemd/system/" + unit + " && aztec-spartan probe old1")
	g.until("aztec-spartan status old1 --json | jq -e '.[0] | .health == \"healthy\" and .last_roll.from == \"4.1.1-outdated\" and .last_roll.result == \"done\"'")
	g.sh("aztec-spartan auto-update disable")
	g.told(box, "old1] update-available: 4.1.1-outdated is out of date", "old1] roll-done: update 4.1.1-outdated -> 4.1.3")
}
