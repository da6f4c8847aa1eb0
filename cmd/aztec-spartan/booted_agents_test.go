//go:build booted || soak

package main

import (
	"context"
	"slices"
	"strings"
	"time"
)

// referenceTrouble: another string than the one that is here takes its place
// only when it is whole; what a killed fetch left is gone after the next; the
// watchdog does not wait with an agent for its string, and who stops one that
// waits has stopped it.
func (g *guest) referenceTrouble() {
	g.t.Helper()
	began := time.Now()
	defer func() { g.t.Logf("referenceTrouble: %s", time.Since(began)) }()
	const (
		dir, file = "/var/cache/aztec/crs", "/var/cache/aztec/crs/bn254_g1.dat"
		crs       = "aztec-crs@var-cache-aztec-crs.service"
		agent     = "aztec-prover-agent@agent1.service"
	)
	g.sh("aztec-spartan stop agent1 && ln " + file + " /var/cache/aztec/read && truncate -s 100 " + file + " && aztec-spartan start agent1")
	if got := g.sh("stat -c %s /var/cache/aztec/read && rm /var/cache/aztec/read && stat -c '%s %G %a' " + file); got != "100\n4096 aztec-crs 660" {
		g.t.Errorf("who proves reads a file of the size, and agents find: %s", got)
	}

	// The engine of aztec-crs@ dies, and the unit that it has made goes on.
	// A fetch that was over before it was seen is begun again.
	g.until("rm -f " + file + " && systemctl start --no-block " + crs +
		" && until systemctl list-units --no-legend 'aztec-run-agent1-*' | grep -q activating; do systemctl show -P ActiveState " + crs + " | grep -q ^activating || exit 1; done" +
		" && systemctl kill -s KILL " + crs + " && until systemctl show -P ActiveState " + crs + " | grep -q inactive; do sleep 0.1; done" + // its end is never a failure
		" && ls /run/systemd/system/aztec-run-agent1-* && ls -d " + dir + "/.fetch-*")
	g.sh("aztec-spartan restart agent1 && test -s " + file)
	if out := g.sh("find /run/systemd/system " + dir + " -name 'aztec-run-*' -o -name '.fetch-*'; systemctl list-units --all --no-legend 'aztec-run-*'"); out != "" {
		g.t.Errorf("left of a fetch that was killed:\n%s", out)
	}

	g.sh("aztec-spartan stop agent1 && rm " + file + " && systemd-run -q --unit=holds-reference flock /run/aztec-spartan/crs.reference.lock sleep infinity")
	ctx, cancel := context.WithCancel(g.t.Context())
	defer cancel()
	start := g.Command(ctx, "sh", "-c", "aztec-spartan start agent1 2>&1")
	var said strings.Builder
	start.Stdout = &said
	if err := start.Start(); err != nil {
		g.t.Fatal(err)
	}
	g.until("systemctl show -P ActiveState " + crs + " | grep -q activating && systemctl is-enabled " + agent)
	// An agent that does not answer runs until it is here.
	const config, look = "/etc/aztec-spartan/config.toml", "systemctl start aztec-watch.service"
	other := func() string { return g.sh("systemctl show -P MainPID aztec-prover-agent@agent2.service") }
	before := other()
	g.sh("cp -a " + config + " /root/config.toml && sed -i 's/^restart_after = .*/restart_after = \"1s\"/; s/^unhealthy_after = .*/unhealthy_after = \"1s\"/; s/^action = .*/action = \"restart\"/' " + config)
	g.sh("systemctl kill -s STOP aztec-prover-agent@agent2 && " + look + " && " + look)
	if said := g.sh("journalctl --sync && journalctl -u aztec-watch -o cat"); other() != before || !strings.Contains(said, "agent2 is not restarted now: waiting for "+crs) {
		g.t.Errorf("the watchdog says:\n%s", said)
	}
	g.sh("aztec-spartan stop agent1 && systemctl stop holds-reference")
	if err := start.Wait(); err == nil || !strings.Contains(said.String(), "starting agent1: it was stopped meanwhile") {
		g.t.Errorf("start: %v: %s", err, said.String())
	}
	if g.sh(look + " && mv /root/config.toml " + config); other() == before {
		g.t.Error("it was not restarted afterwards")
	}
	if got := g.try("systemctl is-active " + agent + "; systemctl is-enabled " + agent).Stdout; got != "inactive\ndisabled\n" {
		g.t.Errorf("after the stop it is %s", got)
	}
	g.sh("aztec-spartan start agent1")
}

// agentElsewhere: an agent of another machine works with the broker of this one
// as soon as its address is let in, or its name, and nobody else is.
func (g *guest) agentElsewhere() {
	g.t.Helper()
	const here, byAddress, byName, stranger = "10.98.0.1", "10.98.0.2", "10.98.0.3", "10.98.0.4"
	neighbour, err := g.Neighbour(g.t.Context(), here+"/24", byAddress+"/24")
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() {
		if err := neighbour.Close(); err != nil {
			g.t.Error(err)
		}
	})
	far := &guest{neighbour, g.t}
	far.sh("for a in " + byName + " " + stranger + "; do ip addr add $a/24 dev cable0; done")
	far.sh("aztec-spartan config agent9 --role prover-agent --network local --image " + castImage + " --broker http://" + here + ":8083 --no-pull --set PROVER_AGENT_COUNTS=1")
	// Its image is fetched by the first start, which is the first to know which names there are.
	if out := far.sh("aztec-spartan start agent9 2>&1"); !strings.Contains(out, "did you mean PROVER_AGENT_COUNT?") {
		g.t.Errorf("a name that the image does not know is not told: %s", out)
	}
	expect := func(when string, letIn ...string) {
		g.t.Helper()
		for _, from := range []string{byAddress, byName, stranger} {
			for _, port := range []string{"8080", "8880", "8082", "8882", "8083"} { // RPC and admin of two nodes, and the broker's
				answers := far.try("curl -s -o /dev/null -m 5 --interface "+from+" http://"+here+":"+port+"/status").Code == 0
				if want := port == "8083" && slices.Contains(letIn, from); answers != want {
					g.t.Errorf("%s: port %s answers %s: %t", when, port, from, answers)
				}
			}
		}
	}
	expect("before any is let in")
	g.sh("echo '" + byName + " agents.example' >>/etc/hosts && aztec-spartan config broker1 --allow " + byAddress + "/32 --allow agents.example && aztec-spartan restart broker1")
	g.until("ss -Htn state established '( sport = :8083 )' | grep -q " + byAddress) // the agent asks for jobs
	expect("with two let in", byAddress, byName)
	far.until("aztec-spartan probe agent9")
	if out := far.sh("aztec-spartan status"); strings.Count(out, " healthy ") != 1 {
		g.t.Errorf("the agent is not healthy:\n%s", out)
	}
}
