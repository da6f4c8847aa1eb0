//go:build soak

package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// How long nothing answers: in a roll to a good version, in a plain restart of
// the same node, and in the roll to the older version again, before which it is
// looked at what was signed while nothing runs; and how long after a crash of a
// new version the old one answers again.
func TestSoakDowntime(t *testing.T) {
	onEachSuite(t, func(g *guest) {
		const rounds = 7
		g.config("4.1.2")
		g.sh("aztec-spartan start val1")
		g.sh("aztec-spartan update val1 --settle 1s && aztec-spartan rollback val1 --settle 1s")
		const update = "aztec-spartan update val1 --no-pull --settle 1s --to "
		var restarts, rolls, backs []time.Duration
		for range rounds {
			restarts = append(restarts, g.gap("systemctl restart "+val1))
			rolls = append(rolls, g.gap(update+"4.1.3"))
			backs = append(backs, g.gap(update+"4.1.2"))
		}
		crash := g.gap("! aztec-spartan update val1 --settle 1s --to 4.1.4-exits")
		t.Logf("%s: medians: restart %s, roll %s, and to the older version %s; from the stop to the old version again when the new one crashes: %s; all: %v, %v, %v",
			g.t.Name(), median(restarts), median(rolls), median(backs), crash, restarts, rolls, backs)
		if more := median(rolls) - median(restarts); more > 100*time.Millisecond {
			g.t.Errorf("a roll is down for %s more than a restart", more)
		}
		if crash > 5*time.Second {
			g.t.Errorf("after a crash the old version answers after %s", crash)
		}
	})
}

func median(d []time.Duration) time.Duration {
	d = slices.Clone(d)
	slices.Sort(d)
	return d[len(d)/2]
}

// gap is the longest time in which the node does not answer while a command
// runs on the host, and for a while after.
func (g *guest) gap(command string) time.Duration {
	g.t.Helper()
	g.until("curl -sf http://127.0.0.1:8080/status")
	out := g.sh(`(` + command + `; curl -sf --retry 100 --retry-delay 0 --retry-connrefused http://127.0.0.1:8080/status; sleep 0.2) >/dev/null 2>&1 & job=$!
		last=$EPOCHREALTIME; longest=0
		while kill -0 $job 2>/dev/null; do
			if exec 3<>/dev/tcp/127.0.0.1/8080; then
				exec 3>&-; now=$EPOCHREALTIME; gap=$((${now/./} - ${last/./})); last=$now
				if [ $gap -gt $longest ]; then longest=$gap; fi
			fi 2>/dev/null
		done
		wait $job; echo $longest`)
	us, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil {
		g.t.Fatal(fmt.Errorf("%q: %w", out, err))
	}
	return time.Duration(us) * time.Microsecond
}
