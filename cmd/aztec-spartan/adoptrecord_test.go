package main

import (
	"io"
	"strings"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/cmd/aztec-spartan/internal/docker"
)

// An instance and the container that it was to take over from never both sign.
func TestMayRun(t *testing.T) {
	a := newApp(io.Discard)
	a.root = t.TempDir()
	if err := a.mayRun("val1"); err != nil {
		t.Errorf("never adopted: %v", err)
	}
	for step, may := range map[string]bool{
		stepPrepared: false, stepStopping: false, stepMoving: false, stepStarting: true, stepAdopted: true, stepUndoing: false, stepUndone: false,
	} {
		if err := a.saveAdoption(t.Context(), &adoptionRecord{Name: "val1", Dir: "/srv/node"}, step); err != nil {
			t.Fatal(err)
		}
		err := a.mayRun("val1")
		if (err == nil) != may || err != nil && !strings.Contains(err.Error(), step) {
			t.Errorf("%s: %v", step, err)
		}
	}
}

// Where neither a container nor its unit is known, nobody knows what runs.
func TestAdoptFound(t *testing.T) {
	if err := (&adoptionRecord{}).found(); err == nil || !strings.Contains(err.Error(), "not known") {
		t.Errorf("got %v", err)
	}
	for _, r := range []adoptionRecord{{Container: &docker.Container{}}, {Unit: "aztec.service"}} {
		if err := r.found(); err != nil {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

// Nor does a restart or a resync start it; there is no systemd to be asked.
func TestRestartBesideItsContainer(t *testing.T) {
	a := newApp(io.Discard)
	a.root = doctorTree(t, fakeEthereum(t, 11155111))
	inst, err := a.loadInstance("val1")
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []string{stepPrepared, stepUndone} {
		if err := a.saveAdoption(t.Context(), &adoptionRecord{Name: "val1", Dir: "/srv/node"}, step); err != nil {
			t.Fatal(err)
		}
		if err := a.restart(t.Context(), nil, "val1"); err == nil || !strings.Contains(err.Error(), "("+step+")") {
			t.Errorf("restart: %v", err)
		}
		if err := a.resync(t.Context(), nil, inst, "", resyncFlags{}); err == nil || !strings.Contains(err.Error(), "("+step+")") {
			t.Errorf("resync: %v", err)
		}
	}
}
