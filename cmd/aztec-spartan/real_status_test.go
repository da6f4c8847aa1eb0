//go:build real

package main

import (
	"fmt"
	"strings"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage"
)

// page holds what status says of a real sequencer that was rolled once to
// what systemd, the node and L1 say.
func (g *guest) page(rolled string) {
	g.t.Helper()
	errors := func() string { return g.sh("aztec-spartan logs val1 --since '24 hours ago' --level error -o cat") }
	before := errors()
	g.sh("aztec-spartan auto-update enable")
	text, s := g.sh("aztec-spartan status val1"), g.status()
	g.sh("aztec-spartan auto-update disable")
	show := func(property string) string { return g.sh("systemctl show -P " + property + " " + val1) }
	for _, want := range []string{
		"version:     " + s.Version + ", generation ",
		"digest:      sha256:",
		"active (running), enabled at boot, pid " + show("MainPID") + ", since 20",
		", 0 restarts\n",
		"health:      " + s.Health + ": answers as version " + s.Version + " at block ",
		"L1:          block ",
		"attester:    " + realimage.DevAddress + " is not in the validator set, and may wait in its queue; was in no committee that the node has seen\n",
		"publisher:   " + realimage.DevAddress + " 99", // of ten thousand ETH
		"chain:       block ",
		"memory:      ", "cpu:         ", " since its start, ",
		"data:        ", " in /var/lib/aztec/val1\n", "rootfs:      1.",
		"last roll:   " + rolled + " at 20",
		"next check:  20",
	} {
		if !strings.Contains(text, want) {
			g.t.Errorf("the page does not say %q", want)
		}
	}
	// The node may not have seen the newest yet, and there may be another since the page was made.
	var l1, node uint64
	if _, line, ok := strings.Cut(text, "; checkpoint "); !ok {
		g.t.Error("the page has no checkpoint of L1")
	} else if _, err := fmt.Sscanf(line, "%d is there, the node has %d\n", &l1, &node); err != nil || node == 0 || l1 < node || l1 > node+1 || *s.L1.Checkpoint < l1 || *s.L1.Checkpoint > l1+1 {
		g.t.Errorf("of checkpoints the page says %.50q, and L1 has %d: %v", line, *s.L1.Checkpoint, err)
	}
	if strings.Contains(text, "not known:") {
		g.t.Error("it does not know everything")
	}
	// It is one of the lines that logs has, and does not go on with another; a node may have none, and more since the page was made.
	if after := errors(); s.LastError == nil && before != "" || s.LastError != nil && (!strings.Contains(after, strings.TrimSuffix(s.LastError.Message, "...")) || len(s.LastError.Message) < 10) {
		g.t.Errorf("the last error is %+v, and the journal has\n%s", s.LastError, after)
	}
	g.t.Logf("the page:\n%s", text)
}
