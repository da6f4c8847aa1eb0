package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// What was fetched is known for as long as it is all there.
func TestReferenceFetched(t *testing.T) {
	const dir, image = "/var/cache/aztec/crs", "sha256-1"
	a := newApp(io.Discard)
	a.root = t.TempDir()
	file := filepath.Join(a.root, dir, "bn254_g1.dat")
	check := func(when string, want bool) {
		t.Helper()
		if a.fetched(dir, image) != want {
			t.Errorf("%s: it is there: %t", when, !want)
		}
	}
	check("at first", false)
	put(t, a.referencesPath(), "nonsense")
	put(t, file, "12345678")
	check("that of nobody knows what", false)
	if err := a.recordReference(dir, image); err != nil {
		t.Fatal(err)
	}
	check("fetched", true)
	if a.fetched(dir, "sha256-2") || a.fetched("/srv/crs", image) {
		t.Error("what another image fetched, or into another directory, says nothing")
	}
	put(t, file, "123456789") // another image wanted more
	check("longer", true)
	put(t, file, "1234")
	check("shorter", false)
	if err := os.RemoveAll(filepath.Dir(file)); err != nil {
		t.Fatal(err)
	}
	check("emptied", false)
	put(t, file, "")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := a.recordReference(dir, image); err != nil {
		t.Fatal(err)
	}
	check("nothing came", false)
	put(t, a.referencesPath(), "nonsense")
	check("not known", false)
	// Images that are gone are forgotten with the next.
	if err := a.recordReference(dir, "sha256-2"); err != nil || len(a.loadReferences().Dirs[dir]) != 1 {
		t.Errorf("%v: %v", a.loadReferences(), err)
	}
}

// Who makes no proofs needs no string; the operator's own variables come last.
func TestProvesReally(t *testing.T) {
	for _, test := range []struct {
		env, local string
		want       bool
	}{
		{"", "", true},
		{"PROVER_REAL_PROOFS=true\n", "", true},
		{"PROVER_REAL_PROOFS=1\n", "", true},
		{"PROVER_REAL_PROOFS=false\n", "", false},
		{"PROVER_REAL_PROOFS=true\n", "PROVER_REAL_PROOFS=0\n", false},
		{"PROVER_REAL_PROOFS=false\n", "PROVER_REAL_PROOFS=\"true\"\n", true},
	} {
		a := newApp(io.Discard)
		a.root = t.TempDir()
		put(t, a.path(instancePath("agent1", "local.env")), test.local)
		if got, err := a.provesReally("agent1", []byte(test.env)); err != nil || got != test.want {
			t.Errorf("%q and %q: %t, %v", test.env, test.local, got, err)
		}
	}
}

func TestEgressOf(t *testing.T) {
	for text, want := range map[string][]string{
		"[Service]\nIPAddressDeny=any\nIPAddressAllow=localhost 10.0.0.2 192.0.2.0/24\n": {"10.0.0.2", "192.0.2.0/24"},
		"[Service]\nNice=10\n": nil,
	} {
		if got := egressOf([]byte(text)); !slices.Equal(got, want) {
			t.Errorf("%q: %q", text, got)
		}
	}
}
