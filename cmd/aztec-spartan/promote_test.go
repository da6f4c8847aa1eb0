package main

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units/lock"
	"github.com/aztec-spartan/aztec-spartan/units/probe"
)

func TestMayPromote(t *testing.T) {
	on := func(h probe.Health, rollup string) probe.Report {
		return probe.Report{Health: h, Reason: "so", RollupAddress: rollup}
	}
	for name, test := range map[string]struct {
		next, old probe.Report
		want      string
	}{
		"before the cutover":      {on(probe.Standby, ""), on(probe.Healthy, "0xA"), "it waits for the cutover"},
		"after it":                {on(probe.Healthy, "0xB"), on(probe.Healthy, "0xA"), ""},
		"after it, still syncing": {on(probe.Syncing, "0xB"), on(probe.Standby, ""), ""},
		"the old one is gone":     {on(probe.Healthy, "0xB"), on(probe.Unhealthy, ""), ""},
		"the same rollup":         {on(probe.Healthy, "0xAB"), on(probe.Healthy, "0xab"), "that is no cutover"},
		"not well":                {on(probe.Unhealthy, "0xB"), on(probe.Healthy, "0xA"), "it is unhealthy: so"},
		"no rollup":               {on(probe.Healthy, ""), on(probe.Healthy, "0xA"), "does not say"},
	} {
		err := mayPromote(test.next, test.old)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What was replaced does not start again without a word.
func TestPromotedIsRefused(t *testing.T) {
	a := newApp(nil)
	a.root = doctorTree(t, "http://127.0.0.1:1")
	inst, err := a.loadInstance("val1")
	if err != nil {
		t.Fatal(err)
	}
	if err := a.markElsewhere(t.Context(), inst, elsewhere{Why: promoted, Since: time.Now(), Host: "val1-v6"}); err != nil {
		t.Fatal(err)
	}
	if err := a.settleElsewhere(t.Context(), inst, startFlags{notElsewhere: true}); err == nil || !strings.Contains(err.Error(), "val1-v6 has taken over") {
		t.Errorf("%v", err)
	}
	if err := a.settleElsewhere(t.Context(), inst, startFlags{here: true}); err != nil {
		t.Error(err)
	}
}

// Who works at the old instance is not disturbed, and nobody starts it between
// its stop and its end.
func TestPromoteLocksTheOldOne(t *testing.T) {
	h := newScriptHost(t)
	h.must(h.good("val1")...)
	h.must("val1-v6", "--from", "val1", "--version", "6.0.0", "--no-pull")
	a := newApp(nil)
	a.root = h.root
	next, err := a.loadInstance("val1-v6")
	if err != nil {
		t.Fatal(err)
	}
	l, err := lock.Acquire(t.Context(), a.path(lockDir), "val1", "update (pid 7)", 0)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) { err = a.promote(t.Context(), nil, next) })
	if held := (*lock.HeldError)(nil); !errors.As(err, &held) || held.Name != "val1" || codeOf(err) != exitLocked {
		t.Errorf("while val1 is updated: %v", err)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	old, err := a.loadInstance("val1")
	if err != nil {
		t.Fatal(err)
	}
	refuses := false
	failed := errors.New("no systemd")
	err = a.endOld(t.Context(), old, next.Name, func() error {
		refuses = a.settleElsewhere(t.Context(), old, startFlags{}) != nil
		return failed
	})
	if f, ok := errors.AsType[*failure](err); !refuses || !errors.Is(err, failed) || !ok || !strings.Contains(f.hint, "promote val1-v6 tries") {
		t.Errorf("it refuses to start before it is stopped: %t, %v", refuses, err)
	}
}

// What is done is not advised again.
func TestStatusAfterPromote(t *testing.T) {
	h := newScriptHost(t)
	h.must(h.good("val1")...)
	h.must("val1-v6", "--from", "val1", "--version", "6.0.0", "--no-pull")
	a := newApp(nil)
	a.root = h.root
	old, err := a.loadInstance("val1")
	if err != nil {
		t.Fatal(err)
	}
	says := func() (status, string) {
		t.Helper()
		s, err := a.status(t.Context(), nil, "val1-v6")
		if err != nil {
			t.Fatal(err)
		}
		s.Health = string(probe.Healthy)
		return s, standbyWords(s)
	}
	if s, words := says(); s.Promoted || !strings.Contains(words, "promote val1-v6 ends val1") {
		t.Errorf("before it: %v, %s", s.Promoted, words)
	}
	var warned strings.Builder
	a.err = &warned
	if a.warnDependents([]string{"val1"}); !strings.Contains(warned.String(), "val1-v6 stands by for val1") {
		t.Errorf("remove val1 warns: %q", warned.String())
	}
	if err := a.markElsewhere(t.Context(), old, elsewhere{Why: promoted, Since: time.Now(), Host: "val1-v6"}); err != nil {
		t.Fatal(err)
	}
	if s, words := says(); !s.Promoted || strings.Contains(words, "promote ") || !strings.Contains(words, "remove val1 ends") {
		t.Errorf("after it: %v, %s", s.Promoted, words)
	}
	var said strings.Builder
	a.err = &said
	a.warnDependents([]string{"val1"})
	if said.Len() > 0 {
		t.Errorf("remove val1 warns: %s", said.String())
	}
	if err := os.RemoveAll(a.path(instancePath("val1", ""))); err != nil {
		t.Fatal(err)
	}
	if s, _ := says(); s.StandbyOf != "" || s.Promoted {
		t.Errorf("val1 is removed: %+v", s)
	}
}

func TestStandbyWords(t *testing.T) {
	for health, want := range map[string]string{
		"standby": "it waits for the cutover to the rollup of 6.0.0", "healthy": "aztec-spartan promote val1-v6 ends val1", "stopped": "for val1, whose keys it has",
	} {
		if got := standbyWords(status{Name: "val1-v6", StandbyOf: "val1", Version: "6.0.0", Health: health}); !strings.HasSuffix(got, want) {
			t.Errorf("%s: %s", health, got)
		}
	}
	// One that has opened no port yet follows nothing.
	if got := standbyWords(status{Name: "val1-v6", StandbyOf: "val1", Health: "syncing", Node: &probe.Report{}}); !strings.HasSuffix(got, "for val1, whose keys it has") {
		t.Errorf("without a port: %s", got)
	}
}
