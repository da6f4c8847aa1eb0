package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// What a dead engine has left half moved is neither started, nor moved aside,
// nor copied.
func TestUnfinishedRoll(t *testing.T) {
	h := newScriptHost(t)
	h.must(h.good("val1")...)
	var said strings.Builder
	a := newApp(&said)
	a.root = h.root
	inst, err := a.loadInstance("val1")
	if err != nil {
		t.Fatal(err)
	}
	state, err := a.files().Load("val1")
	if err != nil {
		t.Fatal(err)
	}
	state.Intent = &roll.Intent{Kind: roll.Update, From: 1, To: 2, Begun: true}
	if err := a.files().Save("val1", state); err != nil {
		t.Fatal(err)
	}
	for verb, do := range map[string]func() error{
		"starting": func() error { _, err := a.prepare(t.Context(), inst); return err },
		"starting with --sign": func() error {
			_, err := a.resumeSigning(t.Context(), "val1", "aztec-sequencer@val1.service", noRestart)
			return err
		},
		"resyncing": func() error { return a.resync(t.Context(), nil, inst, resyncFlags{}) },
		"exporting": func() error {
			return a.export(t.Context(), inst, filepath.Join(t.TempDir(), "val1.age"), nil, exportFlags{})
		},
	} {
		verb, _, _ := strings.Cut(verb, " ")
		err := do()
		said.Reset()
		if code := a.report(err); code != exitLocked || !strings.Contains(said.String(), verb+" val1: its roll to another version is not finished") ||
			!strings.Contains(said.String(), "aztec-spartan rollback val1 takes it back") {
			t.Errorf("%s: code %d: %s", verb, code, said.String())
		}
	}
	state.Intent.Begun = false
	if err := unfinishedRoll(state, "starting", "val1"); err != nil {
		t.Errorf("a roll that has not begun: %v", err)
	}
}
