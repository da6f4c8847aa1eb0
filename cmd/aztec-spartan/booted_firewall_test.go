//go:build booted

package main

import (
	"strings"
	"testing"
)

// RPC and admin ports are for this host, and for those who were let in, whatever flushes tables and by whatever road a node starts.
func TestFirewall(t *testing.T) {
	onEachSuite(t, func(g *guest) {
		// Another machine: a network namespace at the other end of a cable.
		g.sh("ip netns add other && ip link add near type veth peer name far netns other && " +
			"ip addr add 10.99.0.1/24 dev near && ip addr add fd99::1/64 dev near nodad && ip link set near up && " +
			"ip -n other addr add 10.99.0.2/24 dev far && ip -n other addr add fd99::2/64 dev far nodad && ip -n other link set far up && ip -n other link set lo up")
		connects := func(from, address, port string) bool {
			g.t.Helper()
			return g.try(from+" timeout 5 bash -c '</dev/tcp/"+address+"/"+port+"'").Code == 0
		}
		const here, there = "", "ip netns exec other"
		expect := func(when string, want map[string]bool) {
			g.t.Helper()
			for _, ip := range []string{"10.99.0.1", "fd99::1"} {
				for _, port := range []string{"8080", "8880"} {
					if !connects(here, ip, port) {
						g.t.Errorf("%s: %s:%s does not answer this host", when, ip, port)
					}
					if connects(there, ip, port) != want[port] {
						g.t.Errorf("%s: %s:%s from another machine: %t, want %t", when, ip, port, !want[port], want[port])
					}
				}
				if !connects(there, ip, "40400") {
					g.t.Errorf("%s: the P2P port at %s is closed to another machine", when, ip)
				}
			}
		}
		// It is the table that closes them: the node listens everywhere.
		g.config("4.1.2")
		g.sh("aztec-spartan config val1 --no-p2p=false --ip 10.99.0.1")
		g.sh("sed -i 's/^firewall = true/firewall = false/' /etc/aztec-spartan/config.toml")
		g.sh("aztec-spartan start val1")
		g.until("aztec-spartan probe val1")
		expect("without the table", map[string]bool{"8080": true, "8880": true})

		g.sh("sed -i 's/^firewall = false/firewall = true/' /etc/aztec-spartan/config.toml && systemctl restart " + val1)
		g.until("aztec-spartan probe val1")
		expect("after a plain restart", nil)

		g.sh("sed -i 's/^network = /allow = [\"10.99.0.0\\/24\", \"fd99::2\"]\\n&/' /etc/aztec-spartan/instances/val1/instance.toml && aztec-spartan config val1 && aztec-spartan restart val1")
		g.until("aztec-spartan probe val1")
		expect("with one let in", map[string]bool{"8080": true})

		// The ports of a node that runs are closed and opened under it.
		g.sh("aztec-spartan config val1 --expose-rpc && systemctl start aztec-firewall")
		g.sh("ip -n other addr del 10.99.0.2/24 dev far && ip -n other addr add 10.99.0.3/24 dev far && ip -n other addr add fd99::3/64 dev far nodad && ip -n other addr del fd99::2/64 dev far")
		expect("with everybody let in", map[string]bool{"8080": true})

		g.sh("sed -i '/^allow = /d' /etc/aztec-spartan/instances/val1/instance.toml && aztec-spartan config val1 && aztec-spartan restart val1")
		g.until("aztec-spartan probe val1")
		g.sh("nft flush ruleset")
		g.sh("systemctl restart nftables && systemctl is-active nftables")
		g.until("nft list table inet aztec_spartan")
		expect("after nftables was restarted", nil)

		// Rules that somebody reads by hand flush it, and no unit knows.
		open := map[string]bool{"8080": true, "8880": true}
		const missing = "RPC and admin ports are open to other machines: "
		g.sh("nft flush ruleset")
		expect("after a flush by hand", open)
		g.sh("aztec-spartan status val1 | grep -q '" + missing + "the table inet aztec_spartan is not loaded'")
		g.fails(0, "aztec-spartan status", "warning: "+missing)
		g.fails(exitUnhealthy, "aztec-spartan doctor val1 >/root/doctor", "of the checks failed")
		g.sh("grep -A1 '" + missing + "' /root/doctor | grep -q 'systemctl start aztec-firewall.service'")
		g.sh("systemctl start aztec-watch.service")
		expect("after a look of aztec-watch.timer", nil)

		// Where it cannot be, start starts nothing, and plain systemctl what it is told to.
		g.sh("systemctl stop " + val1 + " && mv $(command -v nft) /root/nft")
		g.fails(exitUnsupported, "aztec-spartan start val1", "nft", "hint: ", "firewall = false")
		g.sh("systemctl start " + val1 + " && systemctl is-failed aztec-firewall.service && aztec-spartan status val1 | grep -q '" + missing + ".*nftables cannot be used here'")
		g.sh("mv /root/nft /usr/sbin/nft && aztec-spartan restart val1")
		g.until("aztec-spartan probe val1")
		expect("with nft again", nil)
		if s := g.status(); s.Exposed != "" {
			g.t.Errorf("with nft again: %s", s.Exposed)
		}
		if out := g.sh("aztec-spartan firewall"); !strings.Contains(out, "tcp dport 8880 reject") {
			g.t.Errorf("aztec-spartan firewall says %q", out)
		}
	})
}
