package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The instance before a cutover is not updated onto the rollup where the one
// that stood by has its keys.
func TestUpdateOntoTheStandbysRollup(t *testing.T) {
	h := newScriptHost(t)
	h.must(h.good("val1")...)
	h.must("val1-v6", "--from", "val1", "--version", "6.0.0", "--no-pull")
	var said strings.Builder
	a := newApp(&said)
	a.root = h.root
	inst, err := a.loadInstance("val1")
	if err != nil {
		t.Fatal(err)
	}
	sec, err := a.loadSecrets(context.Background(), "val1")
	if err != nil {
		t.Fatal(err)
	}
	for version, refused := range map[string]bool{"4.1.3": false, "5.0.0": false, "6.0.0": true, "6.0.1": true} {
		err := a.checkStandby(context.Background(), inst, sec, version)
		if (err != nil) != refused || refused && !strings.Contains(err.Error(), "instance val1-v6's, and both are on the same rollup") {
			t.Errorf("%s: %v", version, err)
		}
	}
}

// When the instance before the cutover is gone, it is said what to do.
func TestStandbyOfNobody(t *testing.T) {
	h := newScriptHost(t)
	h.must(h.good("val1")...)
	h.must("val1-v6", "--from", "val1", "--version", "6.0.0", "--no-pull")
	if err := os.RemoveAll(filepath.Join(h.root, instancePath("val1", ""))); err != nil {
		t.Fatal(err)
	}
	if said, code := h.config("val1-v6", "--no-pull"); code != exitUsage || !strings.Contains(said, "hint: take standby_of out") {
		t.Errorf("code %d: %s", code, said)
	}
}
