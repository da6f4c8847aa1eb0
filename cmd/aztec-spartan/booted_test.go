//go:build booted || soak

// Tests with the tag booted need root and systemd-nspawn. They install the
// package that $AZTEC_SPARTAN_DEB names on really booted hosts and use it as
// an operator would, with a stub in place of the node. `make test-booted`
// runs them.
package main

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/stubimage"
	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
)

// devKey is the second account of every development chain: worth nothing.
const (
	devKey     = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
	thirdKey   = "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a" // the third
	devAddress = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"

	registryContract = "0xb7f8bc63bbcad18155201308c8f3540b07f84f5e"
)

var suites = []string{"bookworm", "trixie"}

// onEachSuite runs a test on one fresh host of each suite, side by side and
// beside other tests.
func onEachSuite(t *testing.T, test func(*guest)) { onSuites(t, suites, test) }

func onSuites(t *testing.T, suites []string, test func(*guest)) {
	t.Parallel()
	layout := filepath.Join(t.TempDir(), "layout")
	if err := stubimage.Build(layout); err != nil {
		t.Fatal(err)
	}
	for _, suite := range suites {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			s, err := stage.Set(t.Context(), stage.Options{Suite: suite, Deb: debPath(t), Settle: "5s", Layouts: []string{layout}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			test(&guest{s, t})
		})
	}
}

// configArgs is what a new val1 needs.
func configArgs(tag string) string {
	return fmt.Sprintf("--network local --image %s:%s --ethereum-host http://127.0.0.1:8545 --no-p2p --set REGISTRY_CONTRACT_ADDRESS=%s", stage.Repository, tag, registryContract)
}

// config makes val1.
func (g *guest) config(tag string) {
	g.t.Helper()
	g.sh(fmt.Sprintf("echo %s | aztec-spartan config val1 %s --key-file -", devKey, configArgs(tag)))
}
