package roll

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units"
)

// Whatever fails on the way there or back, the node is started, and the result
// says which version is in place.
func TestFaults(t *testing.T) {
	unreachable := errors.New("the manager does not answer")
	for name, c := range map[string]struct {
		fault   func(h *host)
		behave  behaviour // of the new version
		result  string
		reasons []string
		runs    string // the version that runs afterwards
		skipped bool
		starts  int // that were asked for at least
	}{
		"the disk is full for the new unit": {
			fault:  func(h *host) { h.full = onlyUnits },
			result: RolledBack, reasons: []string{"no space left"}, runs: "4.1.2", starts: 1,
		},
		"the disk is full for the new settings": {
			fault: func(h *host) {
				h.full = func(name string) bool { return strings.HasSuffix(name, "val1/instance.toml") }
			},
			result: RolledBack, reasons: []string{"no space left"}, runs: "4.1.2", starts: 1,
		},
		"the settings are a file's child": {
			fault:  func(h *host) { h.on["dependents"] = func() { replace(h.t, filepath.Join(h.files.Config, "val1")) } },
			result: RolledBack, reasons: []string{"not a directory"}, runs: "4.1.2", starts: 1,
		},
		"the new generation vanishes": {
			fault:  func(h *host) { h.on["dependents"] = func() { remove(h.t, h.files.Dir("val1", 2)) } },
			result: RolledBack, reasons: []string{"no such file"}, runs: "4.1.2", starts: 1,
		},
		"both generations vanish": {
			fault: func(h *host) {
				h.on["dependents"] = func() { remove(h.t, h.files.Dir("val1", 1)); remove(h.t, h.files.Dir("val1", 2)) }
			},
			result: RolledBack, reasons: []string{"no such file"}, runs: "4.1.2", starts: 1,
		},
		"the disk fills up before the way back": {
			fault:  func(h *host) { h.on["start"] = func() { h.full = onlyUnits } },
			behave: silent,
			result: Failed, reasons: []string{"not healthy", "putting 4.1.2 back", "no space left", "4.1.3 is in place and was started"}, runs: "4.1.3", starts: 2,
		},
		"the old generation vanishes": {
			fault:  func(h *host) { h.on["start"] = func() { remove(h.t, h.files.Dir("val1", 1)) } },
			behave: exits,
			result: Failed, reasons: []string{"exited with code 1", "putting 4.1.2 back", "4.1.3 is in place and failed too"}, starts: 2,
		},
		"only the settings cannot be put back": {
			fault: func(h *host) {
				h.on["start"] = func() { h.full = func(name string) bool { return strings.HasSuffix(name, "val1/instance.toml") } }
			},
			behave: liar,
			result: RolledBack, reasons: []string{"answers as 9.9.9", "putting the settings of 4.1.2 back"}, runs: "4.1.2", skipped: true, starts: 2,
		},
		"no reload": {
			fault:  func(h *host) { h.refuse["reload"] = unreachable },
			result: RolledBack, reasons: []string{"does not answer"}, runs: "4.1.2", starts: 1,
		},
		"no reload on the way back": {
			fault:  func(h *host) { h.on["start"] = func() { h.refuse["reload"] = unreachable } },
			behave: silent,
			// What runs is what the manager remembers.
			result: RolledBack, reasons: []string{"not healthy", "does not answer", "then 4.1.2 failed too"}, runs: "4.1.3", starts: 2,
		},
		"no start": {
			fault:  func(h *host) { h.refuse["start"] = unreachable },
			result: RolledBack, reasons: []string{"then 4.1.2 failed too: the manager does not answer"}, runs: "4.1.2", starts: 2,
		},
		"no stop": {
			fault:  func(h *host) { h.refuse["stop"] = unreachable },
			result: RolledBack, reasons: []string{"does not answer"}, runs: "4.1.2", starts: 1,
		},
		"no reset of the failures": {
			fault:  func(h *host) { h.refuse["reset"] = unreachable },
			result: Done, runs: "4.1.3", starts: 1,
		},
		"no answer after the stop": {
			fault: func(h *host) {
				h.on["stop"] = func() { h.refuse["running"] = unreachable }
			},
			result: RolledBack, reasons: []string{"does not answer", "then 4.1.2 failed too"}, runs: "4.1.2", starts: 2,
		},
	} {
		inBubble(t, name, func(t *testing.T) {
			h := newHost(t)
			h.behave["4.1.3"] = c.behave
			c.fault(h)
			out, err := h.engine().Run(t.Context(), "val1")
			if err != nil || out.Result != c.result {
				t.Fatalf("%+v, %v", out, err)
			}
			for _, reason := range c.reasons {
				if !strings.Contains(out.Reason, reason) {
					t.Errorf("reason %q lacks %q", out.Reason, reason)
				}
			}
			for _, reason := range []string{"putting ", "failed too"} {
				if strings.Contains(out.Reason, reason) && !strings.Contains(strings.Join(c.reasons, "; "), reason) {
					t.Errorf("reason %q has %q", out.Reason, reason)
				}
			}
			h.runs(c.runs, c.runs != "")
			if h.asked["start"] < c.starts {
				t.Errorf("%d starts were asked for, want %d", h.asked["start"], c.starts)
			}
			meta, err := h.files.Active(unitName)
			if inPlace := err == nil && meta.Generation == 1; inPlace != (c.result == RolledBack) {
				t.Errorf("%s, and generation %d is in place", out.Result, meta.Generation)
			}
			s, err := h.files.Load("val1")
			if err != nil || s.Intent != nil || s.LastRoll.Result != c.result {
				t.Errorf("state %+v, %v", s, err)
			}
			if _, skipped := s.Skips("sha256:4.1.3"); skipped != c.skipped {
				t.Errorf("skipped %v, want %v", skipped, c.skipped)
			}
		})
	}
}

func onlyUnits(name string) bool { return strings.HasSuffix(name, unitName) }

func remove(t *testing.T, name string) {
	if err := os.RemoveAll(name); err != nil {
		t.Error(err)
	}
}

// replace puts a file where a directory was.
func replace(t *testing.T, dir string) {
	remove(t, dir)
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Error(err)
	}
}

// The settings of a version that did not get in place are not left behind;
// those that an operator is editing are left alone.
func TestSettingsOnTheWayBack(t *testing.T) {
	inBubble(t, "of the new version", func(t *testing.T) {
		h := newHost(t)
		h.full = onlyUnits
		if out, err := h.engine().Run(t.Context(), "val1"); err != nil || out.Result != RolledBack {
			t.Fatalf("%+v, %v", out, err)
		}
		h.whole("4.1.2", true)
	})
	inBubble(t, "edited", func(t *testing.T) {
		h := newHost(t)
		const edited = "edited by hand\n"
		if err := os.WriteFile(h.files.settingsPath("val1"), []byte(edited), 0o600); err != nil {
			t.Fatal(err)
		}
		h.edit(func(s *State) { s.Intent.Begun, s.Intent.WasActive = true, true })
		if out, err := h.engine().Run(t.Context(), "val1"); err != nil || out.Result != RolledBack {
			t.Fatalf("%+v, %v", out, err)
		}
		if got := read(h.files.settingsPath("val1")); got != edited {
			t.Errorf("the settings are now %q", got)
		}
	})
}

// A state that cannot be saved is an error, but not a reason to stay down. The
// next engine takes the roll back.
func TestOutcomeCannotBeSaved(t *testing.T) {
	for name, c := range map[string]struct {
		behave behaviour
		runs   string
	}{
		"done":        {runs: "4.1.3"},
		"rolled back": {behave: liar, runs: "4.1.2"},
	} {
		inBubble(t, name, func(t *testing.T) {
			h := newHost(t)
			h.behave["4.1.3"] = c.behave
			h.on["stop"] = func() { h.full = func(name string) bool { return strings.HasSuffix(name, "state.json") } }
			if _, err := h.engine().Run(t.Context(), "val1"); !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("got %v", err)
			}
			h.runs(c.runs, true)
			h.full, h.on = nil, nil
			if out, err := h.engine().Run(t.Context(), "val1"); err != nil || out.Result != RolledBack {
				t.Fatalf("%+v, %v", out, err)
			}
			h.whole("4.1.2", true)
		})
	}
}

// A disk that is full of everything: the node runs all the same.
func TestDiskFull(t *testing.T) {
	inBubble(t, "after the switch", func(t *testing.T) {
		h := newHost(t)
		h.on["stop"] = func() { h.full = func(string) bool { return true } }
		if _, err := h.engine().Run(t.Context(), "val1"); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("got %v", err)
		}
		h.runs("4.1.3", true)
	})
	inBubble(t, "before the roll", func(t *testing.T) {
		h := newHost(t)
		h.full = func(string) bool { return true }
		if _, err := h.engine().Run(t.Context(), "val1"); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("got %v", err)
		}
		h.runs("4.1.2", true)
		if h.asked["stop"] != 0 {
			t.Error("it was stopped for a roll that could not be recorded")
		}
	})
}

func TestMissingGenerationChangesNothing(t *testing.T) {
	for _, number := range []int{1, 2} {
		h := newHost(t)
		remove(t, h.files.Dir("val1", number))
		out, err := h.engine().Run(t.Context(), "val1")
		if err != nil || out.Result != Failed {
			t.Fatalf("%+v, %v", out, err)
		}
		h.whole("4.1.2", true)
		if h.asked["stop"]+h.asked["start"] != 0 {
			t.Errorf("it was disturbed: %v", h.asked)
		}
	}
}

// Who cancels a roll finds the old version in place and, if the roll had
// stopped it, on its way up.
func TestCancel(t *testing.T) {
	for name, c := range map[string]struct {
		at      string // the call, or "probe", at which the request comes
		stopped bool   // the instance is stopped
		begun   bool   // by another engine, which died
		fault   func(h *host)
		result  string
		reason  string // after "the roll was cancelled"
		stops   int    // of the engine's own
		queued  int
		runs    string
	}{
		"before anything":        {at: "running", runs: "4.1.2"},
		"while it stops":         {at: "stop", stops: 2, queued: 1, runs: "4.1.2"},
		"before the stop":        {at: "reload", runs: "4.1.2"},
		"while it starts":        {at: "start", stops: 2, queued: 1, runs: "4.1.2"},
		"while it is probed":     {at: "probe", stops: 2, queued: 1, runs: "4.1.2"},
		"while it is stopped":    {at: "reload", stopped: true},
		"while it is taken back": {at: "running", begun: true, stops: 1, queued: 1, runs: "4.1.2"},
		"disabled by hand meanwhile": {
			at: "stop", stops: 1,
			fault: func(h *host) { h.run.Enabled = false; h.halt() },
		},
		"the host shuts down": {
			at: "probe", stops: 2, queued: 1,
			fault: func(h *host) { h.refuse["queue"] = errors.New("the transaction is destructive") },
		},
		"the stop fails": {
			at: "probe", stops: 2, queued: 1, runs: "4.1.3", reason: "; no stop",
			fault: func(h *host) { h.refuse["stop"] = errors.New("no stop") },
		},
		"the old version is gone": {
			at: "probe", stops: 1, queued: 1, runs: "4.1.3", result: Failed, reason: "; putting 4.1.2 back: ",
			fault: func(h *host) { remove(h.t, h.files.Dir("val1", 1)) },
		},
	} {
		inBubble(t, name, func(t *testing.T) {
			h := newHost(t)
			if c.stopped {
				h.halt()
			}
			if c.begun {
				h.edit(func(s *State) { s.Intent.Begun, s.Intent.WasActive, s.Intent.WasEnabled = true, true, true })
				if err := h.files.Activate("val1", unitName, 2); err != nil {
					t.Fatal(err)
				}
				h.reload()
			}
			ctx, cancel := context.WithCancel(t.Context())
			request := func() {
				if c.fault != nil && ctx.Err() == nil {
					c.fault(h)
				}
				cancel()
			}
			e := h.engine()
			h.on[c.at] = request
			e.Probe = func(ctx context.Context, m units.Meta) Answer {
				if c.at == "probe" && h.asked["start"] > 0 {
					request()
				}
				return h.probe(ctx, m)
			}
			out, err := e.Run(ctx, "val1")
			if err != nil || out.Result != orElse(c.result, Cancelled) || !strings.HasPrefix(out.Reason, "the roll was cancelled"+c.reason) {
				t.Fatalf("%+v, %v", out, err)
			}
			if c.reason == "" && out.Reason != "the roll was cancelled" {
				t.Errorf("reason %q", out.Reason)
			}
			if h.asked["stop"] != c.stops || h.asked["queue"] != c.queued {
				t.Errorf("%d stops, %d queued starts, want %d, %d", h.asked["stop"], h.asked["queue"], c.stops, c.queued)
			}
			h.runs(c.runs, c.runs != "")
			if c.reason == "" {
				s := h.whole("4.1.2", c.runs != "")
				if len(s.Skipped) != 0 {
					t.Errorf("skipped %v", s.Skipped)
				}
			}
		})
	}
}

// A request that comes when the roll is recorded, but nothing is stopped yet.
func TestCancelBeforeTheStop(t *testing.T) {
	h := newHost(t)
	ctx, cancel := context.WithCancel(t.Context())
	h.full = func(string) bool { cancel(); return false }
	out, err := h.engine().Run(ctx, "val1")
	if err != nil || out.Result != Cancelled || out.Reason != cancelled {
		t.Fatalf("%+v, %v", out, err)
	}
	h.whole("4.1.2", true)
	if h.asked["stop"]+h.asked["queue"]+h.asked["start"] != 0 {
		t.Errorf("the node was disturbed: %v", h.asked)
	}
}

// A way back that had started the old version already is not done again.
func TestCancelOnTheWayBack(t *testing.T) {
	inBubble(t, "old version starts", func(t *testing.T) {
		h := newHost(t)
		h.behave["4.1.3"] = liar
		ctx, cancel := context.WithCancel(t.Context())
		e := h.engine()
		e.Probe = func(ctx context.Context, m units.Meta) Answer {
			if h.process == "4.1.2" && h.asked["start"] > 1 {
				cancel()
			}
			return h.probe(ctx, m)
		}
		out, err := e.Run(ctx, "val1")
		if err != nil || out.Result != Cancelled {
			t.Fatalf("%+v, %v", out, err)
		}
		h.whole("4.1.2", true)
		if h.asked["stop"] != 2 || h.asked["queue"] != 0 {
			t.Errorf("%v", h.asked)
		}
	})
}

// A node that does not stop must not take the time that queueing its start
// needs.
func TestCancelIsBounded(t *testing.T) {
	inBubble(t, "stop hangs", func(t *testing.T) {
		h := newHost(t)
		h.behave["4.1.3"] = silent
		ctx, cancel := context.WithCancel(t.Context())
		e := h.engine()
		m := &hanging{host: h}
		e.Manager = m
		e.Probe = func(ctx context.Context, meta units.Meta) Answer {
			if h.asked["start"] > 0 {
				cancel()
				m.hang = true
			}
			return h.probe(ctx, meta)
		}
		began := time.Now()
		out, err := e.Run(ctx, "val1")
		if err != nil || out.Result != Cancelled {
			t.Fatalf("%+v, %v", out, err)
		}
		if took := time.Since(began); took >= abandonTimeout || h.asked["queue"] != 1 {
			t.Errorf("took %s, %d starts queued", took, h.asked["queue"])
		}
		if said := strings.Join(out.Evidence, "\n"); strings.Contains(said, "was not started") {
			t.Errorf("the start came too late:\n%s", said)
		}
	})
}

// hanging is a host on which a stop does not end.
type hanging struct {
	*host
	hang bool
}

func (m *hanging) Stop(ctx context.Context, unit string) error {
	if m.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return m.host.Stop(ctx, unit)
}

// With the wait for a start its job is given up, and systemd does not start
// again what was never started: it is queued once more.
func TestStartGivenUp(t *testing.T) {
	const agent = "aztec-prover-agent@a.service"
	inBubble(t, "the old version and an agent", func(t *testing.T) {
		h := newHost(t)
		h.others = map[string]bool{agent: true}
		h.behave["4.1.3"] = silent
		h.on["start"] = func() {
			if h.asked["start"] > 1 {
				<-time.After(DefaultGate.Start + time.Second)
			}
		}
		out, err := h.engine().Run(t.Context(), "val1")
		if err != nil || out.Result != RolledBack || !strings.Contains(out.Reason, "then 4.1.2 failed too: its start job was not done within") {
			t.Fatalf("%+v, %v", out, err)
		}
		h.whole("4.1.2", true)
		if !h.others[agent] || h.asked["queue"] != 2 {
			t.Errorf("the agent runs: %v, asked %v", h.others[agent], h.asked)
		}
		for _, unit := range []string{unitName, agent} {
			if !strings.Contains(strings.Join(out.Evidence, "\n"), "queueing a start of "+unit) {
				t.Errorf("not said of %s", unit)
			}
		}
	})
}
