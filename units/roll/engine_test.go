package roll

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units"
)

func TestUpdateOutcomes(t *testing.T) {
	for name, c := range map[string]struct {
		behave  map[string]behaviour
		later   map[string]behaviour // from the stop on
		stopped bool
		version string // that is in place afterwards
		result  string
		reason  string
		step    string // that failed
		skipped bool
	}{
		"good":                     {version: "4.1.3", result: Done},
		"stopped stays stopped":    {stopped: true, version: "4.1.3", result: Done},
		"exits":                    {behave: map[string]behaviour{"4.1.3": exits}, version: "4.1.2", result: RolledBack, reason: "exited with code 1", step: "start", skipped: true},
		"never answers":            {behave: map[string]behaviour{"4.1.3": silent}, version: "4.1.2", result: RolledBack, reason: "not healthy within 500ms", step: "gate", skipped: true},
		"answers as another":       {behave: map[string]behaviour{"4.1.3": liar}, version: "4.1.2", result: RolledBack, reason: "answers as 9.9.9", step: "gate", skipped: true},
		"crashes and is restarted": {behave: map[string]behaviour{"4.1.3": loops}, version: "4.1.2", result: RolledBack, reason: "was restarted", step: "gate", skipped: true},
		"the environment is bad": {
			behave:  map[string]behaviour{"4.1.3": exits},
			later:   map[string]behaviour{"4.1.2": silent},
			version: "4.1.2", result: RolledBack, reason: "then 4.1.2 failed too", step: "start",
		},
	} {
		inBubble(t, name, func(t *testing.T) {
			h := newHost(t)
			maps.Copy(h.behave, c.behave)
			h.on["stop"] = func() { maps.Copy(h.behave, c.later) }
			if c.stopped {
				h.halt()
			}
			out, err := h.engine().Run(t.Context(), "val1")
			if err != nil {
				t.Fatal(err)
			}
			s := h.whole(c.version, !c.stopped)
			if out.Result != c.result || !strings.Contains(out.Reason, c.reason) || out.FailedStep != c.step {
				t.Errorf("result %q, step %q, reason %q", out.Result, out.FailedStep, out.Reason)
			}
			if _, skipped := s.Skips("sha256:4.1.3"); skipped != c.skipped {
				t.Errorf("skipped %v, want %v", skipped, c.skipped)
			}
			if env := c.later != nil; out.Environment != env || (out.Situation != "") != env {
				t.Errorf("environment %v, situation %q", out.Environment, out.Situation)
			}
			if c.stopped && h.starts != 1 {
				t.Error("a stopped instance was started")
			}
		})
	}
}

// That both versions failed is known until something passes the gate, whatever
// else is tried meanwhile.
func TestBlamed(t *testing.T) {
	inBubble(t, "until it passes", func(t *testing.T) {
		h := newHost(t)
		roll := func(kind string, to int, result string) *Blamed {
			t.Helper()
			h.edit(func(s *State) {
				s.Intent = &Intent{Kind: kind, From: 1, To: to, Gate: Gate{Timeout: time.Second, Settle: time.Millisecond}}
			})
			if out, err := h.engine().Run(t.Context(), "val1"); err != nil || out.Result != result {
				t.Fatalf("%+v, %v", out, err)
			}
			s, err := h.files.Load("val1")
			if err != nil {
				t.Fatal(err)
			}
			return s.Blamed
		}
		h.behave["4.1.3"] = exits
		h.on["stop"] = func() { h.behave["4.1.2"] = silent }
		first := roll(Update, 2, RolledBack)
		if first == nil || first.Version != "4.1.3" {
			t.Fatalf("%+v", first)
		}
		h.halt()
		if b := roll(Config, 1, Done); b == nil || *b != *first {
			t.Errorf("after a change of one that was stopped: %+v", b)
		}
		if err := h.start(); err != nil {
			t.Fatal(err)
		}
		delete(h.on, "stop")
		delete(h.behave, "4.1.2")
		if b := roll(Config, 2, RolledBack); b == nil || *b != *first {
			t.Errorf("after settings that failed: %+v", b)
		}
		delete(h.behave, "4.1.3")
		if b := roll(Config, 2, Done); b != nil {
			t.Errorf("after settings that passed: %+v", b)
		}
	})
}

func TestRollbackByHandSkipsWhatItLeaves(t *testing.T) {
	h := newHost(t)
	if _, err := h.engine().Run(t.Context(), "val1"); err != nil {
		t.Fatal(err)
	}
	s := h.whole("4.1.3", true)
	if s.Previous != 1 {
		t.Errorf("previous generation %d, want 1", s.Previous)
	}
	s.Intent = &Intent{Kind: Rollback, From: 2, To: 1, Gate: Gate{Timeout: time.Second, Settle: time.Millisecond}}
	if err := h.files.Save("val1", s); err != nil {
		t.Fatal(err)
	}
	out, err := h.engine().Run(t.Context(), "val1")
	if err != nil || out.Result != Done {
		t.Fatalf("%+v, %v", out, err)
	}
	s = h.whole("4.1.2", true)
	if _, ok := s.Skips("sha256:4.1.3"); !ok {
		t.Error("the version that was left is not skipped")
	}
}

func TestMissingImageChangesNothing(t *testing.T) {
	h := newHost(t)
	e := h.engine()
	e.Ready = func(string) error { return errors.New("not complete") }
	out, err := e.Run(t.Context(), "val1")
	if err != nil || out.Result != Failed {
		t.Fatalf("%+v, %v", out, err)
	}
	h.whole("4.1.2", true)
	if h.starts != 1 {
		t.Error("something was started")
	}
}

func TestNothingToDo(t *testing.T) {
	h := newHost(t)
	s, _ := h.files.Load("val1")
	s.Intent = nil
	if err := h.files.Save("val1", s); err != nil {
		t.Fatal(err)
	}
	if _, err := h.engine().Run(t.Context(), "val1"); !errors.Is(err, ErrNothingToDo) {
		t.Errorf("got %v", err)
	}
}

func TestNewerStateIsLeftAlone(t *testing.T) {
	h := newHost(t)
	if err := os.WriteFile(h.files.statePath("val1"), []byte(`{"schema": 2}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var newer *units.NewerSchemaError
	if _, err := h.engine().Run(t.Context(), "val1"); !errors.As(err, &newer) {
		t.Errorf("got %v", err)
	}
}

// A roll whose start is not in place any more is forgotten; nothing else
// happens.
func TestStaleIntent(t *testing.T) {
	for name, change := range map[string]func(h *host){
		"another generation": func(h *host) {
			if err := h.files.Activate("val1", unitName, 2); err != nil {
				h.t.Fatal(err)
			}
		},
		"no unit": func(h *host) {
			if err := os.Remove(filepath.Join(h.files.Systemd, unitName)); err != nil {
				h.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			change(h)
			unit := read(filepath.Join(h.files.Systemd, unitName))
			if _, err := h.engine().Run(t.Context(), "val1"); !errors.Is(err, ErrStale) {
				t.Fatalf("got %v", err)
			}
			if got := read(filepath.Join(h.files.Systemd, unitName)); got != unit {
				t.Errorf("the unit is now %q, was %q", got, unit)
			}
			if len(h.asked) != 0 {
				t.Errorf("the manager was asked: %v", h.asked)
			}
			s, err := h.files.Load("val1")
			if err != nil || s.Intent != nil || s.LastRoll != nil || len(s.Generations) != 2 {
				t.Errorf("state %+v, %v", s, err)
			}
		})
	}
}

// What cannot be read may be the right one: the roll is not forgotten.
func TestUnreadableUnitIsNotStale(t *testing.T) {
	h := newHost(t)
	if err := os.WriteFile(filepath.Join(h.files.Systemd, unitName), []byte("[Unit]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := h.engine().Run(t.Context(), "val1"); err == nil || errors.Is(err, ErrStale) {
		t.Errorf("got %v", err)
	}
	if s, _ := h.files.Load("val1"); s.Intent == nil {
		t.Error("the roll was forgotten")
	}
}

func TestDrop(t *testing.T) {
	h := newHost(t)
	h.edit(func(s *State) { s.Intent.Begun = true })
	if err := h.files.Drop("val1"); err != nil {
		t.Fatal(err)
	}
	if s, _ := h.files.Load("val1"); s.Intent == nil {
		t.Fatal("a roll that was begun was dropped")
	}
	h.edit(func(s *State) { s.Intent.Begun = false })
	for range 2 {
		if err := h.files.Drop("val1"); err != nil {
			t.Fatal(err)
		}
		if s, _ := h.files.Load("val1"); s.Intent != nil || len(s.Generations) != 2 {
			t.Fatalf("state %+v", s)
		}
	}
	if err := h.files.Drop("val2"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(h.files.statePath("val2")); !os.IsNotExist(err) {
		t.Errorf("a state was made up: %v", err)
	}
}

// The gate believes the probe, not the strings.
func TestGateBelievesTheProbe(t *testing.T) {
	for name, c := range map[string]struct {
		answer Answer
		result string
		reason string
		early  bool // before the gate's timeout
	}{
		"healthy, named otherwise":   {Answer{Version: "v4.1.3+abc", Healthy: true}, Done, "", true},
		"healthy, without a name":    {Answer{Healthy: true}, Done, "", true},
		"named otherwise, not wrong": {Answer{Version: "v4.1.3+abc", Reason: "no block yet"}, RolledBack, "no block yet", false},
		"wrong":                      {Answer{Version: "4.1.3", Wrong: true, Reason: "chain 1, want 2"}, RolledBack, "it answers as 4.1.3, but is not what was installed: chain 1, want 2", true},
		"wrong, though healthy":      {Answer{Wrong: true, Healthy: true}, RolledBack, "it answers as something else, not as 4.1.3", true},
	} {
		inBubble(t, name, func(t *testing.T) {
			h := newHost(t)
			h.edit(func(s *State) { s.Intent.Gate.Timeout = time.Hour })
			h.answer = func(m units.Meta) Answer {
				if h.process == "4.1.3" {
					return c.answer
				}
				return Answer{Version: m.Version, Healthy: true}
			}
			began := time.Now()
			out, err := h.engine().Run(t.Context(), "val1")
			if err != nil || out.Result != c.result || !strings.Contains(out.Reason, c.reason) {
				t.Errorf("%+v, %v", out, err)
			}
			if early := time.Since(began) < time.Hour; early != c.early {
				t.Errorf("took %s", time.Since(began))
			}
		})
	}
}

// A version without a name is a version.
func TestUnnamedVersion(t *testing.T) {
	inBubble(t, "update", func(t *testing.T) {
		h := newHost(t)
		unit := "[X-AztecSpartan]\nSchema=1\nGeneration=2\nVersion=\n"
		if err := os.WriteFile(filepath.Join(h.files.Dir("val1", 2), "unit"), []byte(unit), 0o600); err != nil {
			t.Fatal(err)
		}
		h.answer = func(units.Meta) Answer { return Answer{Version: "4.1.3", Healthy: true} }
		if out, err := h.engine().Run(t.Context(), "val1"); err != nil || out.Result != Done {
			t.Errorf("%+v, %v", out, err)
		}
	})
}

// A node that is down because it wants to be another version is not one that
// was stopped: the new version is started and judged, and after a failure the
// old one is started again.
func TestOutdatedIsWanted(t *testing.T) {
	for name, c := range map[string]struct {
		behave  behaviour
		result  string
		version string
	}{
		"good":   {"", Done, "4.1.3"},
		"silent": {silent, RolledBack, "4.1.2"},
	} {
		inBubble(t, name, func(t *testing.T) {
			h := newHost(t)
			h.behave["4.1.3"] = c.behave
			h.run.ActiveState, h.run.PID, h.run.Exit, h.run.Outdated = "failed", 0, "exited with code 79", true
			out, err := h.engine().Run(t.Context(), "val1")
			if err != nil || out.Result != c.result {
				t.Fatalf("%+v, %v", out, err)
			}
			h.whole(c.version, true)
			if !strings.Contains(strings.Join(out.Evidence, "\n"), "wants to be another version: it exited with code 79") {
				t.Errorf("the evidence is %q", out.Evidence)
			}
		})
	}
}
