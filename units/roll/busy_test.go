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
