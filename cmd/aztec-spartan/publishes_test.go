//go:build real || soak

package main

import (
	"context"
	"time"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage"
	"github.com/aztec-spartan/aztec-spartan/packaging/testhost"
)

// publishes waits until the rollup contract on L1 has one checkpoint more.
func (g *guest) publishes(set *realimage.Set) {
	g.t.Helper()
	before, err := g.Checkpoint(g.t.Context(), set)
	if err != nil {
		g.t.Fatal(err)
	}
	began := time.Now()
	// One in each slot of 24 s, most of which a machine that does much else may miss.
	ctx, cancel := context.WithTimeout(g.t.Context(), 3*time.Minute)
	defer cancel()
	err = testhost.Wait(ctx, "a checkpoint on L1", func() (bool, error) {
		now, err := g.Checkpoint(ctx, set)
		return now > before, err
	})
	if err != nil {
		g.t.Fatalf("%v\n%s", err, g.journal())
	}
	g.t.Logf("a checkpoint on L1 after %.1f s", time.Since(began).Seconds())
}
