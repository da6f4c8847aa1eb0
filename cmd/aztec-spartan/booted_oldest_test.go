//go:build booted

package main

import (
	"strings"
	"testing"
)

// The oldest systemd that units are made for: Debian 11 has 247.
func TestOldestSystemd(t *testing.T) {
	onSuites(t, []string{"bullseye"}, func(g *guest) {
		if v := g.sh("systemctl --version | head -1"); !strings.HasPrefix(v, "systemd 247") {
			g.t.Fatalf("this is %s", v)
		}
		g.makeCast()
		g.sh("aztec-spartan start val1 full1 broker1 agent1")
		for _, name := range []string{"val1", "full1", "broker1", "agent1"} {
			g.until("aztec-spartan probe " + name)
		}
		g.sh("test -s /var/lib/aztec-spartan/reference.json") // the string was fetched before the agent started
		for _, c := range cast {
			// It knows no --threshold=.
			if level := g.exposure(c.unit); level > 1.2 {
				g.t.Errorf("the exposure of %s is %.1f", c.name, level)
			}
		}
		g.isolated()
		// It knows no encrypted credentials and no %d.
		unit := g.sh("cat /etc/systemd/system/" + val1)
		if strings.Contains(unit, "Encrypted=") || strings.Contains(unit, "%d/") {
			g.t.Errorf("the unit of val1 has what systemd 247 has not:\n%s", unit)
		}
		g.sh("test -r /run/credentials/" + val1 + "/keystore.json")
		const admin = "/etc/aztec-spartan/instances/val1/admin-api-key"
		if mode := g.sh("test ! -e " + admin + ".cred && stat -c '%a %U %s' " + admin); mode != "600 root 65" {
			g.t.Errorf("the admin API key: %s", mode)
		}
		payload := "0x" + strings.Repeat("ab", 20)
		if out := g.sh("aztec-spartan config val1 --payload " + payload); !strings.Contains(out, "votes for "+payload+" now") {
			g.t.Errorf("config --payload: %s", out)
		}
		if out := g.sh("aztec-spartan run val1 -- --version"); !strings.Contains(out, "4.1.2") {
			g.t.Errorf("run says %q", out)
		}
		g.sh("aztec-spartan update val1 --to 4.1.3 && aztec-spartan rollback val1")
		g.administrated()
		g.rebooted()
		g.sh("aztec-spartan stop --all && aztec-spartan remove --all --purge --yes")
		if out := g.sh("journalctl --no-pager -b -t systemd | grep -iE 'unknown (lvalue|key)|aztec.*(ignoring|failed to parse)' || :"); out != "" {
			g.t.Errorf("systemd does not know:\n%s", out)
		}
	})
}
