package roll

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aztec-spartan/aztec-spartan/units"
)

// The engine is killed at each of its calls to the service manager and after
// each file it writes, one after the other; systemd starts another. Whatever
// the moment, one version is left, whole and running.
func TestKilledAtEveryStep(t *testing.T) {
	for name, c := range map[string]struct {
		behave behaviour // of the new version
		cancel bool      // the roll is cancelled while the new version is probed
		stops  bool      // and the stop of the old one fails
		steps  int       // that a roll has at least
	}{
		"good":      {steps: 11},
		"failing":   {behave: liar, steps: 17},
		"cancelled": {behave: silent, cancel: true, steps: 16},
		"no stop":   {stops: true, steps: 8},
	} {
		inBubble(t, name, func(t *testing.T) {
			for dieAt := 1; ; dieAt++ {
				h := newHost(t)
				h.dieAt = dieAt
				h.behave["4.1.3"] = c.behave
				if c.stops {
					h.refuse["stop"] = errors.New("no answer")
				}
				if !h.killed(c.cancel) {
					if dieAt <= c.steps {
						t.Errorf("a roll of %d steps: too short to be one", dieAt-1)
					}
					break
				}
				h.second(dieAt, c.behave != "")
			}
		})
	}
}

// second runs the engine that follows a killed one.
func (h *host) second(dieAt int, failing bool) {
	h.t.Helper()
	delete(h.refuse, "stop")
	// At boot or by Restart=, the manager reads the files anew.
	h.reload()
	// A roll that died after its last write has its outcome already.
	if _, err := h.engine().Run(h.t.Context(), "val1"); err != nil && !errors.Is(err, ErrNothingToDo) {
		h.t.Fatalf("killed at step %d: %v", dieAt, err)
	}
	s, err := h.files.Load("val1")
	if err != nil {
		h.t.Fatal(err)
	}
	want := "4.1.2"
	if s.LastRoll != nil && s.LastRoll.Result == Done {
		want = "4.1.3"
	}
	h.whole(want, true)
	if failing && want != "4.1.2" {
		h.t.Errorf("killed at step %d: the failing version is in place", dieAt)
	}
	if h.t.Failed() { // the next steps fail likewise
		h.t.Fatalf("killed at step %d", dieAt)
	}
}

// killed runs the engine until it dies and reports whether it did.
func (h *host) killed(cancelled bool) (died bool) {
	defer func() {
		if r := recover(); r != nil {
			if r != errKilled { //nolint:errorlint // a panic value, not an error chain
				panic(r)
			}
			died = true
		}
	}()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	e := h.engine()
	if cancelled {
		e.Probe = func(ctx context.Context, m units.Meta) Answer {
			if h.asked["start"] > 0 {
				cancel()
			}
			return h.probe(ctx, m)
		}
	}
	if _, err := e.Run(ctx, "val1"); err != nil {
		h.t.Fatal(err)
	}
	return false
}

// A run that dies while it adds a generation leaves none: the next one gets
// the same number, and nothing has changed meanwhile.
func TestKilledWhileAdding(t *testing.T) {
	add := func(h *host) error {
		s, err := h.files.Load("val1")
		if err != nil {
			return err
		}
		g := Generation{Number: s.Next(), Version: "4.1.4"}
		return h.files.Add("val1", &s, g, Content{Unit: []byte("u"), Env: []byte("e"), Instance: []byte("i")})
	}
	for dieAt := 1; dieAt <= 4; dieAt++ {
		t.Run(fmt.Sprint(dieAt), func(t *testing.T) {
			h := newHost(t)
			h.dieAt = dieAt
			func() {
				defer func() {
					if r := recover(); r != errKilled { //nolint:errorlint // a panic value, not an error chain
						t.Fatalf("died of %v", r)
					}
				}()
				t.Errorf("not killed: %v", add(h))
			}()
			if meta, err := h.files.Active(unitName); err != nil || meta.Generation != 1 {
				t.Fatalf("%+v, %v", meta, err)
			}
			s, err := h.files.Load("val1")
			if err != nil || len(s.Generations) != 2 && dieAt < 4 {
				t.Fatalf("%+v, %v", s.Generations, err)
			}
			if err := add(h); err != nil {
				t.Fatal(err)
			}
			s, _ = h.files.Load("val1")
			for _, g := range s.Generations {
				if _, err := h.files.Read("val1", g.Number); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// An engine takes back what another began, and trusts what that one knew
// unless the operator has decided otherwise since.
func TestTakeBack(t *testing.T) {
	for name, c := range map[string]struct {
		wasActive, wasEnabled bool
		active, enabled       bool
		placed                int // generation in place
		running               bool
	}{
		"stopped in the middle":           {wasActive: true, wasEnabled: true, enabled: true, placed: 2, running: true},
		"the new one runs":                {wasActive: true, wasEnabled: true, enabled: true, active: true, placed: 2, running: true},
		"stopped on purpose since":        {wasActive: true, wasEnabled: true, placed: 2},
		"disabled, but it runs":           {wasActive: true, wasEnabled: true, active: true, placed: 2, running: true},
		"never enabled":                   {wasActive: true, placed: 2, running: true},
		"was stopped":                     {wasEnabled: true, enabled: true, placed: 2},
		"was stopped, was started since":  {wasEnabled: true, enabled: true, active: true, placed: 2, running: true},
		"the old one is in place already": {wasActive: true, wasEnabled: true, enabled: true, placed: 1, running: true},
	} {
		inBubble(t, name, func(t *testing.T) {
			h := newHost(t)
			h.edit(func(s *State) {
				s.Intent.Begun, s.Intent.WasActive, s.Intent.WasEnabled = true, c.wasActive, c.wasEnabled
			})
			if err := h.files.Activate("val1", unitName, c.placed); err != nil {
				t.Fatal(err)
			}
			h.reload()
			h.halt()
			if c.active {
				_ = h.start()
			}
			h.run.Enabled = c.enabled
			out, err := h.engine().Run(t.Context(), "val1")
			if err != nil || out.Result != RolledBack || out.Reason != "the roll was interrupted" {
				t.Errorf("%+v, %v", out, err)
			}
			s := h.whole("4.1.2", c.running)
			if len(s.Skipped) != 0 {
				t.Errorf("skipped %v: nothing is known against it", s.Skipped)
			}
		})
	}
}

func TestBeginningRecordsWhatRan(t *testing.T) {
	for _, enabled := range []bool{false, true} {
		inBubble(t, fmt.Sprintf("enabled=%v", enabled), func(t *testing.T) {
			h := newHost(t)
			h.run.Enabled = enabled
			var in Intent
			h.on["stop"] = func() {
				s, err := h.files.Load("val1")
				if err != nil {
					t.Fatal(err)
				}
				in = *s.Intent
			}
			if _, err := h.engine().Run(t.Context(), "val1"); err != nil {
				t.Fatal(err)
			}
			want := Intent{Kind: Update, From: 1, To: 2, Gate: Gate{Timeout: 500 * time.Millisecond, Settle: time.Millisecond}, Begun: true, WasActive: true, WasEnabled: enabled}
			want.Gate = want.Gate.filled()
			if diff := cmp.Diff(want, in); diff != "" {
				t.Error(diff)
			}
		})
	}
}
