package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/profiles"
)

// moved is a host on which the data of val1 are to move, with what val1 signed.
func moved(t *testing.T, from string) *app {
	t.Helper()
	a := newApp(io.Discard)
	a.root = t.TempDir()
	write(t, a.path(filepath.Join(from, "signing-protection", "data.mdb")), "signed", 0o600)
	return a
}

// There is no moment in which a node would start without what it signed: before
// data leave a place, systemd wants to find them in the other one.
func TestMoveDataBindsFirst(t *testing.T) {
	const usual, other = dataRoot + "/val1", "/srv/val1"
	a := moved(t, usual)
	p := &configPlan{inst: profiles.Instance{Name: "val1"}, move: &dataMove{from: usual, to: other}}

	// A host that goes down, or a disk that is full, when the unit is to be written.
	write(t, a.path(systemdDir), "no directory", 0o644)
	if err := a.moveData(t.Context(), p); err == nil {
		t.Fatal("there is no mount unit, and no error")
	}
	if had, err := hasData(a.path(usual)); err != nil || !had {
		t.Errorf("the data have left the place where the node looks: %v", err)
	}
	if err := os.Remove(a.path(systemdDir)); err != nil {
		t.Fatal(err)
	}

	// Data that cannot be moved keep the unit that they have: none.
	write(t, a.path(other+"/else"), "", 0o644)
	if err := a.moveData(t.Context(), p); err == nil {
		t.Fatal("moved onto somebody else's files")
	}
	if had, err := hasData(a.path(usual)); err != nil || !had || exists(a.path(mountPath("val1"))) {
		t.Errorf("a move that failed left data %t, %v, mount unit %t", had, err, exists(a.path(mountPath("val1"))))
	}
	if err := os.Remove(a.path(other + "/else")); err != nil {
		t.Fatal(err)
	}

	if err := a.moveData(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if dir, err := a.dataPath("val1"); err != nil || dir != a.path(other) {
		t.Errorf("the data are looked for in %s, %v", dir, err)
	}
	if got := a.boundData(mountPath("val1")); got != other || !exists(a.path(other+"/signing-protection/data.mdb")) {
		t.Errorf("bound from %q", got)
	}

	// And back, where a unit that has nothing to bind keeps the node down meanwhile.
	p.move = &dataMove{from: other, to: usual}
	if err := a.moveData(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if exists(a.path(mountPath("val1"))) || !exists(a.path(usual+"/signing-protection/data.mdb")) {
		t.Error("the data are not back, or a unit binds them still")
	}
}

// A move that was cut short between its steps is carried on by the same command.
func TestMoveDataCarriesOn(t *testing.T) {
	const usual, other = dataRoot + "/val1", "/srv/val1"
	a := moved(t, usual)
	catalog, err := a.catalog()
	if err != nil {
		t.Fatal(err)
	}
	old := profiles.Instance{Name: "val1", Role: "full-node"}
	inst := old
	inst.DataDir = other
	marker := dataMarker("val1")
	for _, cut := range []string{"bound", "moved"} {
		write(t, a.path(filepath.Join(usual, marker)), "val1\n", 0o644)
		write(t, a.path(mountPath("val1")), string(mountUnit("val1", other)), 0o644)
		if cut == "moved" {
			if err := os.MkdirAll(a.path("/srv"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(a.path(usual), a.path(other)); err != nil {
				t.Fatal(err)
			}
		}
		p := &configPlan{inst: inst, old: &old}
		if err := a.planData(catalog, p); err != nil {
			t.Fatalf("%s: %v", cut, err)
		}
		if err := a.moveData(t.Context(), p); err != nil {
			t.Fatalf("%s: %v", cut, err)
		}
		if dir, err := a.dataPath("val1"); err != nil || dir != a.path(other) || !exists(a.path(other+"/signing-protection/data.mdb")) {
			t.Errorf("%s: the data are looked for in %s, %v", cut, dir, err)
		}
		if err := os.Rename(a.path(other), a.path(usual)); err != nil {
			t.Fatal(err)
		}
	}
}
