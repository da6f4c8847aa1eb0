//go:build soak

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage"
	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
	"github.com/aztec-spartan/aztec-spartan/packaging/testhost"
)

const (
	// soakTime is how long the real node must hold, as the same process.
	soakTime = 30 * time.Minute
	// sampleEvery is how often it is asked how it is.
	sampleEvery = 15 * time.Second
)

// The real node under the full sandbox for half an hour, P2P on, beside a full
// node that is its peer: healthy, but for answers that a busy machine delays,
// one process, one checkpoint in nearly every slot, and nothing of ours beside it.
func TestSoakRealNode(t *testing.T) {
	set, err := realimage.Build(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	for _, suite := range []string{"bookworm", "trixie"} {
		t.Run(suite, func(t *testing.T) {
			t.Parallel() // they mostly wait
			s, err := stage.Set(t.Context(), stage.Options{Suite: suite, Deb: debPath(t), Layouts: []string{set.Layout}, L1: set})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			g := &guest{s, t}
			g.configPair(set)
			g.sh("systemd-analyze security --threshold=12 " + val1)
			g.startPair(set)
			g.soak(set)
		})
	}
}

// configPair makes a sequencer with P2P on.
func (g *guest) configPair(set *realimage.Set) {
	g.t.Helper()
	sequencer, _ := stage.PeerFlags(set, "val1")
	g.sh("umask 077; echo " + realimage.DevKey + " >/root/key")
	g.sh("aztec-spartan config val1 --key-file /root/key " + strings.Join(sequencer, " "))
}

// startPair starts it, makes and starts its peer, which learns of it by asking
// it, and waits until both are healthy.
func (g *guest) startPair(set *realimage.Set) {
	g.t.Helper()
	_, peer := stage.PeerFlags(set, "val1")
	g.sh("aztec-spartan start val1")
	g.until("curl -sf http://127.0.0.1:8080/status")
	if err := g.ServeBlobs("val1"); err != nil {
		g.t.Fatal(err)
	}
	g.sh("aztec-spartan config peer1 --bootnode-url http://127.0.0.1:8080 " + strings.Join(peer, " "))
	g.sh("aztec-spartan start peer1")
	began := time.Now()
	ctx, cancel := context.WithTimeout(g.t.Context(), 5*time.Minute)
	defer cancel()
	err := testhost.Wait(ctx, "a healthy sequencer and a healthy peer", func() (bool, error) {
		for _, s := range g.pair() {
			if s.Health != "healthy" {
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil {
		for _, s := range g.pair() {
			g.t.Errorf("%s: %s: %s\n%s", s.Name, s.Health, s.Reason, g.levels(s.Name))
		}
		g.t.Fatalf("%v\n%s", err, g.sh("journalctl -b --no-pager -u val1 -u 'aztec-sequencer@*' | grep -v -e INFO: -e WARN: | cut -c -400 | tail -n 60"))
	}
	g.t.Logf("both are healthy %.1f s after the start of the second", time.Since(began).Seconds())
}

// pair are the statuses of the two.
func (g *guest) pair() []status {
	g.t.Helper()
	var list []status
	out := g.sh("aztec-spartan status --json")
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != 2 {
		g.t.Fatalf("%s: %v", out, err)
	}
	return list
}

// soak asks both again and again.
func (g *guest) soak(set *realimage.Set) {
	first := map[string]status{}
	for _, s := range g.pair() {
		first[s.Name] = s
	}
	from, err := g.Checkpoint(g.t.Context(), set)
	if err != nil {
		g.t.Fatal(err)
	}
	began, samples, late, found := time.Now(), 0, 0, map[string]int{}
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for time.Since(began) < soakTime {
		select {
		case <-tick.C:
		case <-g.t.Context().Done():
			g.t.Fatal(g.t.Context().Err())
		}
		samples++
		for _, s := range g.pair() {
			found[s.Name+" "+s.Health]++
			if s.Health != "healthy" {
				late++
				g.t.Logf("%s after %s: %s: %s", s.Name, time.Since(began).Round(time.Second), s.Health, s.Reason)
			}
			if s.MainPID != first[s.Name].MainPID || s.Restarts != 0 {
				g.t.Fatalf("%s was restarted: %+v\n%s", s.Name, s, g.journal())
			}
		}
	}
	if late > samples/50 {
		g.t.Errorf("%d of %d times one of them was not healthy", late, samples)
	}
	if page := g.sh("aztec-spartan status val1"); !strings.Contains(page, "\npeers:       1\n") {
		g.t.Errorf("the page does not say that there is one peer:\n%s", page)
	}
	to, err := g.Checkpoint(g.t.Context(), set)
	if err != nil {
		g.t.Fatal(err)
	}
	const slot = 24 * time.Second
	if due := uint64(soakTime / slot); to-from < due*9/10 {
		g.t.Errorf("%d checkpoints in %d slots", to-from, due)
	}
	if r := g.try("pgrep -a aztec-spartan"); r.Code == 0 {
		g.t.Errorf("beside the nodes runs %s", r.Stdout)
	}
	g.t.Logf("%s: %d samples: %v; %d checkpoints", time.Since(began).Round(time.Second), samples, found, to-from)
	for _, s := range g.pair() {
		g.t.Logf("%s: %s; memory %d MiB, then %d MiB; data %d MiB; %.0f s of CPU", s.Name, s.Reason,
			first[s.Name].MemoryBytes>>20, s.MemoryBytes>>20, s.DiskBytes>>20, s.CPUSeconds-first[s.Name].CPUSeconds)
		g.t.Logf("%s: %s", s.Name, g.levels(s.Name))
	}
}

// levels counts the lines of a node by their level, and shows its errors.
func (g *guest) levels(name string) string {
	g.t.Helper()
	text := ""
	for _, level := range []string{"info", "warn", "error"} {
		text += fmt.Sprintf("%s lines of %s and worse, ", g.sh("aztec-spartan logs "+name+" --since today --level "+level+" -o cat | wc -l"), level)
	}
	return text + "errors:\n" + g.sh("aztec-spartan logs "+name+" --since today --level error -o cat | tail -n 20")
}
