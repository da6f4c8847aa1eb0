//go:build booted || soak

package main

import "strings"

// agentElsewhere: an agent of another machine works with the broker of this one
// as soon as its address is let in, or its name, and nobody else is.
func (g *guest) agentElsewhere() {
	g.t.Helper()
	const (
		here, there, stranger = "10.98.0.1", "10.98.0.2", "10.98.0.3"
		working               = "ss -Htn state established '( sport = :8083 )' | grep -q " + there
	)
	neighbour, err := g.Neighbour(g.t.Context(), here+"/24", there+"/24")
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() {
		if err := neighbour.Close(); err != nil {
			g.t.Error(err)
		}
	})
	far := &guest{neighbour, g.t}
	far.sh("ip addr add " + stranger + "/24 dev cable0")
	far.sh("aztec-spartan config agent9 --role prover-agent --network local --image " + castImage + " --broker http://" + here + ":8083 && aztec-spartan start agent9")
	reaches := func(from, port string) bool {
		g.t.Helper()
		return far.try("curl -s -o /dev/null -m 5 --interface "+from+" http://"+here+":"+port+"/status").Code == 0
	}
	expect := func(when string, letIn bool) {
		g.t.Helper()
		for _, from := range []string{there, stranger} {
			for _, port := range []string{"8080", "8880", "8082", "8882", "8083"} {
				if want := letIn && from == there && port == "8083"; reaches(from, port) != want {
					g.t.Errorf("%s: %s reaches port %s: %t", when, from, port, !want)
				}
			}
		}
	}
	expect("before it is let in", false)
	for _, allow := range []string{there + "/32", "agents.example"} {
		g.sh("echo '" + there + " agents.example' >>/etc/hosts && aztec-spartan config broker1 --allow " + allow + " && aztec-spartan restart broker1")
		g.until(working)
		expect("with "+allow+" let in", true)
	}
	far.until("aztec-spartan probe agent9")
	if out := far.sh("aztec-spartan status"); strings.Count(out, " healthy ") != 1 {
		g.t.Errorf("the agent is not healthy:\n%s", out)
	}
	g.sh("sed -i '/^allow = /d' /etc/aztec-spartan/instances/broker1/instance.toml && aztec-spartan config broker1 && aztec-spartan restart broker1")
	g.until("aztec-spartan probe broker1")
	expect("once it is let in no more", false)
}
