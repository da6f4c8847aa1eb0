//go:build booted

package main

import (
	"slices"
	"testing"
)

// Each fault of the matrix on one of the hosts. make soak plays all on each.
func TestFaultMatrix(t *testing.T) {
	onEachSuite(t, func(g *guest) {
		here := slices.IndexFunc(suites, func(suite string) bool { return g.t.Name() == "TestFaultMatrix/"+suite })
		g.faults(func(n int, f fault) bool { return n%len(suites) == here && !f.long })
	})
}
