package roll

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units/data"
)

// One job replaces the old version only where nothing is done, or looked at,
// while no version runs.
func TestReplacedByOneJob(t *testing.T) {
	for name, c := range map[string]struct {
		change func(h *host)
		jobs   string
	}{
		"no data":               {func(*host) {}, "restart"},
		"data stay as they are": {func(h *host) { h.data = newStores(h.t); h.data.put("archiver/data.mdb", "4.1.3") }, "restart"},
		"data are kept":         {func(h *host) { h.edit(func(s *State) { s.Intent.Data.Method = DataCopy }) }, "stop start"},
		"a set is kept":         {func(h *host) { h.save("7/archiver/data.mdb") }, "restart"},
		"a set is half kept":    {func(h *host) { h.save("7.part/archiver/data.mdb") }, "stop start"},
		"a swap is half done":   {func(h *host) { h.save("7.out/blobs/data.mdb") }, "stop start"},
		"a store was set aside": {func(h *host) { h.save("signing-protection/db_version") }, "stop start"},
		"it knows less of signed": {func(h *host) {
			h.data = newStores(h.t)
			h.edit(func(s *State) { s.Intent.Data.FromSigns, s.Intent.Data.ToSigns = 2, 1 })
		}, "stop start"},
		"it is down": {func(h *host) { h.run.ActiveState, h.run.PID, h.run.Outdated = "failed", 0, true }, "start"},
	} {
		inBubble(t, name, func(t *testing.T) {
			h := newHost(t)
			c.change(h)
			var jobs []string
			for _, job := range []string{"restart", "stop", "start"} {
				h.on[job] = func() {
					if h.asked["restart"] == 0 || job == "restart" || h.run.down() && h.asked["stop"] == 0 {
						jobs = append(jobs, job)
					}
				}
			}
			if out, err := h.engine().Run(t.Context(), "val1"); err != nil || out.Result != Done {
				t.Fatalf("%+v, %v", out, err)
			}
			if got := strings.Join(jobs, " "); got != c.jobs {
				t.Errorf("the jobs are %q, want %q", got, c.jobs)
			}
			h.whole("4.1.3", true)
		})
	}
}

// save puts a file where sets of stores are kept.
func (h *host) save(name string) {
	h.t.Helper()
	h.data = newStores(h.t)
	h.data.put(data.SavedDir+"/"+name, "{}")
}

// Who stops the node while the roll replaces its version wants it down, whatever
// the version, and nothing is held against the new one.
func TestStoppedWhileItIsReplaced(t *testing.T) {
	cancelled := fmt.Errorf("%w: the job was cancelled", ErrStopped)
	stopping := func(h *host) { // by somebody else, for 20 s
		h.run.ActiveState, h.run.PID = "deactivating", 0
		over := time.Now().Add(20 * time.Second)
		h.on["running"] = func() {
			if h.run.ActiveState == "deactivating" && time.Now().After(over) {
				h.halt()
			}
		}
	}
	for name, c := range map[string]struct {
		job  string
		stop func(h *host)
	}{
		"before the job":            {"restart", func(h *host) { h.halt() }},
		"before the job, and slow":  {"restart", stopping},
		"not enabled, so forgotten": {"restart", func(h *host) { h.halt(); h.run.Invocation = "" }},
		"while the old one stops":   {"stop", func(h *host) { stopping(h); h.refuse["stop"] = cancelled }},
		"while the new one starts": {"start", func(h *host) {
			h.run.Invocation = "2"
			stopping(h)
			h.refuse["start"] = cancelled
		}},
	} {
		inBubble(t, name, func(t *testing.T) {
			h := newHost(t)
			h.data = newStores(t)
			h.on[c.job] = func() { c.stop(h) }
			out, err := h.engine().Run(t.Context(), "val1")
			if err != nil || out.Result != Cancelled || out.Reason != ErrStopped.Error() {
				t.Fatalf("%+v, %v", out, err)
			}
			if s := h.whole("4.1.2", false); len(s.Skipped) != 0 || h.starts != 1 || h.asked["queue"] != 0 {
				t.Errorf("skipped %v, %d starts, asked %v", s.Skipped, h.starts, h.asked)
			}
		})
	}
}

// A node that ends by itself in that moment is stopping for a while, too, and has
// been stopped by nobody: systemd starts it again, and the roll goes on.
func TestEndsWhileItIsReplaced(t *testing.T) {
	for name, job := range map[string]string{"before it is looked at": "reload", "before the job": "restart"} {
		for _, again := range []string{"activating", "active"} { // it waits for its start, or is started by then
			inBubble(t, name+", "+again, func(t *testing.T) {
				h := newHost(t)
				h.on[job] = func() {
					h.on[job] = nil
					h.run.ActiveState, h.run.PID = "deactivating", 0
					over := time.Now().Add(20 * time.Second)
					h.on["running"] = func() {
						if h.run.ActiveState != "deactivating" || time.Now().Before(over) {
							return
						}
						h.on["running"] = nil
						if h.run.ActiveState, h.run.SubState = again, "auto-restart"; again == "active" {
							h.run.ActiveState = "inactive"
							_ = h.start()
						}
					}
				}
				out, err := h.engine().Run(t.Context(), "val1")
				if err != nil || out.Result != Done {
					t.Fatalf("%+v, %v", out, err)
				}
				h.whole("4.1.3", true)
			})
		}
	}
	// One that wants another version is not started by systemd, but by the roll.
	inBubble(t, "out of date", func(t *testing.T) {
		h := newHost(t)
		h.on["reload"] = func() {
			h.on["reload"] = nil
			h.run.ActiveState, h.run.PID = "deactivating", 0
			h.on["running"] = func() {
				h.on["running"] = func() {
					h.on["running"] = nil
					h.run.ActiveState, h.run.Outdated = "failed", true
				}
			}
		}
		if out, err := h.engine().Run(t.Context(), "val1"); err != nil || out.Result != Done {
			t.Fatalf("%+v, %v", out, err)
		}
		h.whole("4.1.3", true)
	})
}

// The time for the start begins when the old version is gone.
func TestReplacedInTime(t *testing.T) {
	for name, c := range map[string]struct {
		stop, start time.Duration
		result      string
	}{
		"slow to stop":  {3 * time.Minute, 30 * time.Second, Done},
		"slow to start": {10 * time.Second, 2 * time.Minute, RolledBack},
	} {
		inBubble(t, name, func(t *testing.T) {
			h := newHost(t)
			h.stopTakes, h.startTakes = c.stop, c.start
			began := time.Now()
			out, err := h.engine().Run(t.Context(), "val1")
			if err != nil || out.Result != c.result {
				t.Fatalf("%+v, %v", out, err)
			}
			version := map[string]string{Done: "4.1.3", RolledBack: "4.1.2"}[c.result]
			s := h.whole(version, true)
			if late := c.result == RolledBack; late != (len(s.Skipped) == 1 && strings.Contains(out.Reason, "its start job was not done within 1m0s")) {
				t.Errorf("skipped %v: %s", s.Skipped, out.Reason)
			}
			if took := time.Since(began); took < c.stop || took > c.stop+DefaultGate.Start+5*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}
