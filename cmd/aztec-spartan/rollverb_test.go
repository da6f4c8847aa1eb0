package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aztec-spartan/aztec-spartan/extract"
	"github.com/aztec-spartan/aztec-spartan/units/lock"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// An outcome is new when it is another, also after the clock was set back.
func TestDecided(t *testing.T) {
	at := func(hour int) *roll.Outcome {
		start := time.Date(2026, 11, 28, hour, 0, 0, 0, time.UTC)
		return &roll.Outcome{Started: start, Finished: start.Add(time.Minute)}
	}
	for name, c := range map[string]struct {
		state  roll.State
		before *roll.Outcome
		want   bool
	}{
		"first":          {roll.State{LastRoll: at(5)}, nil, true},
		"later":          {roll.State{LastRoll: at(5)}, at(4), true},
		"clock set back": {roll.State{LastRoll: at(3)}, at(4), true},
		"the same":       {roll.State{LastRoll: at(4)}, at(4), false},
		"under way":      {roll.State{LastRoll: at(5), Intent: &roll.Intent{}}, at(4), false},
		"none":           {roll.State{}, nil, false},
	} {
		if got := decided(c.state, c.before); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// What to type is said where a roll did not end in one sound version.
func TestOutcomeErrors(t *testing.T) {
	for name, c := range map[string]struct {
		out   roll.Outcome
		code  int
		words []string
	}{
		"done":        {roll.Outcome{Result: roll.Done}, 0, nil},
		"waiting":     {roll.Outcome{Result: roll.Waiting, Reason: "in standby"}, 0, nil},
		"rolled back": {roll.Outcome{Result: roll.RolledBack}, exitRolledBack, []string{"4.1.2 is back", "aztec-spartan logs val1"}},
		"environment": {
			roll.Outcome{Result: roll.RolledBack, Environment: true, Situation: "U is failed"},
			exitRolledBack,
			[]string{"now U is failed", "4.1.2 is in place", "4.1.3 is not skipped", "aztec-spartan restart val1", "update val1 --to 4.1.3"},
		},
		"not put back": {
			roll.Outcome{Result: roll.Failed, Situation: "generation 2 (4.1.3) is in place; U is failed"},
			exitFailed,
			[]string{"generation 2 (4.1.3) is in place", "aztec-spartan rollback val1 --to 4.1.2"},
		},
		"given up": {
			roll.Outcome{Result: roll.Failed, Unfinished: true, Reason: "the disk is away", Situation: "generation 1 (4.1.2) is in place; U is inactive"},
			exitFailed,
			[]string{"the disk is away; now generation 1 (4.1.2) is in place; U is inactive", "once that is put right, aztec-spartan rollback val1 takes the roll back", "journalctl -u aztec-roll@val1.service"},
		},
		"not begun": {roll.Outcome{Result: roll.Failed, Reason: "no such file"}, exitFailed, []string{"no such file"}},
		"cancelled": {roll.Outcome{Result: roll.Cancelled}, exitFailed, []string{"4.1.2 is in place", "aztec-spartan status val1"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.out.Kind, c.out.From, c.out.To = roll.Update, "4.1.2", "4.1.3"
			var said strings.Builder
			a := newApp(&said)
			a.err = &said
			err := outcomeError("val1", c.out)
			if (err == nil) != (c.code == 0) {
				t.Fatalf("got %v", err)
			}
			if code := a.report(err); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, w := range c.words {
				if !strings.Contains(said.String(), w) {
					t.Errorf("does not say %q:\n%s", w, said.String())
				}
			}
		})
	}
}

// A roll whose service could not be started is forgotten, but not under an
// engine that is at it all the same.
func TestDropRoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &app{root: t.TempDir(), out: io.Discard, err: io.Discard}
		if err := a.files().Save("val1", roll.State{Intent: &roll.Intent{Kind: roll.Update, From: 1, To: 2}}); err != nil {
			t.Fatal(err)
		}
		recorded := func() bool {
			s, err := a.files().Load("val1")
			if err != nil {
				t.Fatal(err)
			}
			return s.Intent != nil
		}
		engine, err := lock.Acquire(t.Context(), a.path(lockDir), "val1", "roll (pid 1)", 0)
		if err != nil {
			t.Fatal(err)
		}
		over, cancel := context.WithCancel(t.Context())
		cancel()
		if held := (*lock.HeldError)(nil); !errors.As(a.dropRoll(over, "val1"), &held) || !recorded() {
			t.Error("it was dropped under an engine")
		}
		engine.Release()
		if err := a.dropRoll(over, "val1"); err != nil || recorded() {
			t.Errorf("it is kept: %v", err)
		}
	})
}

// An engine that told nothing had begun, or not: only what was begun can be taken
// back, and a rollback of the other would leave the version that runs.
func TestNoOutcome(t *testing.T) {
	for name, c := range map[string]struct {
		intent    *roll.Intent
		hint, not string
	}{
		"begun":     {&roll.Intent{Kind: roll.Update, From: 1, To: 2, Begun: true}, "aztec-spartan rollback val1 takes it back", "not begun"},
		"not begun": {&roll.Intent{Kind: roll.Update, From: 1, To: 2}, "nothing was changed", "rollback"},
		"stale":     {nil, "nothing was changed", "rollback"}, // the engine has forgotten it
	} {
		var said strings.Builder
		a := newApp(&said)
		a.root, a.err = t.TempDir(), &said
		s := roll.State{Intent: c.intent}
		if err := a.files().Save("val1", s); err != nil {
			t.Fatal(err)
		}
		if code := a.report(a.noOutcome(t.Context(), "val1", s)); code != exitFailed {
			t.Errorf("%s: exit code %d", name, code)
		}
		if text := said.String(); !strings.Contains(text, c.hint) || strings.Contains(text, c.not) || !strings.Contains(text, "journalctl -u aztec-roll@val1.service") {
			t.Errorf("%s: it says:\n%s", name, text)
		}
		now, err := a.files().Load("val1")
		if kept := now.Intent != nil; err != nil || kept != (c.intent != nil && c.intent.Begun) {
			t.Errorf("%s: the roll is recorded still: %t, %v", name, kept, err)
		}
	}
}

// An engine may have taken an interrupted roll back before who was told so has
// typed rollback: that is not to leave the version that is back.
func TestRollbackOfWhatIsBack(t *testing.T) {
	for _, c := range []struct {
		kind, reason string
		ago          time.Duration
		to           string
		begins       bool
	}{
		{roll.Update, "the roll was interrupted", time.Minute, "", false},
		{roll.Config, "the roll was interrupted; its data were left", time.Minute, "", false},
		{roll.Update, "the roll was interrupted", time.Minute, "4.1.3", true},
		{roll.Update, "the roll was interrupted", time.Hour, "", true},
		{roll.Update, "it answers as 9.9.9", time.Minute, "", true},
		{roll.Rollback, "the roll was interrupted", time.Minute, "", true}, // it is asked for again
	} {
		a := brokenRoll(t)
		var said strings.Builder
		a.out, a.err = &said, io.Discard
		put(t, a.path(instancePath("val1", "instance.toml")), "schema = 1\nrole = \"sequencer\"\nimage = \"r/a:4.1.2\"\n")
		s, err := a.files().Load("val1")
		if err != nil {
			t.Fatal(err)
		}
		s.Intent, s.Previous = nil, 2
		s.LastRoll = &roll.Outcome{Kind: c.kind, From: "4.1.2", To: "4.1.4", Result: roll.RolledBack, Reason: c.reason, Finished: time.Now().Add(-c.ago)}
		if err := a.files().Save("val1", s); err != nil {
			t.Fatal(err)
		}
		_, err = a.prepareRollback(t.Context(), "val1", updateFlags{to: c.to})
		if c.begins != errors.Is(err, extract.ErrNotFound) || !c.begins && err != nil {
			t.Errorf("%+v: %v", c, err)
		}
		if back := strings.Contains(said.String(), "4.1.2 is in place"); back == c.begins {
			t.Errorf("%+v: it says %q", c, said.String())
		}
	}
}
