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
}
