//go:build booted || soak

package main

import (
	"slices"
	"strings"
)

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
