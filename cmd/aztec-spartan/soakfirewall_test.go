//go:build soak

package main

import (
	"path/filepath"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/stubimage"
	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
)

// The table lives beside ufw and firewalld: a port is open where both let it
// be, each survives what the other does, and theirs survives ours.
func TestSoakBesideFirewalls(t *testing.T) {
	layout := filepath.Join(t.TempDir(), "layout")
	if err := stubimage.Build(layout); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ suite, other, off, on, let, reload, still string }{
		{"bookworm", "ufw", "ufw disable", "ufw --force enable", "ufw allow 40400 && ufw allow 8080/tcp", "ufw reload", "ufw status | grep -q '^Status: active' && iptables -S | grep -q ufw"},
		{"trixie", "firewalld", "systemctl stop firewalld", "systemctl enable --now firewalld", "firewall-cmd --add-port=40400/tcp --add-port=8080/tcp --permanent && firewall-cmd --reload", "firewall-cmd --reload", "firewall-cmd --state && nft list table inet firewalld | grep -q 40400"},
	} {
		t.Run(c.other, func(t *testing.T) {
			s, err := stage.Set(t.Context(), stage.Options{Suite: c.suite, Deb: debPath(t), Layouts: []string{layout}, Packages: []string{c.other}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			g := &guest{s, t}
			g.sh("ip netns add other && ip link add near type veth peer name far netns other && ip addr add 10.99.0.1/24 dev near && ip link set near up && ip -n other addr add 10.99.0.2/24 dev far && ip -n other link set far up")
			open := func(port string) bool {
				return g.try("ip netns exec other timeout 5 bash -c '</dev/tcp/10.99.0.1/"+port+"'").Code == 0
			}
			expect := func(when string, want map[string]bool) {
				t.Helper()
				for _, port := range []string{"8080", "8880", "40400"} {
					if open(port) != want[port] {
						t.Errorf("%s: port %s from another machine: %t, want %t", when, port, !want[port], want[port])
					}
				}
			}
			g.sh(c.off) // Debian's packages differ in whether they start
			g.config("4.1.2")
			g.sh("aztec-spartan config val1 --no-p2p=false --ip 10.99.0.1 && aztec-spartan start val1")
			g.until("aztec-spartan probe val1")
			expect("without another firewall", map[string]bool{"40400": true})
			g.sh(c.on)
			expect("with one that lets nobody in", nil)
			g.sh(c.let)
			expect("with one that lets in", map[string]bool{"40400": true})
			g.sh(c.reload + " && nft list table inet aztec_spartan")
			expect("after its reload", map[string]bool{"40400": true})
			g.sh("aztec-spartan config val1 --expose-rpc && aztec-spartan restart val1")
			expect("let in by both", map[string]bool{"40400": true, "8080": true})
			g.sh("aztec-spartan stop val1 && aztec-spartan remove val1 && " + c.still)
			if r := g.try("nft list table inet aztec_spartan"); r.Code == 0 {
				t.Errorf("after the last instance:\n%s", r.Stdout)
			}
		})
	}
}
