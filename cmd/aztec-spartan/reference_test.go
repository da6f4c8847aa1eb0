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

// What was fetched takes the place of what was there, whole, and nothing else
// of the directory that it was fetched in comes with it.
func TestMoveFetched(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "bn254_g1.dat")
	put(t, old, "short")
	put(t, filepath.Join(dir, "grumpkin_g1.flat.dat"), "enough")
	put(t, filepath.Join(dir, "empty.dat"), "")
	put(t, filepath.Join(dir, "crs.lock"), "1")
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	names, err := stringFiles(root)
	if want := []string{"bn254_g1.dat", "grumpkin_g1.flat.dat"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("%q is here, %v, want %q", names, err, want)
	}
	reader, err := os.Open(old)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	apart := filepath.Join(dir, ".fetch-1")
	put(t, filepath.Join(apart, "bn254_g1.dat"), "long enough")
	put(t, filepath.Join(apart, "crs.lock"), "2")
	for link, to := range map[string]string{"grumpkin_g1.flat.dat": "../grumpkin_g1.flat.dat", "passwd": "/etc/passwd"} {
		if err := os.Symlink(to, filepath.Join(apart, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := moveFetched(root, ".fetch-1"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"bn254_g1.dat": "long enough", "grumpkin_g1.flat.dat": "enough", "crs.lock": "1"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v, want %q", name, got, err, want)
		}
	}
	if got, err := io.ReadAll(reader); err != nil || string(got) != "short" {
		t.Errorf("who proves reads %q, %v", got, err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "passwd")); err == nil {
		t.Error("a link was moved")
	}
	// An agent may put a link in its place: what it leads to stays where it is.
	if err := os.RemoveAll(apart); err != nil {
		t.Fatal(err)
	}
	outside := t.TempDir()
	put(t, filepath.Join(outside, "shadow"), "secret")
	if err := os.Symlink(outside, apart); err != nil {
		t.Fatal(err)
	}
	if err := moveFetched(root, ".fetch-1"); err == nil {
		t.Error("a link out of the directory is followed")
	}
	if got, err := os.ReadFile(filepath.Join(outside, "shadow")); err != nil || string(got) != "secret" {
		t.Errorf("what a link leads to is %q, %v", got, err)
	}
}

func TestRunnerOf(t *testing.T) {
	for text, want := range map[string]string{
		"[Service]\nStandardInput=file:/proc/4242/fd/0\nStandardOutput=append:/proc/4242/fd/1\n": "4242",
		"[Service]\nStandardInput=null\n": "", "StandardInput=file:/proc/": "",
	} {
		if got, ok := runnerOf(text); ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}
