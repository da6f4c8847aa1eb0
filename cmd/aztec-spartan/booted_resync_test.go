//go:build booted

package main

import "strings"

// resynced has the node sync anew, twice: once to go back, once for good.
func (g *guest) resynced() {
	g.t.Helper()
	const data = "/var/lib/aztec/val1"
	g.sh("install -D -o aztec-val1 /dev/null " + data + "/signing-protection/kept && touch " + data + "/archiver/old")
	g.sh("aztec-spartan resync val1 --no-wait && test ! -e " + data + "/archiver/old && test -e " + data + "/signing-protection/kept")
	g.until("aztec-spartan probe val1")
	if out := g.sh("aztec-spartan disk"); !strings.Contains(out, "old stores of val1: aztec-spartan resync val1") {
		g.t.Errorf("disk: %s", out)
	}
	g.sh("aztec-spartan resync val1 --undo && test -e " + data + "/archiver/old")
	g.sh("aztec-spartan resync val1 --timeout 1m && test ! -e " + data + "/archiver/old && test -e " + data + "/signing-protection/kept && test ! -e " + data + "/" + asideDir)
	if s := g.status(); s.Health != "healthy" {
		g.t.Errorf("after a resync: %+v", s)
	}
	g.killedResync(data)
}

// killedResync: one that is killed while the node stops is told, and gone on with
// by the watchdog, before the node is gone and after.
func (g *guest) killedResync(data string) {
	g.t.Helper()
	const unit, mark, lock = "aztec-sequencer@val1", "/run/aztec-spartan/val1.resync", "/run/aztec-spartan/val1.lock"
	const dropIn = "/run/systemd/system/" + unit + ".service.d"
	stopping := "until test \"$(systemctl show -P ActiveState " + unit + ")\" = deactivating; do sleep 0.1; done\n"
	g.sh("mkdir -p " + dropIn + ` && printf '[Service]\nExecStop=/bin/bash -c "until test -e ` + data + `/may-stop; do sleep 0.1; done"\n' >` + dropIn + "/slow.conf && systemctl daemon-reload")
	killed := "set -e\nrm -f " + data + "/may-stop; touch " + data + "/archiver/old\naztec-spartan resync val1 --no-wait & resync=$!\n" + stopping + "kill -9 $resync\n! wait $resync\ntest -e " + mark + "\n"
	done := "systemctl is-active " + unit + "\ntest ! -e " + data + "/archiver/old\ntest ! -e " + mark + "\n"

	g.sh(killed + "aztec-spartan watch & watch=$!\nuntil grep -q \"resync (pid $watch)\" " + lock + " || ! kill -0 $watch; do sleep 0.1; done\ntouch " + data + "/may-stop\nwait $watch\n" + done)
	g.until("aztec-spartan probe val1")
	g.sh("aztec-spartan resync val1 --timeout 1m && test ! -e " + data + "/" + asideDir)

	g.sh(killed + "touch " + data + "/may-stop\nwhile systemctl is-active " + unit + " || test \"$(systemctl show -P ActiveState " + unit + ")\" = deactivating; do sleep 0.1; done")
	if s := g.status(); s.Health != "unhealthy" || !strings.Contains(s.Reason, "aztec-spartan resync val1") {
		g.t.Errorf("after a resync that was killed: %+v", s)
	}
	g.sh("set -e\naztec-spartan watch\n" + done)
	g.until("aztec-spartan probe val1")
	g.sh("aztec-spartan resync val1 --timeout 1m && test ! -e " + data + "/" + asideDir)

	// What somebody stops just now is not started by a resync.
	g.sh("rm " + data + "/may-stop && systemctl stop --no-block " + unit + "\n" + stopping)
	g.fails(exitLocked, "aztec-spartan resync val1", "somebody stops it")
	g.sh("touch " + data + "/may-stop && systemctl stop " + unit + " && rm -r " + dropIn + " " + data + "/may-stop && systemctl daemon-reload && aztec-spartan start val1")
	g.until("aztec-spartan probe val1")
}
