//go:build booted

package main

import (
	"strings"
	"time"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/stubimage"
	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
)

// promoted begins with val1, stopped. A second instance with its keys waits for
// the cutover; promote ends val1 after it, and not before; and at no time do both
// sign on one rollup.
func (g *guest) promoted() {
	g.t.Helper()
	began := time.Now()
	defer func() { g.t.Logf("promoted: %s", time.Since(began)) }()
	const next, unit = "val1-v5", "aztec-sequencer@val1-v5.service"
	pid := func(unit string) string {
		g.t.Helper()
		return g.sh("systemctl show -P MainPID " + unit)
	}
	page := func(want string) {
		g.t.Helper()
		if out := g.sh("aztec-spartan status " + next); !strings.Contains(out, want) {
			g.t.Errorf("status does not say %q:\n%s", want, out)
		}
	}
	g.sh("aztec-spartan start val1")
	g.fails(exitUsage, "aztec-spartan config "+next+" --from val1 --image "+stage.Repository+":"+stubimage.Newer, "another major version")
	const cutover = "/var/lib/aztec/" + next + "/cutover"
	// What the version does is in its image: it waits for a cutover.
	does := func(what string) string {
		return "echo '" + what + "' >$(systemctl show -P RootDirectory " + unit + ")/usr/src/yarn-project/stub.json"
	}
	g.sh("aztec-spartan config " + next + " --from val1 --image " + stage.Repository + ":" + stubimage.Standby + " && " + does(`{"cutover":true}`) + " && aztec-spartan start " + next)
	page("stands by:   for val1, whose keys it has: it waits for the cutover to the rollup of " + stubimage.Standby)
	g.fails(exitUsage, "aztec-spartan update val1 --to "+stubimage.Standby, next)

	// Neither before the cutover nor on one rollup is anything ended.
	old, young := pid(val1), pid(unit)
	g.fails(exitUnhealthy, "aztec-spartan promote "+next, "it waits for the cutover")
	g.sh("touch " + cutover)
	g.until("aztec-spartan probe " + next)
	g.fails(exitUnhealthy, "aztec-spartan promote "+next, "that is no cutover")
	if pid(val1) != old || pid(unit) != young {
		g.t.Error("a refused promote has touched a node")
	}

	g.sh(does(`{"cutover":true,"rollup":"0x`+strings.Repeat("77", 20)+`"}`) + " && systemctl restart " + unit)
	g.until("aztec-spartan probe " + next)
	young = pid(unit)
	page("and follows its rollup by now: aztec-spartan promote " + next + " ends val1")
	g.sh("aztec-spartan promote " + next)
	page("for val1 no longer: it has taken over")
	if pid(unit) != young {
		g.t.Error("the node that takes over was restarted")
	}
	g.sh("! systemctl is-active " + val1 + " && ! systemctl is-enabled " + val1)
	g.fails(exitFailed, "aztec-spartan start val1", next+" has taken over from it, with the same keys", "--here")
	g.fails(1, "systemctl start "+val1, "Assertion failed")
	if r := g.try("aztec-spartan remove val1"); r.Code != 0 || strings.Contains(r.Stderr, "warning") {
		g.t.Errorf("remove val1: exit code %d\n%s", r.Code, r.Stderr)
	}
	if s := g.sh("aztec-spartan status " + next + "; aztec-spartan config " + next + " 2>&1"); strings.Contains(s, "stands by:") || !strings.Contains(s, "it has its keys for itself now") || pid(unit) != young {
		g.t.Errorf("without val1: %s", s)
	}
}
