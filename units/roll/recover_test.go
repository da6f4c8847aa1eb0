package roll

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The power is cut at each step of a roll, and once more at each step of the
// recovery at boot. Whatever the moment, what starts at boot is one whole
// version, the old one unless the roll was over, and the judge of what runs
// stops and starts nothing.
func TestPowerCutAtEveryStep(t *testing.T) {
	for name, c := range map[string]struct {
		behave behaviour
		data   bool // that the new version empties
	}{"good": {}, "failing": {behave: liar}, "failing, with data": {liar, true}} {
		inBubble(t, name, func(t *testing.T) {
			for cut := 1; ; cut++ {
				h := newHost(t)
				if c.data {
					h = hostWithData(t, Update, DataCopy)
				}
				h.dieAt, h.behave["4.1.3"] = cut, c.behave
				if !h.killed(false) {
					break
				}
				for again := 1; ; again++ {
					h.halt()
					h.reload()
					h.steps, h.dieAt = 0, again
					if !h.recoverKilled() {
						break
					}
				}
				h.dieAt = 0
				h.booted(cut)
				if c.data {
					h.data.are("4.1.2")
					if slices.Contains(h.data.lost, "4.1.2") {
						t.Fatalf("cut at step %d: the old version was started on data of another", cut)
					}
				}
			}
		})
	}
}

// recoverKilled recovers val1 until it is killed, and reports whether it was.
func (h *host) recoverKilled() (died bool) {
	defer func() {
		if r := recover(); r != nil {
			if r != errKilled { //nolint:errorlint // a panic value, not an error chain
				panic(r)
			}
			died = true
		}
	}()
	if _, err := h.engine().Recover(h.t.Context(), "val1"); err != nil {
		h.t.Fatal(err)
	}
	return false
}

// booted is what follows the recovery: the boot starts the node, and then the
// judge comes.
func (h *host) booted(cut int) {
	h.t.Helper()
	meta, err := h.files.Active(unitName)
	s, serr := h.files.Load("val1")
	if err != nil || serr != nil {
		h.t.Fatal(err, serr)
	}
	want := "4.1.2"
	if s.LastRoll != nil && s.LastRoll.Result == Done {
		want = "4.1.3"
	}
	if meta.Version != want || h.loaded.Version != want {
		h.t.Fatalf("cut at step %d: the boot starts %s, loaded %s, want %s", cut, meta.Version, h.loaded.Version, want)
	}
	_ = h.start()
	starts, stops := h.starts, h.asked["stop"]
	out, err := h.engine().Run(h.t.Context(), "val1")
	if err != nil && !errors.Is(err, ErrNothingToDo) {
		h.t.Fatal(err)
	}
	if err == nil && out.Result != RolledBack {
		h.t.Errorf("cut at step %d: %+v", cut, out)
	}
	if h.starts != starts || h.asked["stop"] != stops {
		h.t.Errorf("cut at step %d: the judge disturbed the node", cut)
	}
	if s.Intent != nil || s.LastRoll != nil { // else nothing had begun
		h.whole(want, true)
	}
	if h.t.Failed() {
		h.t.FailNow()
	}
}

func TestRecover(t *testing.T) {
	for name, c := range map[string]struct {
		begun, running, enabled bool
		fault                   func(h *host)
		changed, fails          bool
		placed                  string // version afterwards
		up                      bool   // it runs when it was judged
	}{
		"nothing was begun":             {enabled: true, placed: "4.1.3"},
		"in the middle":                 {begun: true, enabled: true, changed: true, placed: "4.1.2", up: true},
		"not enabled, so not started":   {begun: true, changed: true, placed: "4.1.2"},
		"it runs: left to the engine":   {begun: true, running: true, enabled: true, placed: "4.1.3", up: true},
		"the old generation is gone":    {begun: true, enabled: true, fault: func(h *host) { remove(h.t, h.files.Dir("val1", 1)) }, changed: true, fails: true, placed: "4.1.3"},
		"the disk is full for the unit": {begun: true, enabled: true, fault: func(h *host) { h.full = onlyUnits }, changed: true, fails: true, placed: "4.1.3"},
		"the disk is full for the state": {
			begun: true, enabled: true, changed: true, fails: true, placed: "4.1.2", up: true,
			fault: func(h *host) { h.full = func(name string) bool { return strings.HasSuffix(name, "state.json") } },
		},
	} {
		inBubble(t, name, func(t *testing.T) {
			h := newHost(t)
			if err := h.files.Activate("val1", unitName, 2); err != nil {
				t.Fatal(err)
			}
			h.edit(func(s *State) { s.Intent.Begun, s.Intent.WasActive, s.Intent.WasEnabled = c.begun, true, true })
			h.reload()
			h.run.Enabled = c.enabled
			h.process = "4.1.3"
			if !c.running {
				h.halt()
			}
			if c.fault != nil {
				c.fault(h)
			}
			changed, err := h.engine().Recover(t.Context(), "val1")
			if changed != c.changed || (err != nil) != c.fails {
				t.Fatalf("changed %v, %v", changed, err)
			}
			if h.asked["start"]+h.asked["stop"]+h.asked["queue"] != 0 {
				t.Errorf("it started or stopped something: %v", h.asked)
			}
			if meta, err := h.files.Active(unitName); err != nil || meta.Version != c.placed {
				t.Errorf("%s is in place, %v", meta.Version, err)
			}
			if s, _ := h.files.Load("val1"); (s.Intent != nil) != c.begun || s.Intent != nil && s.Intent.Recovered != (c.changed && !c.fails) {
				t.Errorf("intent %+v", s.Intent)
			}
			if !c.begun || c.placed != "4.1.2" {
				return
			}
			h.full = nil
			if c.enabled {
				_ = h.start() // as the boot does
			}
			if out, err := h.engine().Run(t.Context(), "val1"); err != nil || out.Result != RolledBack || out.Reason != "the roll was interrupted" {
				t.Errorf("%+v, %v", out, err)
			}
			h.runs("4.1.2", c.up)
		})
	}
}

// An instance without a state, or with one that cannot be read, is left alone.
func TestRecoverNothing(t *testing.T) {
	h := newHost(t)
	if changed, err := h.engine().Recover(t.Context(), "val2"); changed || err != nil {
		t.Errorf("%v, %v", changed, err)
	}
	if err := h.files.put(h.files.statePath("val1"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	unit := read(filepath.Join(h.files.Systemd, unitName))
	if changed, err := h.engine().Recover(t.Context(), "val1"); changed || err == nil {
		t.Errorf("%v, %v", changed, err)
	}
	if diff := cmp.Diff(unit, read(filepath.Join(h.files.Systemd, unitName))); diff != "" {
		t.Error(diff)
	}
}

// Who stops the node in the middle of a roll finds the old version in place,
// and the node stopped.
func TestStoppedInTheMiddle(t *testing.T) {
	inBubble(t, "by systemctl", func(t *testing.T) {
		h := newHost(t)
		h.behave["4.1.3"] = silent
		e := h.engine()
		e.Probe = h.probe
		h.on["running"] = func() {
			if h.asked["start"] == 1 && h.asked["running"] > 4 {
				h.halt()
			}
		}
		out, err := e.Run(t.Context(), "val1")
		if err != nil || out.Result != Cancelled || !strings.Contains(out.Reason, "stopped by somebody else") {
			t.Fatalf("%+v, %v", out, err)
		}
		if s := h.whole("4.1.2", false); len(s.Skipped) != 0 {
			t.Errorf("skipped %v", s.Skipped)
		}
		if h.asked["start"] != 1 {
			t.Errorf("%v", h.asked)
		}
	})
}

// What systemd stops with an instance comes back with it: with the new
// version, with the old one, and when the roll is cancelled.
func TestDependents(t *testing.T) {
	const agent, idle = "aztec-prover-agent@a.service", "aztec-prover-agent@b.service"
	for name, behave := range map[string]behaviour{"done": "", "rolled back": liar} {
		inBubble(t, name, func(t *testing.T) {
			h := newHost(t)
			h.behave["4.1.3"] = behave
			h.others = map[string]bool{agent: true, idle: false}
			out, err := h.engine().Run(t.Context(), "val1")
			if err != nil || (behave == "") != out.Succeeded() {
				t.Fatalf("%+v, %v", out, err)
			}
			if !h.others[agent] || h.others[idle] {
				t.Errorf("afterwards: %v", h.others)
			}
			if !strings.Contains(strings.Join(out.Evidence, "\n"), agent+" was stopped with") {
				t.Errorf("not said:\n%s", strings.Join(out.Evidence, "\n"))
			}
		})
	}
}

// A stop cancels the start job that the engine waits for: of the new version,
// or of the old one on the way back. Either stays stopped, and what needs it.
func TestStoppedInTheStart(t *testing.T) {
	const agent = "aztec-prover-agent@a.service"
	for name, c := range map[string]struct {
		behave behaviour // of the new version
		starts int       // that were asked for
	}{
		"the new version": {"", 1},
		"the old version": {silent, 2},
	} {
		inBubble(t, name, func(t *testing.T) {
			h := newHost(t)
			h.behave["4.1.3"] = c.behave
			h.others = map[string]bool{agent: true}
			h.on["start"] = func() {
				if h.asked["start"] == c.starts {
					h.refuse["start"] = fmt.Errorf("%w: the job was cancelled", ErrStopped)
				}
			}
			out, err := h.engine().Run(t.Context(), "val1")
			if err != nil || out.Result != Cancelled {
				t.Fatalf("%+v, %v", out, err)
			}
			if s := h.whole("4.1.2", false); len(s.Skipped) != 0 || h.asked["start"] != c.starts || h.asked["queue"] != 0 {
				t.Errorf("skipped %v, asked %v", s.Skipped, h.asked)
			}
			for _, p := range out.Phases {
				if p.Name == PhaseJob && p.Result == Fell {
					t.Errorf("it is held against %s: %s", p.Version, p.Evidence)
				}
			}
		})
	}
}
