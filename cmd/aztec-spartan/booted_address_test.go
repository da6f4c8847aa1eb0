//go:build booted

package main

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// moves gives the host another address, 203.0.113.99, and has it watched and
// applied.
func (g *guest) moves() {
	g.t.Helper()
	l, err := g.Listen("tcp", "127.0.0.1:5003")
	if err != nil {
		g.t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "203.0.113.99\n")
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	g.t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	g.sh(`sed -i 's|^ip_services = .*|ip_services = ["http://127.0.0.1:5003/"]|; s/^watch_ip = .*/watch_ip = true/; s/^apply_ip = .*/apply_ip = true/' /etc/aztec-spartan/config.toml`)
}

// addressWaits: val1 keeps an address that the host has no more as long as it is
// to propose, whatever updates do then, and has the new one afterwards. Both are
// found by looks of aztec-watch.service.
func (g *guest) addressWaits() {
	g.t.Helper()
	began := time.Now()
	defer func() { g.t.Logf("addressWaits: %s", time.Since(began)) }()
	var proposes atomic.Bool
	defer g.proposing(&proposes)()
	g.sh(`sed -i 's/^busy_wait = .*/busy_wait = "1s"/; s/^when_busy = .*/when_busy = "go"/; s/^settle = .*/settle = "1s"/' /etc/aztec-spartan/config.toml
		aztec-spartan config val1 --no-p2p=false --ip 203.0.113.7 --apply`)
	pid := "systemctl show -P MainPID " + val1
	before := g.sh(pid)
	told := func() string {
		return g.sh("tr '\\0' '\\n' </proc/$(" + pid + ")/environ | grep ^P2P_IP=")
	}
	look := func(result string) {
		g.t.Helper()
		g.sh("rm -f /var/lib/aztec-spartan/address && systemctl start aztec-watch.service")
		g.until("aztec-spartan status val1 --json | jq -e '.[0].last_roll | .kind == \"" + roll.Config + "\" and .result == \"" + result + "\"' && test $(systemctl show -P ActiveState aztec-address.service) = inactive")
	}
	g.moves()
	proposes.Store(true)
	look(roll.Busy)
	if now := g.sh(pid); now != before || told() != "P2P_IP=203.0.113.7" {
		g.t.Errorf("it was restarted while it proposes: process %s, then %s, which tells %s", before, now, told())
	}
	g.sh("journalctl --sync && journalctl -u aztec-address -o cat | grep -q 'val1 keeps the address 203.0.113.7 for now: .*it is the proposer of this slot' && test $(systemctl show -P Result aztec-address.service) = success")
	if s := g.status(); s.RestartNeeded || s.Health != "healthy" {
		g.t.Errorf("it keeps its address: %+v", s)
	}
	proposes.Store(false)
	look(roll.Done)
	if now := g.sh(pid); now == before || told() != "P2P_IP=203.0.113.99" {
		g.t.Errorf("it proposes no more: process %s, then %s, which tells %s", before, now, told())
	}
}

// addressed: full1 tells its peers an address that the host has no more. The
// looks of every minute tell, and restart it with the new one, behind the gate;
// nothing else is touched, and the next looks find nothing to do.
func (g *guest) addressed(box *inbox) {
	g.t.Helper()
	began := time.Now()
	defer func() { g.t.Logf("addressed: %s", time.Since(began)) }()
	g.moves()
	other := g.sh("systemctl show -P MainPID " + val1)
	g.sh("systemctl start aztec-watch.service")
	g.until("aztec-spartan status full1 --json | jq -e '.[0] | .last_roll.kind == \"" + roll.Config + "\" and .last_roll.result == \"done\" and .health == \"healthy\" and .roll == \"\"' && test $(systemctl show -P ActiveState aztec-address.service) = inactive")
	if env := g.sh("tr '\\0' '\\n' </proc/$(systemctl show -P MainPID aztec-full-node@full1.service)/environ | grep ^P2P_IP="); env != "P2P_IP=203.0.113.99" {
		g.t.Errorf("the node tells its peers %s", env)
	}
	if now := g.sh("systemctl show -P MainPID " + val1); now != other {
		g.t.Errorf("the sequencer, which tells nobody an address, was restarted: %s, then %s", other, now)
	}
	g.told(box, "full1] address-changed: peers are told 203.0.113.7, and the host's address is 203.0.113.99: ", "full1] roll-done: config 4.1.3 -> 4.1.3: done")
	g.sh("rm /var/lib/aztec-spartan/address && systemctl start aztec-watch.service")
	if out := g.sh("journalctl --sync && journalctl -u aztec-address -o cat"); strings.Count(out, "Finished ") != 1 {
		g.t.Errorf("it was applied again:\n%s", out)
	}
}
