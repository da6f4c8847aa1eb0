package main

import (
	"io"
	"testing"
)

// Upstream moved to another organisation with version 6; who has a repository of his own has all versions there.
func TestTagged(t *testing.T) {
	a := newApp(io.Discard)
	a.root = t.TempDir()
	for _, test := range []struct{ repository, version, want string }{
		{"docker.io/aztecprotocol/aztec", "4.1.2", "docker.io/aztecprotocol/aztec:4.1.2"},
		{"docker.io/aztecprotocol/aztec", "v5.2.0", "docker.io/aztecprotocol/aztec:5.2.0"},
		{"docker.io/aztecprotocol/aztec", "6.0.0-rc.1", "docker.io/azteclabs/aztec:6.0.0-rc.1"},
		{"docker.io/azteclabs/aztec", "5.2.0", "docker.io/aztecprotocol/aztec:5.2.0"},
		{"docker.io/aztecprotocol/aztec-prover-agent", "v6.0.0", "docker.io/azteclabs/aztec-prover-agent:6.0.0"},
		{"mirror.example/aztec", "6.0.0", "mirror.example/aztec:6.0.0"},
	} {
		if got, err := a.tagged("mainnet", test.repository, test.version); err != nil || got != test.want {
			t.Errorf("%s in %s is %s, %v; want %s", test.version, test.repository, got, err, test.want)
		}
	}
	if got, err := a.reference("", "6.0.0"); err != nil || got != "docker.io/azteclabs/aztec:6.0.0" {
		t.Errorf("got %s, %v", got, err)
	}
}
