//go:build booted

package main

import "strings"

// watchdog: a node that does not answer is told, and restarted if that was
// asked for.
func (g *guest) watchdog(box *inbox) {
	g.t.Helper()
	pid := func() string {
		g.t.Helper()
		return g.sh("systemctl show -P MainPID " + val1)
	}
	const look = "systemctl start aztec-watch.service"
	const file = "/etc/aztec-spartan/config.toml"
	g.sh("cp -a " + file + " /root/config.toml && sed -i 's/^restart_after = .*/restart_after = \"1s\"/' " + file)
	before := pid()
	g.sh("systemctl kill -s STOP " + val1 + " && " + look + " && " + look)
	if now := pid(); now != before {
		g.t.Error("a watchdog that only reports restarted the node")
	}
	g.sh("sed -i 's/^action = .*/action = \"restart\"/' " + file + " && " + look)
	if now := pid(); now == before || now == "0" {
		g.t.Errorf("the node does not answer and was not restarted: process %s, then %s", before, now)
	}
	if out := g.sh("journalctl --sync && journalctl -u aztec-watch -o cat"); !strings.Contains(out, "val1] restarted: the watchdog restarts the node, which is unhealthy: ") {
		g.t.Errorf("the watchdog says:\n%s", out)
	}
	g.until("aztec-spartan probe val1")
	g.sh("mv /root/config.toml " + file + " && " + look)
	g.told(box, "val1] unhealthy: ", "val1] restarted: ", "val1] recovered: the node is well again")
}
