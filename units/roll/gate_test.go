package roll

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units"
)

// epoch is that of mainnet.
const epoch = 38 * time.Minute

// The longest stop, twice, and the gate for both versions: what is left of an
// epoch is for who has to see to it.
func TestDefaultGateFitsAnEpoch(t *testing.T) {
	const longestStop = 3 * time.Minute
	if all := 2 * (DefaultGate.Total() + longestStop); all > epoch*3/4 {
		t.Errorf("a roll and its way back take up to %s", all)
	}
}

func TestGateLimits(t *testing.T) {
	g := DefaultGate.Within(20 * time.Second)
	if want := (Gate{DefaultGate.Start, 20 * time.Second, 20 * time.Second, 20 * time.Second, DefaultGate.Settle}); g != want {
		t.Errorf("got %+v", g)
	}
	if got := (Gate{Timeout: time.Second, Settle: time.Minute}).filled(); got != (Gate{DefaultGate.Start, time.Second, time.Second, time.Second, time.Minute}) {
		t.Errorf("of an older program: %+v", got)
	}
	if got := g.filled(); got != g {
		t.Errorf("a whole one was changed: %+v", got)
	}
}

func ptr(n int) *int { return &n }

// chain is a node that follows one: what it answers from its start on, once a
// second.
func chain(answers ...Answer) []Answer {
	for i := range answers {
		answers[i].Follows = true
		answers[i].Version = "4.1.3"
	}
	return answers
}

var (
	tip     = Answer{Healthy: true, AtTip: true}
	syncing = Answer{Healthy: true, Reason: "is at block 5; its world state is behind"}
	mute    = Answer{Reason: "RPC does not answer"}
	standby = Answer{Standby: true, Reason: "no node behind it"}
)

func at(a Answer, block uint64) Answer {
	a.Head.Block = block
	return a
}

func with(a Answer, peers int) Answer {
	a.P2P, a.Peers = true, ptr(peers)
	return a
}

// The gate in its phases: what a new version does, measured by what the old
// one did.
func TestGatePhases(t *testing.T) {
	l1 := func(s int64) Answer { return Answer{Healthy: true, Head: Head{Block: 5, L1: time.Unix(s, 0)}} }
	gate := Gate{Start: 10 * time.Second, Timeout: 20 * time.Second, Progress: 30 * time.Second, Peers: 15 * time.Second, Settle: 5 * time.Second}
	for name, c := range map[string]struct {
		was    []Answer // of the old version, before the roll; the last one for ever
		now    []Answer // of the new one
		to     string   // its version; default 4.1.3
		result string
		reason string
		phases string        // of the new version: name=result
		within time.Duration // the gate's decision
	}{
		"good": {
			was: chain(at(tip, 5)), now: chain(mute, mute, at(tip, 5), at(tip, 6)),
			result: Done, phases: "job=passed invocation=passed rpc=passed progress=passed settle=passed", within: 8 * time.Second,
		},
		"no progress": {
			was: chain(at(tip, 5)), now: chain(at(tip, 5)),
			result: RolledBack, reason: "no progress within 30s: at block 5 all the time",
			phases: "job=passed invocation=passed rpc=passed progress=failed", within: 31 * time.Second,
		},
		"slow but fine sync": {
			was: chain(at(tip, 5)), now: chain(at(syncing, 2), at(syncing, 3), at(syncing, 4)),
			result: Done, phases: "job=passed invocation=passed rpc=passed progress=passed settle=passed", within: 6 * time.Second,
		},
		"only L1 is followed": {
			was: chain(at(tip, 5)), now: chain(l1(100), l1(100), l1(112)),
			result: Done, phases: "job=passed invocation=passed rpc=passed progress=passed settle=passed", within: 6 * time.Second,
		},
		"no progress before either": {
			was: chain(at(syncing, 5)), now: chain(at(syncing, 5)),
			result: Done, phases: "job=passed invocation=passed rpc=passed progress=waived settle=passed", within: 31 * time.Second,
		},
		"a sync that moved stands still": {
			was: chain(at(syncing, 5), at(syncing, 6), at(syncing, 7)), now: chain(at(syncing, 7)),
			result: RolledBack, reason: "no progress within 30s", phases: "job=passed invocation=passed rpc=passed progress=failed", within: 31 * time.Second,
		},
		"peers after a while": {
			was: chain(with(at(tip, 5), 3)), now: chain(with(at(tip, 5), 0), with(at(tip, 6), 0), with(at(tip, 6), 1)),
			result: Done, phases: "job=passed invocation=passed rpc=passed progress=passed peers=passed settle=passed", within: 6 * time.Second,
		},
		"no peers": {
			was: chain(with(at(tip, 5), 3)), now: chain(with(at(tip, 5), 0), with(at(tip, 6), 0)),
			result: RolledBack, reason: "no peers within 15s", phases: "job=passed invocation=passed rpc=passed progress=passed peers=failed", within: 16 * time.Second,
		},
		"no peers before either": {
			was: chain(with(at(tip, 5), 0)), now: chain(with(at(tip, 5), 0), with(at(tip, 6), 0)),
			result: Done, phases: "job=passed invocation=passed rpc=passed progress=passed peers=waived settle=passed", within: 16 * time.Second,
		},
		"does not say its peers": {
			was: chain(at(tip, 5)), now: chain(Answer{Healthy: true, P2P: true}, Answer{Healthy: true, P2P: true, Head: Head{Block: 1}}),
			result: Done, phases: "job=passed invocation=passed rpc=passed peers=passed progress=passed settle=passed", within: 6 * time.Second,
		},
		"silent as before": {
			was: chain(mute), now: chain(mute),
			result: Done, phases: "job=passed invocation=passed rpc=waived", within: 21 * time.Second,
		},
		"silent, and was not": {
			was: chain(at(tip, 5)), now: chain(mute),
			result: RolledBack, reason: "not healthy within 20s: RPC does not answer", phases: "job=passed invocation=passed rpc=failed", within: 21 * time.Second,
		},
		"standby before a cutover": {
			was: chain(at(tip, 5)), now: chain(mute, standby), to: "5.0.0",
			result: Waiting, reason: "in standby: no node behind it", phases: "job=passed invocation=passed rpc=waiting", within: 21 * time.Second,
		},
		"standby within a major version": {
			was: chain(at(tip, 5)), now: chain(standby),
			result: RolledBack, reason: "no node behind it", phases: "job=passed invocation=passed rpc=failed", within: 21 * time.Second,
		},
		"standby as before": {
			was: chain(standby), now: chain(standby),
			result: Waiting, reason: "in standby", phases: "job=passed invocation=passed rpc=waiting", within: 21 * time.Second,
		},
		"shuts itself down": {
			was: chain(at(tip, 5)), now: chain(at(tip, 5), at(tip, 6), standby),
			result: RolledBack, reason: "shut down what is behind its RPC",
			phases: "job=passed invocation=passed rpc=passed progress=passed settle=failed", within: 3 * time.Second,
		},
		"does not stay healthy": {
			was: chain(at(tip, 5)), now: chain(at(tip, 5), at(tip, 6), mute),
			result: RolledBack, reason: "did not stay healthy for 5s: RPC does not answer",
			phases: "job=passed invocation=passed rpc=passed progress=passed settle=failed", within: 36 * time.Second,
		},
	} {
		inBubble(t, name, func(t *testing.T) {
			h := newHost(t)
			to := orElse(c.to, "4.1.3")
			h.edit(func(s *State) {
				s.Intent.Gate = gate
				s.Generations[slices.IndexFunc(s.Generations, func(g Generation) bool { return g.Number == 2 })].Version = to
			})
			var stopped, decided time.Time
			h.on["stop"] = func() {
				if stopped.IsZero() {
					stopped = time.Now()
				} else {
					decided = time.Now()
				}
			}
			began := time.Now()
			h.answer = func(units.Meta) Answer {
				list, since := c.was, began
				switch {
				case !decided.IsZero(): // the old one is back, and as it was
					list, since = append(slices.Clone(c.was), at(c.was[len(c.was)-1], 1000)), decided
				case !stopped.IsZero():
					list, since = c.now, stopped
				}
				return list[min(int(time.Since(since)/time.Second), len(list)-1)]
			}
			out, err := h.engine().Run(t.Context(), "val1")
			if err != nil || out.Result != c.result || !strings.Contains(out.Reason, c.reason) {
				t.Fatalf("%+v, %v", out, err)
			}
			if decided.IsZero() {
				decided = time.Now()
			}
			var phases []string
			for _, p := range out.Phases {
				if p.Version == "4.1.3" {
					phases = append(phases, p.Name+"="+p.Result)
				}
			}
			if got := strings.Join(phases, " "); got != c.phases {
				t.Errorf("phases %s\n  want %s", got, c.phases)
			}
			if took := decided.Sub(stopped); took > c.within {
				t.Errorf("decided after %s, want %s", took, c.within)
			}
			if out.Result == RolledBack && (out.Environment || h.process != "4.1.2") {
				t.Errorf("%s runs; environment %v: %s", h.process, out.Environment, out.Reason)
			}
		})
	}
}

// Every phase is an event with a number and fields; so are beginning and end.
func TestEvents(t *testing.T) {
	h := newHost(t)
	h.behave["4.1.3"] = liar
	var events []Event
	e := h.engine()
	e.Note = func(ev Event) { events = append(events, ev) }
	if out, err := e.Run(t.Context(), "val1"); err != nil || out.Result != RolledBack {
		t.Fatalf("%+v, %v", out, err)
	}
	var got []string
	for _, ev := range events {
		f := ev.Fields
		if f["AZTEC_INSTANCE"] != "val1" || f["AZTEC_UNIT"] != unitName || f["AZTEC_FROM"] != "4.1.2" || f["AZTEC_TO"] != "4.1.3" || f["AZTEC_KIND"] != Update || ev.Line == "" {
			t.Errorf("%+v", ev)
		}
		got = append(got, ev.ID[:4]+" "+f["AZTEC_VERSION"]+" "+f["AZTEC_PHASE"]+" "+f["AZTEC_RESULT"])
	}
	want := []string{
		EventBegun[:4] + "   ",
		EventPhase[:4] + " 4.1.3 job passed", EventPhase[:4] + " 4.1.3 invocation passed", EventPhaseFell[:4] + " 4.1.3 rpc failed",
		EventPhase[:4] + " 4.1.2 job passed", EventPhase[:4] + " 4.1.2 invocation passed", EventPhase[:4] + " 4.1.2 rpc passed", EventPhase[:4] + " 4.1.2 settle passed",
		EventRolledBack[:4] + "   rolled-back",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A stop by hand is one however early it comes, and however it ends.
func TestStopByHandAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		after     Running // the stop; Enabled is as it was, and Invocation, unless
		forgotten bool
		looks     int // of the gate, before it
	}{
		"before the first look":             {Running{ActiveState: "inactive", SubState: "dead"}, false, 0},
		"and forgotten":                     {Running{ActiveState: "inactive", SubState: "dead"}, true, 0},
		"killed, before the first look":     {Running{ActiveState: "failed", SubState: "failed", Halted: true, Exit: "was killed by signal 9"}, false, 0},
		"killed when it would not end":      {Running{ActiveState: "failed", SubState: "failed", Halted: true, Exit: "was killed by signal 9"}, false, 1},
		"an error of its own, when stopped": {Running{ActiveState: "failed", SubState: "failed", Halted: true, Exit: "exited with code 1"}, false, 1},
	} {
		inBubble(t, name, func(t *testing.T) {
			h := newHost(t)
			h.edit(func(s *State) { s.Intent.Gate = Gate{Timeout: time.Minute, Settle: 10 * time.Second} })
			looks := 0
			h.on["running"] = func() {
				if h.process != "4.1.3" || h.run.ActiveState != "active" {
					return
				}
				if looks++; looks > c.looks {
					invocation := h.run.Invocation
					h.halt()
					if h.run, h.run.Enabled = c.after, true; !c.forgotten {
						h.run.Invocation = invocation
					}
				}
			}
			out, err := h.engine().Run(t.Context(), "val1")
			if err != nil || out.Result != Cancelled || !strings.Contains(out.Reason, "stopped by somebody else") {
				t.Fatalf("%+v, %v", out, err)
			}
			if s := h.whole("4.1.2", false); len(s.Skipped) != 0 || h.starts != 2 {
				t.Errorf("skipped %v, %d starts", s.Skipped, h.starts)
			}
		})
	}
}

// A unit that systemd did not start, as a condition of it does not hold, was
// stopped by nobody.
func TestNotStartedIsNotStopped(t *testing.T) {
	inBubble(t, "condition", func(t *testing.T) {
		h := newHost(t)
		h.on["running"] = func() {
			if h.process == "4.1.3" && h.run.ActiveState == "active" {
				h.halt()
				h.run.Invocation, h.run.Unmet = "1", true // of the old version
			}
		}
		out, err := h.engine().Run(t.Context(), "val1")
		if err != nil || out.Result != RolledBack || !strings.Contains(out.Reason, "the unit has not started") {
			t.Fatalf("%+v, %v", out, err)
		}
		h.whole("4.1.2", true)
	})
}

// A stop by hand takes its time. Meanwhile the node has no process any more,
// or does not answer as before: neither is held against the version.
func TestStopByHandInTheGate(t *testing.T) {
	for name, pid := range map[string]uint32{"its process is gone": 0, "its process is ending": 102} {
		inBubble(t, name, func(t *testing.T) {
			h := newHost(t)
			h.edit(func(s *State) { s.Intent.Gate = Gate{Timeout: time.Minute, Settle: 10 * time.Second} })
			var stopping time.Time
			h.on["running"] = func() {
				switch {
				case h.process != "4.1.3" || h.run.ActiveState == "inactive":
				case stopping.IsZero() && h.asked["running"] > 20:
					stopping, h.run.ActiveState, h.run.SubState, h.run.PID = time.Now(), "deactivating", "stop-sigterm", pid
				case !stopping.IsZero() && time.Since(stopping) > 20*time.Second:
					h.halt()
				}
			}
			e := h.engine()
			e.Probe = func(_ context.Context, m units.Meta) Answer {
				if stopping.IsZero() {
					return Answer{Version: m.Version, Healthy: true}
				}
				return Answer{Version: m.Version, Standby: true, Reason: "no node behind it"}
			}
			out, err := e.Run(t.Context(), "val1")
			if err != nil || out.Result != Cancelled || !strings.Contains(out.Reason, "stopped by somebody else") {
				t.Fatalf("%+v, %v", out, err)
			}
			if s := h.whole("4.1.2", false); len(s.Skipped) != 0 || h.starts != 2 {
				t.Errorf("skipped %v, %d starts", s.Skipped, h.starts)
			}
		})
	}
}

// A node that somebody restarts while it is judged is judged anew: that says
// nothing against its version. Who does it without an end ends the patience, and
// who stops it has stopped it.
func TestRestartedWhileItIsJudged(t *testing.T) {
	const slow = 2 * time.Second // it starts after something else
	for name, c := range map[string]struct {
		times  int
		takes  time.Duration
		killed bool // it did not stop in its time
		stops  bool // in the middle of the last
		result string
	}{
		"once":             {1, 0, false, false, Done},
		"three times":      {3, 0, false, false, Done},
		"slowly":           {1, slow, false, false, Done},
		"slowly, one deaf": {1, slow, true, false, Done},
		"without an end":   {1000, 0, false, false, RolledBack},
		"and stopped":      {1, slow, false, true, Cancelled},
	} {
		inBubble(t, name, func(t *testing.T) {
			h := newHost(t)
			h.edit(func(s *State) { s.Intent.Gate.Settle = 5 * time.Second })
			last, restarts := time.Now(), 0
			h.on["running"] = func() { // every three seconds, once the new version runs
				switch since := time.Since(last); {
				case h.run.Queued && since >= c.takes && c.stops && restarts == c.times:
					h.run.Queued = false
				case h.run.Queued && since >= c.takes:
					_ = h.start()
				case h.process == "4.1.3" && h.run.ActiveState == "active" && restarts < c.times && since >= 3*time.Second:
					last = time.Now()
					restarts++
					h.run.ActiveState, h.run.SubState, h.run.PID, h.run.Queued = "inactive", "dead", 0, true
					if c.killed {
						h.run.ActiveState, h.run.SubState, h.run.Halted = "failed", "failed", true
					}
				}
			}
			out, err := h.engine().Run(t.Context(), "val1")
			if err != nil || out.Result != c.result || c.stops && out.Reason != ErrStopped.Error() {
				t.Fatalf("%+v, %v", out, err)
			}
			s := h.whole(map[string]string{Done: "4.1.3", RolledBack: "4.1.2", Cancelled: "4.1.2"}[c.result], !c.stops)
			if c.result != RolledBack && (restarts != c.times || len(s.Skipped) != 0) {
				t.Errorf("%d restarts, skipped %v", restarts, s.Skipped)
			}
		})
	}
}

// One that is about to start when the roll begins, as in a boot, or in the middle
// of somebody's restart, is none that is stopped.
func TestAboutToStartWhenItBegins(t *testing.T) {
	inBubble(t, "about to start", func(t *testing.T) {
		h := newHost(t)
		h.run.ActiveState, h.run.SubState, h.run.PID, h.run.Queued = "inactive", "dead", 0, true
		began := time.Now()
		h.on["running"] = func() {
			if time.Since(began) > 20*time.Second {
				h.on["running"] = nil
				_ = h.start()
			}
		}
		if out, err := h.engine().Run(t.Context(), "val1"); err != nil || out.Result != Done {
			t.Fatalf("%+v, %v", out, err)
		}
		h.whole("4.1.3", true)
	})
}

// One that has ended by itself is in the middle of a restart, too, when it is
// looked at late: systemd has counted that.
func TestCrashedWhileItIsJudged(t *testing.T) {
	inBubble(t, "seen late", func(t *testing.T) {
		h := newHost(t)
		h.edit(func(s *State) { s.Intent.Gate.Settle = 5 * time.Second })
		var up time.Time
		crashed := false
		h.on["running"] = func() {
			switch {
			case h.process != "4.1.3":
			case up.IsZero():
				up = time.Now()
			case !crashed && time.Since(up) > 2*time.Second:
				crashed = true
				h.run.ActiveState, h.run.SubState, h.run.PID, h.run.Restarts, h.run.Queued = "inactive", "dead", 0, 1, true
				h.run.Exit = "exited with code 1"
			case h.run.Queued:
				_ = h.start()
			}
		}
		out, err := h.engine().Run(t.Context(), "val1")
		if err != nil || out.Result != RolledBack || !strings.Contains(out.Reason, "the node exited with code 1 and was restarted") {
			t.Fatalf("%+v, %v", out, err)
		}
		if s := h.whole("4.1.2", true); len(s.Skipped) != 1 {
			t.Errorf("skipped %v", s.Skipped)
		}
	})
}
