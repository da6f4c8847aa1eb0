package main

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units/manager"
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
		"starting, with --sign": func() error {
			_, err := a.resumeSigning(t.Context(), "val1", "aztec-sequencer@val1.service", noRestart)
			return err
		},
		"resyncing": func() error { return a.resync(t.Context(), nil, inst, "", resyncFlags{}) },
		"exporting": func() error {
			return a.export(t.Context(), inst, filepath.Join(t.TempDir(), "val1.age"), nil, exportFlags{})
		},
		"removing":             func() error { _, err := a.planRemoval(t.Context(), "val1", false); return err },
		"changing the keys of": func() error { return a.keepKeys(t.Context(), inst, secrets{}) },
		"configuring": func() error {
			return a.configAll(t.Context(), "val1", configFlags{set: []string{"LOG_LEVEL=debug"}, changed: func(flag string) bool { return flag == "set" }})
		},
	} {
		verb, _, _ := strings.Cut(verb, ",")
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

// queued is a service manager in which units have jobs until a time.
type queued map[string]time.Time

func (q queued) State(_ context.Context, unit string) (manager.UnitState, error) {
	until, ok := q[unit]
	if !ok {
		return manager.UnitState{}, errors.New("systemd does not say")
	}
	return manager.UnitState{Job: time.Now().Before(until)}, nil
}

// The gate waits for the start of each node, and for no other's.
func TestBooted(t *testing.T) {
	h := newScriptHost(t)
	names := []string{"val1", "val2", "val3"}
	for _, name := range names {
		h.must(name, "--role", "full-node", "--network", "local", "--version", "4.1.2", "--no-pull", "--ethereum-host", "http://127.0.0.1:8545", "--no-p2p")
	}
	a := newApp(io.Discard)
	a.root = h.root
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		m := queued{"aztec-full-node@val1.service": began.Add(time.Hour), "aztec-full-node@val2.service": began.Add(time.Minute)}
		var got []string
		for name := range a.booted(t.Context(), m, names) {
			got = append(got, name+" "+time.Since(began).Round(time.Second).String())
		}
		if want := []string{"val3 0s", "val2 1m0s", "val1 1h0m0s"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		for range a.booted(ctx, queued{"aztec-full-node@val1.service": began.Add(time.Hour)}, names) {
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("it waited for %s", took)
		}
	})
}
