//go:build soak

package main

import (
	"strings"
	"testing"
)

// The systemd of Ubuntu: 249 and 255, whose units are golden files elsewhere.
// Each reads and runs those of every role, and none of them says a word.
func TestSoakUbuntu(t *testing.T) {
	versions := map[string]string{"/jammy": "systemd 249", "/noble": "systemd 255"}
	onSuites(t, []string{"jammy", "noble"}, func(g *guest) {
		for suite, want := range versions {
			if v := g.sh("systemctl --version | head -1"); strings.HasSuffix(g.t.Name(), suite) && !strings.HasPrefix(v, want) {
				g.t.Fatalf("this is %s", v)
			}
		}
		g.makeCast()
		for _, c := range cast {
			// 249 knows no --threshold=.
			if level := g.exposure(c.unit); level > 1.2 {
				g.t.Errorf("the exposure of %s is %.1f", c.name, level)
			}
		}
		g.sh("aztec-spartan start")
		for _, c := range cast {
			g.until("aztec-spartan probe " + c.name)
		}
		g.shareReferenceString()
		g.sh("aztec-spartan update val1 --to 4.1.3 && aztec-spartan rollback val1")
		g.fails(exitRolledBack, "aztec-spartan update val1 --to 4.1.4-exits --settle 1s", "4.1.2 is back")
		g.rebooted()
		g.sh("aztec-spartan stop --all && aztec-spartan remove --all --purge --yes")
		if out := g.sh("journalctl --no-pager -t systemd | grep -iE 'unknown (lvalue|key)|aztec.*(ignoring|failed to parse)' || :"); out != "" {
			g.t.Errorf("systemd does not know:\n%s", out)
		}
	})
}
