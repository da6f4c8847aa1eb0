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
	// As one that was killed while the node was stopped leaves it.
	g.sh("touch " + data + "/archiver/old && systemctl stop aztec-sequencer@val1 && id=$(systemctl show -p InvocationID --value aztec-sequencer@val1) && " +
		`test -n "$id" && echo "{\"invocation\": \"$id\", \"last_stop\": \"$(cat /run/aztec-spartan/val1.stopped 2>&-)\", \"enabled\": true}" > /run/aztec-spartan/val1.resync`)
	if s := g.status(); s.Health != "unhealthy" || !strings.Contains(s.Reason, "aztec-spartan resync val1") {
		g.t.Errorf("after a resync that was killed: %+v", s)
	}
	g.sh("aztec-spartan watch && systemctl is-active aztec-sequencer@val1 && test ! -e " + data + "/archiver/old && test ! -e /run/aztec-spartan/val1.resync")
	g.until("aztec-spartan probe val1")
	g.sh("aztec-spartan resync val1 --timeout 1m && test ! -e " + data + "/" + asideDir)
}
