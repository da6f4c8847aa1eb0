//go:build soak

package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/stubimage"
	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
)

var (
	rounds = flag.Int("rounds", 3, "how often the matrix of faults is played")
	kills  = flag.Int("kills", 200, "how many engines are killed")
)

// The whole matrix on each host, several times in a row.
func TestSoakFaultMatrix(t *testing.T) {
	onEachSuite(t, func(g *guest) {
		for range *rounds {
			g.faults(func(int, fault) bool { return true })
			g.sh("aztec-spartan stop val1 && jq 'del(.skipped)' /var/lib/aztec-spartan/instances/val1/state.json >/root/state && cp /root/state /var/lib/aztec-spartan/instances/val1/state.json")
		}
	})
}

// The engine is killed at any moment, and so is the one that takes its roll
// back, now and then. Without anyone typing the host ends in one of the two
// versions, whole and running, with an outcome; a version that fails is never
// the one.
func TestSoakKilledEngines(t *testing.T) {
	onEachSuite(t, func(g *guest) {
		g.config("4.1.2")
		g.sh("aztec-spartan start val1")
		for _, tag := range []string{stubimage.Newer, stubimage.Liar, stubimage.Silent} {
			g.sh("aztec-spartan pull " + stage.Repository + ":" + tag)
		}
		found := map[string]int{}
		for n := range *kills / len(suites) {
			g.killed(n, found)
		}
		t.Logf("%s: %d rolls; afterwards %v", g.t.Name(), *kills/len(suites), found)
	})
}

func (g *guest) killed(n int, found map[string]int) {
	g.t.Helper()
	was := g.status().Version
	to := map[string]string{"4.1.2": stubimage.Newer, "4.1.3": stubimage.Good}[was]
	if bad := rand.IntN(3); bad > 0 {
		to = []string{"", stubimage.Liar, stubimage.Silent}[bad]
	}
	after := time.Duration(rand.Int64N(int64(5 * time.Second)))
	ctx, cancel := context.WithTimeout(g.t.Context(), after)
	_, _ = g.Run(ctx, "aztec-spartan", "update", "val1", "--to", to, "--no-pull", "--settle", "1s", "--gate-timeout", "2s") // until the engine is killed
	cancel()
	pulls := 1 + rand.IntN(2)
	for range pulls {
		g.try("systemctl kill -s KILL --kill-who=main aztec-roll@val1.service; sleep 0." + fmt.Sprint(rand.IntN(10)))
	}
	g.until("case $(systemctl show -P ActiveState aztec-roll@val1.service) in inactive|failed) ;; *) exit 1 ;; esac")
	g.until("curl -sf http://127.0.0.1:8080/status")
	s := g.status()
	if v := g.nodeVersion(); v != s.Version || v != was && v != to || v != "4.1.2" && v != "4.1.3" || s.Roll != "" {
		state, _ := json.Marshal(s)
		g.t.Fatalf("roll %d from %s to %s, killed after %s: the node says it is %s\n%s\n%s", n, was, to, after, v, state, g.journal())
	}
	what := "as before"
	if s.Version != was {
		what = "rolled"
	}
	if s.LastRoll != nil {
		what += ", " + s.LastRoll.Reason
	}
	found[what]++
}
