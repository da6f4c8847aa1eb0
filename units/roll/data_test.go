package roll

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units/data"
)

// stores are a data directory, and the nodes of two versions that use it: each
// empties stores of the other, without a word.
type stores struct {
	t      *testing.T
	path   string
	writes map[string]int // schema that a version leaves there; 0: it has no such store
	away   error          // the disk is not there
	lost   []string       // versions that found stores of another and emptied them
}

func newStores(t *testing.T) *stores {
	s := &stores{t: t, path: t.TempDir(), writes: map[string]int{}}
	s.put("archiver/data.mdb", "4.1.2")
	s.put("world_state/data.mdb", "4.1.2")
	s.put("archiver/db_version", "{}")
	s.put("world_state/db_version", "{}")
	s.put("p2p-private-key", "secret")
	return s
}

func (s *stores) put(name, text string) {
	s.t.Helper()
	file := filepath.Join(s.path, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
		s.t.Fatal(err)
	}
}

// open is what a node does with its data when it starts.
func (s *stores) open(version string) {
	for _, name := range []string{"archiver/data.mdb", "world_state/data.mdb"} {
		if was := read(filepath.Join(s.path, name)); was != version {
			s.lost = append(s.lost, version)
		}
		s.put(name, version)
	}
	if schema := s.writes[version]; schema > 0 {
		s.put(data.Protection+"/db_version", fmt.Sprintf(`{"schemaVersion":%d}`, schema))
	}
}

// are asserts that all stores are of one version.
func (s *stores) are(version string) {
	s.t.Helper()
	for _, name := range []string{"archiver/data.mdb", "world_state/data.mdb"} {
		if got := read(filepath.Join(s.path, name)); got != version {
			s.t.Errorf("%s is of %s, want %s", name, got, version)
		}
	}
	if got := read(filepath.Join(s.path, "p2p-private-key")); got != "secret" {
		s.t.Errorf("the key of the node is %s", got)
	}
}

func (s *stores) has(name string) bool {
	_, err := os.Lstat(filepath.Join(s.path, name))
	return !errors.Is(err, fs.ErrNotExist)
}

// The engine is killed at every step of a roll that keeps data, good or not,
// there or back by swap. Whatever the moment: the version that is left has its
// own data, and the old one has never been started on others.
func TestKilledWithData(t *testing.T) {
	for name, c := range map[string]struct {
		kind   string
		method string
		behave behaviour
		steps  int
	}{
		"failing":      {Update, DataCopy, liar, 16},
		"back by hand": {Rollback, DataSwap, "", 11},
		"back fails":   {Rollback, DataSwap, silent, 16},
	} {
		inBubble(t, name, func(t *testing.T) {
			for dieAt := 1; ; dieAt++ {
				h := hostWithData(t, c.kind, c.method)
				from, to := h.process, "4.1.3"
				if c.kind == Rollback {
					to = "4.1.2"
				}
				h.behave[to] = c.behave
				h.dieAt = dieAt
				died := h.killed(false)
				h.reload() // at boot or by Restart=
				if _, err := h.engine().Run(t.Context(), "val1"); err != nil && !errors.Is(err, ErrNothingToDo) {
					t.Fatalf("killed at step %d: %v", dieAt, err)
				}
				want := from
				if s, err := h.files.Load("val1"); err == nil && s.LastRoll.Result == Done {
					want = to
				}
				s := h.whole(want, true)
				h.data.are(want)
				for _, version := range h.data.lost {
					if version == from || c.method == DataSwap {
						t.Errorf("%s was started on data of another", version)
					}
				}
				if want == to && (len(s.Kept) != 1 || s.Kept[0].Version != from) {
					t.Errorf("kept %+v", s.Kept)
				}
				if t.Failed() {
					t.Fatalf("killed at step %d", dieAt)
				}
				if !died {
					if dieAt <= c.steps {
						t.Errorf("a roll of %d steps: too short to be one", dieAt-1)
					}
					break
				}
			}
		})
	}
}

// hostWithData has a roll recorded: from 4.1.2 to 4.1.3, or, if kind is
// Rollback, back after one that succeeded.
func hostWithData(t *testing.T, kind, method string) *host {
	h := newHost(t)
	h.data = newStores(t)
	plan := DataPlan{Method: DataCopy, Grace: time.Hour}
	h.edit(func(s *State) { s.Intent.Data = plan })
	if kind == Rollback {
		if out, err := h.engine().Run(t.Context(), "val1"); err != nil || out.Result != Done {
			t.Fatal(out, err)
		}
		h.data.lost = nil
		h.edit(func(s *State) {
			plan.Method, plan.Set, plan.Older = method, s.Kept[0].Generation, true
			s.Intent = &Intent{Kind: Rollback, From: 2, To: 1, Gate: Gate{Timeout: 500 * time.Millisecond, Settle: time.Millisecond}, Data: plan}
		})
	}
	h.steps = 0
	return h
}

// What one version signed is neither emptied nor forgotten by an older one.
func TestSigningProtection(t *testing.T) {
	for name, c := range map[string]struct {
		had      int // schema in place before; 0: no store
		old, new int // that the images say they know
		holds    bool
	}{
		"the same schema":                {2, 2, 2, false},
		"newer, the old one refuses it":  {1, 1, 2, true},
		"newer, the old one knows none":  {0, 0, 1, true},
		"the new one has none either":    {0, 0, 0, false},
		"the old one knows a newer one":  {2, 3, 2, false},
		"nothing is said of either":      {2, 0, 0, true},
		"the new one says nothing of it": {2, 2, 0, false},
	} {
		inBubble(t, name, func(t *testing.T) {
			h := hostWithData(t, Update, DataCopy)
			h.behave["4.1.3"] = liar
			h.edit(func(s *State) { s.Intent.Data.FromSigns, s.Intent.Data.ToSigns = c.old, c.new })
			h.data.writes["4.1.3"] = c.new
			if c.had > 0 {
				h.data.put(data.Protection+"/db_version", fmt.Sprintf(`{"schemaVersion":%d}`, c.had))
			}
			out, err := h.engine().Run(t.Context(), "val1")
			if err != nil || out.Result != RolledBack {
				t.Fatalf("%+v, %v", out, err)
			}
			s := h.whole("4.1.2", true)
			h.data.are("4.1.2")
			if h.data.has(".aztec-spartan.saved/2") {
				t.Error("the data of the version that failed are kept")
			}
			dropIn, env := h.files.noSigning("val1", unitName)
			text := read(dropIn)
			off := strings.Contains(text, "EnvironmentFile="+env) && strings.Contains(read(env), "VALIDATOR_DISABLED=true")
			if off != c.holds || (s.NoSigning != nil) != c.holds || (out.NoSigning != "") != c.holds {
				t.Fatalf("not signing: drop-in %q, state %+v, outcome %q, want %v", text, s.NoSigning, out.NoSigning, c.holds)
			}
			if !c.holds {
				return
			}
			if h.data.has(data.Protection) || !h.data.has(s.NoSigning.Aside) || !s.NoSigning.Until.After(time.Now()) {
				t.Errorf("%+v: in place %v, aside %v", s.NoSigning, h.data.has(data.Protection), h.data.has(s.NoSigning.Aside))
			}
			if c.new == 0 {
				return
			}
			// A version that knows what was signed signs, with all that was.
			delete(h.behave, "4.1.3")
			h.edit(func(s *State) {
				s.Intent = &Intent{Kind: Update, From: 1, To: 2, Gate: Gate{Timeout: 500 * time.Millisecond, Settle: time.Millisecond}, Data: DataPlan{FromSigns: c.old, ToSigns: c.new}}
			})
			if out, err = h.engine().Run(t.Context(), "val1"); err != nil || out.Result != Done || out.NoSigning != "" {
				t.Fatalf("%+v, %v", out, err)
			}
			if s := h.whole("4.1.3", true); s.NoSigning != nil || !h.data.has(data.Protection) {
				t.Errorf("afterwards: %+v, store %v", s.NoSigning, h.data.has(data.Protection))
			}
			if _, err := os.Stat(filepath.Dir(dropIn)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the drop-in stays: %v", err)
			}
		})
	}
}

// What was signed comes back with the version that signed it, even if the one
// that could not be gone back to has made a store of its own meanwhile.
func TestSignedComesBack(t *testing.T) {
	inBubble(t, "rollback fails", func(t *testing.T) {
		h := hostWithData(t, Rollback, DataSwap)
		h.behave["4.1.2"] = liar
		h.edit(func(s *State) { s.Intent.Data.FromSigns, s.Intent.Data.ToSigns = 2, 1 })
		h.data.writes["4.1.2"], h.data.writes["4.1.3"] = 1, 2
		h.data.put(data.Protection+"/db_version", `{"schemaVersion":2}`)
		h.data.put(data.Protection+"/data.mdb", "signed by 4.1.3")
		out, err := h.engine().Run(t.Context(), "val1")
		if err != nil || out.Result != RolledBack || out.NoSigning != "" {
			t.Fatalf("%+v, %v", out, err)
		}
		if s := h.whole("4.1.3", true); s.NoSigning != nil {
			t.Errorf("%+v", s.NoSigning)
		}
		if got := read(filepath.Join(h.data.path, data.Protection, "data.mdb")); got != "signed by 4.1.3" {
			t.Errorf("it signs on what is %s", got)
		}
	})
}

// An instance that must not sign yet does not after another roll either, and
// the drop-in is made that an engine was killed before.
func TestNoSigningStays(t *testing.T) {
	for name, c := range map[string]struct {
		inPlace bool // a store that both versions open
		aside   string
		over    bool // no slot is left that another version could have signed
		holds   bool
	}{
		"a store of its own":            {inPlace: true, aside: data.SavedDir + "/" + data.Protection, holds: true},
		"and not known where the other": {inPlace: true, holds: true},
		"no store":                      {aside: data.SavedDir + "/" + data.Protection, holds: true},
		"all slots are past":            {inPlace: true, over: true},
	} {
		inBubble(t, name, func(t *testing.T) {
			h := hostWithData(t, Update, DataAsIs)
			until := time.Now().Add(time.Hour)
			if c.over {
				until = time.Now()
			}
			h.edit(func(s *State) {
				s.Intent.Data = DataPlan{FromSigns: 1, ToSigns: 1}
				s.NoSigning = &NoSigning{Reason: "of a test", Until: until, Aside: c.aside}
			})
			h.data.put(data.SavedDir+"/"+data.Protection+"/db_version", `{"schemaVersion":2}`)
			if c.inPlace {
				h.data.put(data.Protection+"/db_version", `{"schemaVersion":1}`)
			}
			out, err := h.engine().Run(t.Context(), "val1")
			if err != nil || out.Result != Done || (out.NoSigning != "") != c.holds {
				t.Fatalf("%+v, %v", out, err)
			}
			dropIn, env := h.files.noSigning("val1", unitName)
			off := strings.Contains(read(dropIn), "EnvironmentFile="+env) && strings.Contains(read(env), "VALIDATOR_DISABLED=true")
			if s := h.whole("4.1.3", true); off != c.holds || (s.NoSigning != nil) != c.holds {
				t.Errorf("drop-in %v, state %+v, want %v", off, s.NoSigning, c.holds)
			}
		})
	}
}

// Going back to other settings of the same version leaves it its validator: it
// knows what it signed.
func TestSettingsBackSigns(t *testing.T) {
	inBubble(t, "settings", func(t *testing.T) {
		h := hostWithData(t, Update, DataAsIs)
		h.behave["4.1.3"] = liar
		h.edit(func(s *State) {
			s.Intent.Kind, s.Intent.Data = Config, DataPlan{}
			s.Generations[1].Image = s.Generations[0].Image
		})
		h.data.put(data.Protection+"/db_version", `{"schemaVersion":2}`)
		out, err := h.engine().Run(t.Context(), "val1")
		if err != nil || out.Result != RolledBack || out.NoSigning != "" {
			t.Fatalf("%+v, %v", out, err)
		}
		if s := h.whole("4.1.2", true); s.NoSigning != nil || !h.data.has(data.Protection) {
			t.Errorf("%+v, store %v", s.NoSigning, h.data.has(data.Protection))
		}
	})
}

func TestCopyThatTakesTooLong(t *testing.T) {
	h := hostWithData(t, Update, DataCopy)
	h.edit(func(s *State) { s.Intent.Data.Limit = 1 })
	out, err := h.engine().Run(t.Context(), "val1")
	if err != nil || out.Result != RolledBack || !strings.Contains(out.Reason, "takes longer than 1ns") {
		t.Errorf("%+v, %v", out, err)
	}
	s := h.whole("4.1.2", true)
	h.data.are("4.1.2")
	if len(s.Skipped) != 0 || len(h.data.lost) != 0 || len(s.Kept) != 0 {
		t.Errorf("skipped %v, lost %v, kept %v", s.Skipped, h.data.lost, s.Kept)
	}
}

// A version that was never started has signed nothing, whatever the old one says
// that it knows of.
func TestNeverStartedNeverSigned(t *testing.T) {
	for _, known := range []int{0, 1} {
		h := hostWithData(t, Update, DataCopy)
		h.edit(func(s *State) {
			s.Intent.Data.Limit, s.Intent.Data.FromSigns, s.Intent.Data.ToSigns = 1, known, 2
		})
		h.data.put(data.Protection+"/db_version", `{"schemaVersion":1}`)
		out, err := h.engine().Run(t.Context(), "val1")
		if err != nil || out.Result != RolledBack || out.NoSigning != "" {
			t.Errorf("%+v, %v", out, err)
		}
		if s := h.whole("4.1.2", true); s.NoSigning != nil || !h.data.has(data.Protection) {
			t.Errorf("%+v, store %v", s.NoSigning, h.data.has(data.Protection))
		}
	}
}

// Data are kept for a while after a success, and dropped by the next roll.
func TestGrace(t *testing.T) {
	inBubble(t, "grace", func(t *testing.T) {
		h := hostWithData(t, Update, DataCopy)
		if _, err := h.engine().Run(t.Context(), "val1"); err != nil {
			t.Fatal(err)
		}
		s := h.whole("4.1.3", true)
		if len(s.Kept) != 1 || !s.Wants(1) || !h.data.has(".aztec-spartan.saved/1") {
			t.Fatalf("kept %+v", s.Kept)
		}
		time.Sleep(2 * time.Hour)
		h.edit(func(s *State) {
			s.Kept[0].Boot = "" // there is no clock of the boot in a bubble
			if s.Wants(1) {
				t.Errorf("kept still: %+v", s.Kept)
			}
			s.Intent = &Intent{Kind: Rollback, From: 2, To: 1, Gate: Gate{Timeout: 500 * time.Millisecond, Settle: time.Millisecond}}
		})
		if _, err := h.engine().Run(t.Context(), "val1"); err != nil {
			t.Fatal(err)
		}
		if s := h.whole("4.1.2", true); len(s.Kept) != 0 || h.data.has(".aztec-spartan.saved") {
			t.Errorf("kept %+v", s.Kept)
		}
	})
}

// takenBack asserts that another engine ends what one could not.
func (h *host) takenBack() {
	h.t.Helper()
	h.on, h.refuse, h.full = map[string]func(){}, map[string]error{}, nil
	if s, err := h.files.Load("val1"); err != nil || s.Intent == nil || !s.Intent.Begun || s.LastRoll == nil {
		h.t.Fatalf("left: %+v, %v", s, err)
	}
	if out, err := h.engine().Run(h.t.Context(), "val1"); err != nil || out.Result != RolledBack {
		h.t.Errorf("%+v, %v", out, err)
	}
	h.whole("4.1.2", true)
	h.data.are("4.1.2")
	if slices.Contains(h.data.lost, "4.1.2") {
		h.t.Error("the old version was started on data of another")
	}
}

// What systemd would start is the new version: it keeps its data.
func TestDataStayWithTheVersion(t *testing.T) {
	for name, fault := range map[string]func(h *host){
		"no reload": func(h *host) { h.refuse["reload"] = errors.New("no reload") },
		"no unit":   func(h *host) { h.full = onlyUnits },
	} {
		inBubble(t, name, func(t *testing.T) {
			h := hostWithData(t, Update, DataCopy)
			h.behave["4.1.3"] = liar
			h.on["start"] = func() { fault(h) }
			out, err := h.engine().Run(t.Context(), "val1")
			if err == nil || out.Result != Failed || !strings.Contains(out.Reason, "its data were left as they are") {
				t.Errorf("%+v, %v", out, err)
			}
			h.runs("4.1.3", true)
			h.data.are("4.1.3")
			if len(h.data.lost) != len([]string{"archiver", "world_state"}) { // by its first start
				t.Errorf("stores were emptied by %v", h.data.lost)
			}
			h.takenBack()
		})
	}
	inBubble(t, "no stop", func(t *testing.T) {
		h := hostWithData(t, Update, DataCopy)
		h.behave["4.1.3"] = liar
		h.on["start"] = func() { h.refuse["stop"] = errors.New("no stop") }
		out, err := h.engine().Run(t.Context(), "val1")
		if err == nil || out.Result != Failed || !strings.Contains(out.Reason, "its data were left as they are: the node is active") {
			t.Errorf("%+v, %v", out, err)
		}
		h.runs("4.1.3", true)
		h.data.are("4.1.3")
		h.takenBack()
	})
	inBubble(t, "the second reload works", func(t *testing.T) {
		h := hostWithData(t, Update, DataCopy)
		h.behave["4.1.3"] = liar
		h.on["reload"] = func() {
			delete(h.refuse, "reload")
			if h.asked["reload"] == 2 {
				h.refuse["reload"] = errors.New("no reload")
			}
		}
		if out, err := h.engine().Run(t.Context(), "val1"); err != nil || out.Result != RolledBack {
			t.Errorf("%+v, %v", out, err)
		}
		h.whole("4.1.2", true)
		h.data.are("4.1.2")
	})
	inBubble(t, "cancelled, and the reload works then", func(t *testing.T) {
		h := hostWithData(t, Update, DataCopy)
		h.behave["4.1.3"] = liar
		ctx, cancel := context.WithCancel(t.Context())
		h.on["reload"] = func() {
			delete(h.refuse, "reload")
			if n := h.asked["reload"]; n == 2 || n == 3 {
				h.refuse["reload"] = errors.New("no reload")
			}
		}
		h.on["start"] = func() {
			if h.asked["start"] == 2 {
				cancel()
			}
		}
		if out, err := h.engine().Run(ctx, "val1"); err != nil || out.Result != Cancelled {
			t.Errorf("%+v, %v", out, err)
		}
		h.whole("4.1.2", true)
		h.data.are("4.1.2")
	})
	inBubble(t, "at boot", func(t *testing.T) {
		h := hostWithData(t, Update, DataCopy)
		h.dieAt, h.behave["4.1.3"] = 14, liar
		if !h.killed(false) || h.process != "4.1.3" {
			t.Fatalf("killed too early: %s", h.process)
		}
		h.halt()
		h.dieAt, h.refuse["reload"] = 0, errors.New("no reload")
		if _, err := h.engine().Recover(t.Context(), "val1"); err == nil {
			t.Error("put right, though the new version is what a boot starts")
		}
		if s, err := h.files.Load("val1"); err != nil || s.Intent == nil || s.Intent.Recovered {
			t.Errorf("%+v, %v", s.Intent, err)
		}
		h.data.are("4.1.3")
	})
}

// A node whose store is away does not start before systemd knows that it must
// not sign.
func TestNotStartedToSign(t *testing.T) {
	inBubble(t, "no reload", func(t *testing.T) {
		h := hostWithData(t, Update, DataCopy)
		h.behave["4.1.3"] = liar
		h.data.writes["4.1.3"] = 2
		h.edit(func(s *State) { s.Intent.Data.FromSigns, s.Intent.Data.ToSigns = 1, 2 })
		h.on["reload"] = func() {
			if h.asked["reload"] > 2 {
				h.refuse["reload"] = errors.New("no reload")
			}
		}
		out, err := h.engine().Run(t.Context(), "val1")
		if err == nil || out.Result != Failed || !strings.Contains(out.Reason, "it was not started: no reload") {
			t.Errorf("%+v, %v", out, err)
		}
		h.runs("", false)
		h.takenBack()
		if s, err := h.files.Load("val1"); err != nil || s.NoSigning == nil {
			t.Errorf("it signs: %v", err)
		}
	})
}

// As long as the outcome is not recorded, the way back may be wanted, and with
// it the data.
func TestDataStayUntilTheOutcome(t *testing.T) {
	inBubble(t, "no grace", func(t *testing.T) {
		h := hostWithData(t, Update, DataCopy)
		h.edit(func(s *State) { s.Intent.Data.Grace = 0 })
		h.on["stop"] = func() { h.full = func(name string) bool { return strings.HasSuffix(name, "state.json") } }
		if _, err := h.engine().Run(t.Context(), "val1"); !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		h.full, h.on = nil, nil
		if out, err := h.engine().Run(t.Context(), "val1"); err != nil || out.Result != RolledBack {
			t.Errorf("%+v, %v", out, err)
		}
		h.whole("4.1.2", true)
		h.data.are("4.1.2")
		if slices.Contains(h.data.lost, "4.1.2") || h.data.has(data.SavedDir) {
			t.Errorf("lost %v, or sets are left", h.data.lost)
		}
	})
}
