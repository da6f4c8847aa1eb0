//go:build soak

package main

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage"
	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
	"github.com/aztec-spartan/aztec-spartan/packaging/testhost"
)

// soakTime is how long the real node must hold, as the same process.
const soakTime = 30 * time.Minute

// The real node under the full sandbox for half an hour: one process, one
// checkpoint in nearly every slot, and nothing of ours beside it.
func TestSoakRealNode(t *testing.T) {
	set, err := realimage.Build(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	s, err := stage.Set(t.Context(), stage.Options{Suite: "bookworm", Deb: debPath(t), Layouts: []string{set.Layout}, L1: set})
	if err != nil {
		t.Fatal(err)
	}
	g := &guest{s, t}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	g.sh("umask 077; echo " + realimage.DevKey + " >/root/key")
	g.sh("aztec-spartan config val1 --key-file /root/key " + strings.Join(stage.ConfigFlags(set, "val1"), " "))
	g.sh("aztec-spartan start val1")
	before := g.status()
	began := time.Now()
	const slot = 24 * time.Second
	ctx, cancel := context.WithTimeout(t.Context(), 2*soakTime)
	defer cancel()
	err = testhost.Wait(ctx, "half an hour of checkpoints", func() (bool, error) {
		now, err := g.Checkpoint(t.Context(), set)
		return now >= uint64(soakTime/slot), err
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, g.journal())
	}
	after := g.status()
	if after.MainPID != before.MainPID || after.Restarts != 0 || after.Health != "healthy" {
		t.Errorf("afterwards: %+v", after)
	}
	t.Logf("%d checkpoints in %s; memory %d MiB, then %d MiB; data %d MiB", soakTime/slot, time.Since(began).Round(time.Second),
		before.MemoryBytes>>20, after.MemoryBytes>>20, after.DiskBytes>>20)
}
