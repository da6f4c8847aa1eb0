//go:build soak

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/stubimage"
	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
)

// resets is how often the button is pressed.
const resets = 30

// The reset button is pressed at any moment of updates back and forth. Whatever
// the moment, the host boots into one of the two versions, whole and running,
// and the next roll works.
func TestSoakResets(t *testing.T) {
	layout := t.TempDir()
	if err := stubimage.Build(layout); err != nil {
		t.Fatal(err)
	}
	s, err := stage.Set(t.Context(), stage.Options{Suite: "bookworm", Deb: debPath(t), Layouts: []string{layout}})
	if err != nil {
		t.Fatal(err)
	}
	g := &guest{s, t}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	g.sh("echo 0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d >/root/key && chmod 600 /root/key")
	g.sh("aztec-spartan config val1 --network local --image " + stage.Repository + ":4.1.2 --ethereum-host http://127.0.0.1:8545 --no-p2p" +
		" --set REGISTRY_CONTRACT_ADDRESS=0xb7f8bc63bbcad18155201308c8f3540b07f84f5e --key-file /root/key")
	g.sh("aztec-spartan start val1")
	found := map[string]int{}
	for n := range resets {
		g.sh("test $(stat -c %a /etc/aztec-spartan/instances/val1/keystore.json.cred) = 600")
		to := map[string]string{"4.1.2": "4.1.3", "4.1.3": "4.1.2"}[g.status().Version]
		after := time.Duration(rand.Int64N(int64(4 * time.Second)))
		ctx, cancel := context.WithTimeout(t.Context(), after)
		_, _ = g.Run(ctx, "aztec-spartan", "update", "val1", "--to", to, "--settle", "1s") // until the button
		cancel()
		if err := g.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := g.StopRegistry(); err != nil {
			t.Fatal(err)
		}
		if err := g.StartRegistry(); err != nil {
			t.Fatal(err)
		}
		// Files are put right before the node starts, and it is judged afterwards: nobody types.
		g.until("jq -e '.intent == null' /var/lib/aztec-spartan/instances/val1/state.json && curl -sf http://127.0.0.1:8080/status")
		was := g.status()
		if v := g.nodeVersion(); v != was.Version || v != "4.1.2" && v != "4.1.3" || was.Roll != "" {
			t.Fatalf("reset %d after %s: the node says it is %s, status says %s, roll %q", n, after, v, was.Version, was.Roll)
		}
		found[fmt.Sprintf("%s, %v", was.Version, was.Version == to)]++
		g.sh("aztec-spartan update val1 --to " + to + " --settle 1s")
		if v := g.nodeVersion(); v != to {
			t.Fatalf("reset %d after %s: the next update left %s", n, after, v)
		}
	}
	t.Logf("%d resets; booted into %v", resets, found)
}
