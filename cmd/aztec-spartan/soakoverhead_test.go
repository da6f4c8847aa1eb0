//go:build soak

package main

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
)

// timing runs one round of each pair and prints how long each command took, in
// microseconds: ours, what of systemctl does the same, and what it does less.
const timing = `
timed() { local from=$(date +%s%N); "$@" >/dev/null 2>&1 || exit 1; echo "$1-$2" $((($(date +%s%N) - from) / 1000)); }
timed aztec-spartan stop val1
timed aztec-spartan start val1
timed systemctl disable --now ` + val1 + `
timed systemctl enable --now ` + val1 + `
timed systemctl stop ` + val1 + `
timed systemctl start ` + val1 + `
`

// What start and stop cost beside plain systemctl, with the stub for a node.
// Ours also look for L1, disk and ports before a start, close the ports, and
// enable; theirs enable in one of two rows. The numbers mean something on a
// machine that is quiet.
func TestSoakOverhead(t *testing.T) {
	onEachSuite(t, func(g *guest) {
		const rounds, most = 15, time.Second
		if err := g.StandInForL1(); err != nil {
			g.t.Fatal(err)
		}
		g.config("4.1.2")
		g.sh("aztec-spartan start val1")
		took := map[string][]time.Duration{}
		for range rounds {
			for line := range strings.Lines(g.sh(timing)) {
				what, text, _ := strings.Cut(strings.TrimSpace(line), " ")
				us, err := strconv.Atoi(text)
				if err != nil {
					g.t.Fatal(line)
				}
				took[what] = append(took[what], time.Duration(us)*time.Microsecond)
			}
		}
		for _, c := range []struct{ ours, same, less string }{
			{"aztec-spartan-start", "systemctl-enable", "systemctl-start"},
			{"aztec-spartan-stop", "systemctl-disable", "systemctl-stop"},
		} {
			ours, same, less := median(took[c.ours]), median(took[c.same]), median(took[c.less])
			g.t.Logf("%s: medians of %d: %s %s, %s --now %s, %s %s: %s more than the latter", g.t.Name(), rounds, c.ours, ms(ours), c.same, ms(same), c.less, ms(less), ms(ours-less))
			if ours-less > most {
				g.t.Errorf("%s takes %s more than %s", c.ours, ms(ours-less), c.less)
			}
		}
	})
}

func ms(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) + " ms" }

// Fifty instances that run are shown within a second.
func TestSoakFifty(t *testing.T) {
	onSuites(t, []string{"bookworm"}, func(g *guest) {
		image := " --network local --image " + stage.Repository + ":4.1.2 "
		g.sh("aztec-spartan config broker1 --role prover-broker --port 7999 --ethereum-host http://127.0.0.1:8545 --set REGISTRY_CONTRACT_ADDRESS=" + registryContract + image)
		g.sh("aztec-spartan config agent --role prover-agent --count 49 --broker http://127.0.0.1:7999" + image)
		g.sh("aztec-spartan start")
		g.until("test $(aztec-spartan status | grep -c ' healthy ') = 50")
		var took []time.Duration
		for range 7 {
			us, err := strconv.Atoi(g.sh("from=$(date +%s%N); aztec-spartan status >/dev/null; echo $((($(date +%s%N) - from) / 1000))"))
			if err != nil {
				g.t.Fatal(err)
			}
			took = append(took, time.Duration(us)*time.Microsecond)
		}
		g.t.Logf("status of fifty: median %s of %v", ms(median(took)), took)
		if median(took) > time.Second {
			g.t.Error("that is too slow")
		}
	})
}
