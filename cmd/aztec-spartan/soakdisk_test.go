//go:build soak

package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/stubimage"
	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
)

// A disk of ours is full, but for one page, two, and so on, until a roll has
// all it wants: the state, the settings, the units. Meanwhile the node runs, in
// one of the two versions; and once there is room again, the next command makes
// good what was left open.
func TestSoakFullDisk(t *testing.T) {
	onEachSuite(t, func(g *guest) {
		g.config("4.1.2")
		g.sh("aztec-spartan start val1")
		for _, tag := range []string{stubimage.Newer, stubimage.Liar} {
			g.sh("aztec-spartan pull " + stage.Repository + ":" + tag)
		}
		for _, dir := range []string{"/var/lib/aztec-spartan/instances/val1", "/etc/aztec-spartan/instances/val1", "/etc/systemd/system"} {
			g.sh("cp -a " + dir + " /root/disk && mount -t tmpfs -o size=512K tmpfs " + dir + " && cp -a /root/disk/. " + dir + "/ && systemctl daemon-reload")
			for _, to := range []string{"", stubimage.Liar} {
				pages := 0
				for g.fullDisk(dir, to, pages) {
					pages++
				}
				if pages == 0 {
					g.t.Errorf("nothing was written to %s", dir)
				}
				g.t.Logf("%s, to %q: %d pages are enough", dir, to, pages)
			}
			g.sh("rm -rf /root/disk && cp -a " + dir + " /root/disk && umount " + dir + " && rm -rf " + dir + " && mv /root/disk " + dir + " && systemctl daemon-reload")
		}
	})
}

// fullDisk rolls while dir has room for that many pages, and reports whether
// that was not enough.
func (g *guest) fullDisk(dir, to string, pages int) bool {
	g.t.Helper()
	s := g.status()
	was := s.Version
	good := to == ""
	if good {
		to = map[string]string{"4.1.2": stubimage.Newer, stubimage.Newer: "4.1.2"}[was]
	}
	fill := filepath.Join(dir, "fill")
	g.sh(fmt.Sprintf("free=$(df --output=avail -B4096 %s | tail -1); head -c $(((free - %d) * 4096)) /dev/zero >%s", dir, pages, fill))
	const gates = " --no-pull --settle 100ms --gate-timeout 3s --to "
	r := g.try("aztec-spartan update val1" + gates + to)
	g.until("curl -sf http://127.0.0.1:8080/status && case $(systemctl show -P ActiveState aztec-roll@val1.service) in inactive|failed) ;; *) exit 1 ;; esac")
	v := g.nodeVersion()
	if v != was && v != to {
		g.t.Errorf("the node says it is %s", v)
	}
	enough := r.Code == 0
	if !good {
		// It came as far as the gate, and not only back.
		enough = r.Code == exitRolledBack && strings.Contains(r.Stderr, "answers as 4.1.2, not as")
		if meta := g.sh("grep ^Version= /etc/systemd/system/" + val1); meta != "Version="+was {
			g.t.Errorf("in place is %s", meta)
		}
	}
	g.sh("rm " + fill)
	after := g.status()
	if after.Roll != "" {
		enough = false
		// It was left open, and is taken back.
		g.try("aztec-spartan update val1" + gates + to)
		after = g.status()
	}
	if after.Roll != "" || after.Health != "healthy" || after.Version != was && (!good || after.Version != to) || after.Version != g.nodeVersion() {
		g.t.Errorf("afterwards: %+v, last roll %+v", after, after.LastRoll)
	}
	if !enough && r.Code == 0 {
		g.t.Errorf("update said that all is well")
	}
	g.sh("jq 'del(.skipped)' /var/lib/aztec-spartan/instances/val1/state.json >/run/state && cp /run/state /var/lib/aztec-spartan/instances/val1/state.json; systemctl reset-failed")
	if g.t.Failed() {
		g.t.Fatalf("%s with room for %d pages, to %s: exit code %d\n%s%s%s", dir, pages, to, r.Code, r.Stdout, r.Stderr, g.journal())
	}
	return !enough
}
