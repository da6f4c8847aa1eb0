package roll

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units"
)

func TestBusy(t *testing.T) {
	const wait = time.Minute
	for name, c := range map[string]struct {
		busyFor time.Duration
		plan    BusyPlan
		stopped bool   // the instance does not run
		cancel  bool   // while it waits
		result  string // of the roll
		took    time.Duration
		says    string
	}{
		"idle":               {0, BusyPlan{Wait: wait}, false, false, Done, 0, ""},
		"for a while":        {20 * time.Second, BusyPlan{Wait: wait}, false, false, Done, 20 * time.Second, "not busy any more"},
		"too long, gives up": {time.Hour, BusyPlan{Wait: wait, GiveUp: true}, false, false, Busy, wait, "proves"},
		"too long, goes on":  {time.Hour, BusyPlan{Wait: wait}, false, false, Done, wait, "going on"},
		"not asked":          {time.Hour, BusyPlan{}, false, false, Done, 0, ""},
		"stopped":            {time.Hour, BusyPlan{Wait: wait, GiveUp: true}, true, false, Done, 0, ""},
		"cancelled":          {time.Hour, BusyPlan{Wait: wait, GiveUp: true}, false, true, Cancelled, 0, ""},
	} {
		inBubble(t, name, func(t *testing.T) {
			h := newHost(t)
			h.edit(func(s *State) { s.Intent.Busy = c.plan })
			if c.stopped {
				h.halt()
			}
			began, ctx := time.Now(), t.Context()
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			e := h.engine()
			e.Busy = func(_ context.Context, m units.Meta) string {
				if c.cancel {
					cancel()
				}
				if m.Version != "4.1.2" {
					t.Errorf("asked of %s", m.Version)
				}
				if time.Since(began) < c.busyFor {
					return "an agent proves"
				}
				return ""
			}
			var gone time.Duration
			h.on["stop"] = func() { gone = time.Since(began) }
			out, err := e.Run(ctx, "val1")
			if err != nil || out.Result != c.result {
				t.Fatalf("%+v, %v", out, err)
			}
			want := "4.1.2"
			if c.result == Done {
				want = "4.1.3"
			} else {
				gone = time.Since(began)
				if h.asked["stop"] > 0 {
					t.Error("it was stopped")
				}
			}
			if s := h.whole(want, !c.stopped); len(s.Skipped) != 0 {
				t.Errorf("skipped %v", s.Skipped)
			}
			if gone < c.took || gone > c.took+askBusyEvery {
				t.Errorf("stopped after %s, want %s", gone, c.took)
			}
			if said := strings.Join(out.Evidence, "\n") + out.Reason; !strings.Contains(said, c.says) {
				t.Errorf("said %s", said)
			}
		})
	}
}

// Who stops the node before the roll does wants it down, whatever the version.
func TestStoppedBeforeTheStop(t *testing.T) {
	const agent = "aztec-prover-agent@a.service"
	for name, c := range map[string]struct {
		change func(h *host) // while the roll waits for the node
		result string
		runs   bool
	}{
		"inactive": {func(h *host) { h.halt() }, Cancelled, false},
		"failed":   {func(h *host) { h.run.ActiveState, h.run.PID = "failed", 0 }, Cancelled, false},
		"stopping": {func(h *host) {
			h.run.ActiveState, h.run.PID = "deactivating", 0
			over := time.Now().Add(20 * time.Second)
			h.on["running"] = func() {
				if h.run.ActiveState == "deactivating" && time.Now().After(over) {
					h.halt()
				}
			}
		}, Cancelled, false},
		"outdated": {func(h *host) {
			h.run.ActiveState, h.run.PID, h.run.Outdated = "failed", 0, true
		}, Done, true},
		"crashed, and runs again": {func(h *host) { h.run.Invocation, h.run.PID, h.run.Restarts = "7", 777, 1 }, Done, true},
		"disabled, and runs":      {func(h *host) { h.run.Enabled = false }, Done, true},
		"an agent was started":    {func(h *host) { h.others[agent] = true }, Done, true},
	} {
		inBubble(t, name, func(t *testing.T) {
			h := newHost(t)
			h.others = map[string]bool{agent: false}
			h.edit(func(s *State) { s.Intent.Busy = BusyPlan{Wait: time.Minute} })
			e := h.engine()
			asked := 0
			e.Busy = func(context.Context, units.Meta) string {
				if asked++; asked == 1 {
					return "an agent proves"
				}
				if asked == 2 {
					c.change(h)
				}
				return ""
			}
			out, err := e.Run(t.Context(), "val1")
			if err != nil || out.Result != c.result {
				t.Fatalf("%+v, %v", out, err)
			}
			want, starts := "4.1.3", 2
			if !c.runs {
				want, starts = "4.1.2", 1
				if !strings.Contains(out.Reason, "stopped by somebody else") {
					t.Errorf("the reason is %s", out.Reason)
				}
			}
			if s := h.whole(want, c.runs); len(s.Skipped) != 0 || h.starts != starts {
				t.Errorf("skipped %v, %d starts", s.Skipped, h.starts)
			}
			if name == "an agent was started" && !h.others[agent] {
				t.Error("the agent does not run any more")
			}
		})
	}
}

// While data are copied the node is stopped anyway: that it was disabled, too,
// is what is seen of who stops it.
func TestDisabledBeforeTheStart(t *testing.T) {
	inBubble(t, "disabled", func(t *testing.T) {
		h := newHost(t)
		h.edit(func(s *State) { s.Intent.Data.Method = DataCopy })
		h.on["stop"] = func() { h.run.Enabled = false }
		out, err := h.engine().Run(t.Context(), "val1")
		if err != nil || out.Result != Cancelled || !strings.Contains(out.Reason, "stopped by somebody else") {
			t.Fatalf("%+v, %v", out, err)
		}
		if s := h.whole("4.1.2", false); len(s.Skipped) != 0 || h.starts != 1 {
			t.Errorf("skipped %v, %d starts", s.Skipped, h.starts)
		}
	})
}
