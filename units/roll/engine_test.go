package roll

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units"
)

const unitName = "aztec-sequencer@val1.service"

// host is a fake service manager that runs what the unit file on disk says,
// after a reload, as systemd does.
type host struct {
	t      *testing.T
	files  Files
	loaded units.Meta
	run    Running
	starts int
	behave map[string]behaviour // by version; absent: good
	calls  int
	dieAt  int // the call at which the engine is killed; 0: never
}

type behaviour string

const (
	exits  behaviour = "exits"  // the start job fails
	silent behaviour = "silent" // runs, answers nothing
	liar   behaviour = "liar"   // answers as another version
	loops  behaviour = "loops"  // answers, then crashes and is restarted
)

var errKilled = errors.New("killed")

func (h *host) call(ctx context.Context) error {
	h.calls++
	if h.calls == h.dieAt {
		panic(errKilled)
	}
	return ctx.Err()
}

func (h *host) Start(ctx context.Context, unit string) error {
	if err := h.call(ctx); err != nil {
		return err
	}
	h.starts++
	h.run = Running{ActiveState: "active", Invocation: fmt.Sprint(h.starts), PID: uint32(100 + h.starts)}
	if h.behave[h.loaded.Version] == exits {
		h.run.Exit = "exited with code 1"
		return errors.New("starting the unit: job failed")
	}
	return nil
}

func (h *host) Stop(ctx context.Context, unit string) error {
	if err := h.call(ctx); err != nil {
		return err
	}
	h.run = Running{ActiveState: "inactive"}
	return nil
}

func (h *host) Reload(ctx context.Context) error {
	if err := h.call(ctx); err != nil {
		return err
	}
	h.reload()
	return nil
}

func (h *host) reload() {
	meta, err := h.files.Active(unitName)
	if err != nil {
		h.t.Fatal(err)
	}
	h.loaded = meta
}

func (h *host) ResetFailed(ctx context.Context, unit string) error { return h.call(ctx) }

func (h *host) Running(ctx context.Context, unit string) (Running, error) {
	if err := h.call(ctx); err != nil {
		return Running{}, err
	}
	now := h.run
	if now.ActiveState == "active" && h.behave[h.loaded.Version] == loops {
		h.run.Restarts++
		h.run.PID++
		h.run.Exit = "exited with code 1"
	}
	return now, nil
}

func (h *host) probe(_ context.Context, m units.Meta) Answer {
	if h.run.ActiveState != "active" {
		return Answer{Reason: "connection refused"}
	}
	switch h.behave[h.loaded.Version] {
	case silent:
		return Answer{Reason: "the RPC does not answer"}
	case liar:
		return Answer{Version: "9.9.9"}
	}
	return Answer{Version: h.loaded.Version, Healthy: h.loaded.Version == m.Version}
}

// newHost is a host on which val1 runs 4.1.2 and has an update to 4.1.3
// recorded.
func newHost(t *testing.T) *host {
	dir := t.TempDir()
	h := &host{t: t, behave: map[string]behaviour{}}
	h.files = Files{State: filepath.Join(dir, "state"), Config: filepath.Join(dir, "etc"), Systemd: filepath.Join(dir, "systemd")}
	s := State{Schema: stateSchema, Unit: unitName}
	for n, version := range map[int]string{1: "4.1.2", 2: "4.1.3"} {
		meta := fmt.Sprintf("[X-AztecSpartan]\nSchema=1\nGeneration=%d\nVersion=%s\n", n, version)
		g := Generation{Number: n, Version: version, Image: "sha256-" + version, Digest: "sha256:" + version}
		if err := h.files.Add("val1", &s, g, Content{Unit: []byte(meta), Env: []byte("A=1\n"), Instance: []byte("version = " + version + "\n")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.files.Activate("val1", unitName, 1); err != nil {
		t.Fatal(err)
	}
	s.Intent = &Intent{Kind: Update, From: 1, To: 2, Gate: Gate{Timeout: 500 * time.Millisecond, Settle: time.Millisecond}}
	if err := h.files.Save("val1", s); err != nil {
		t.Fatal(err)
	}
	h.reload()
	h.starts, h.run = 1, Running{ActiveState: "active", Invocation: "1", PID: 101}
	return h
}

func (h *host) engine() *Engine {
	return &Engine{
		Files: h.files, Manager: h, Probe: h.probe,
		Ready: func(string) error { return nil },
		Say:   func(line string) { h.t.Log(line) },
	}
}

// whole asserts that exactly one version is in place: unit, settings, what
// systemd has loaded, and no roll is left over.
func (h *host) whole(version string, running bool) State {
	h.t.Helper()
	meta, err := h.files.Active(unitName)
	if err != nil {
		h.t.Fatal(err)
	}
	settings, err := os.ReadFile(filepath.Join(h.files.Config, "val1", "instance.toml"))
	if err != nil {
		h.t.Fatal(err)
	}
	s, err := h.files.Load("val1")
	if err != nil {
		h.t.Fatal(err)
	}
	if meta.Version != version || !strings.Contains(string(settings), version) || h.loaded.Version != version {
		h.t.Errorf("unit %s, settings %q, loaded %s, want %s", meta.Version, settings, h.loaded.Version, version)
	}
	if got := h.run.ActiveState == "active"; got != running {
		h.t.Errorf("running %v, want %v", got, running)
	}
	if s.Intent != nil || s.LastRoll == nil {
		h.t.Errorf("intent %v, last roll %v", s.Intent, s.LastRoll)
	}
	return s
}

func TestUpdateOutcomes(t *testing.T) {
	for name, c := range map[string]struct {
		behave  map[string]behaviour
		stopped bool
		version string // that is in place afterwards
		result  string
		reason  string
		skipped bool
	}{
		"good":                     {version: "4.1.3", result: Done},
		"stopped stays stopped":    {stopped: true, version: "4.1.3", result: Done},
		"exits":                    {behave: map[string]behaviour{"4.1.3": exits}, version: "4.1.2", result: RolledBack, reason: "exited with code 1", skipped: true},
		"never answers":            {behave: map[string]behaviour{"4.1.3": silent}, version: "4.1.2", result: RolledBack, reason: "not healthy within 500ms", skipped: true},
		"answers as another":       {behave: map[string]behaviour{"4.1.3": liar}, version: "4.1.2", result: RolledBack, reason: "answers as 9.9.9", skipped: true},
		"crashes and is restarted": {behave: map[string]behaviour{"4.1.3": loops}, version: "4.1.2", result: RolledBack, reason: "was restarted", skipped: true},
		"the environment is bad": {
			behave:  map[string]behaviour{"4.1.3": exits, "4.1.2": silent},
			version: "4.1.2", result: RolledBack, reason: "then 4.1.2 failed too",
		},
	} {
		inBubble(t, name, func(t *testing.T) {
			h := newHost(t)
			h.behave = c.behave
			if c.stopped {
				h.run = Running{ActiveState: "inactive"}
			}
			out, err := h.engine().Run(t.Context(), "val1")
			if err != nil {
				t.Fatal(err)
			}
			s := h.whole(c.version, !c.stopped)
			if out.Result != c.result || !strings.Contains(out.Reason, c.reason) {
				t.Errorf("result %q, reason %q", out.Result, out.Reason)
			}
			if _, skipped := s.Skips("sha256:4.1.3"); skipped != c.skipped {
				t.Errorf("skipped %v, want %v", skipped, c.skipped)
			}
			if c.stopped && h.starts != 1 {
				t.Error("a stopped instance was started")
			}
		})
	}
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

// The engine is killed at each of its calls to the service manager, one after
// the other; systemd starts another. Whatever the moment, one version is left,
// whole and running.
func TestKilledAtEveryStep(t *testing.T) {
	for _, failing := range []bool{false, true} {
		inBubble(t, fmt.Sprintf("failing=%v", failing), func(t *testing.T) { killAtEach(t, failing) })
	}
}

func killAtEach(t *testing.T, failing bool) {
	for dieAt := 1; ; dieAt++ {
		h := newHost(t)
		if failing {
			h.behave["4.1.3"] = liar
		}
		h.dieAt = dieAt
		if !h.killed() {
			if dieAt < 8 {
				t.Errorf("a roll of %d calls: too short to be one", dieAt)
			}
			break
		}
		// At boot or by Restart=, the manager reads the files anew.
		h.reload()
		if _, err := h.engine().Run(t.Context(), "val1"); err != nil {
			t.Fatalf("killed at call %d: %v", dieAt, err)
		}
		s, err := h.files.Load("val1")
		if err != nil {
			t.Fatal(err)
		}
		want := "4.1.2"
		if s.LastRoll.Result == Done {
			want = "4.1.3"
		}
		h.whole(want, true)
		if failing && want != "4.1.2" {
			t.Errorf("killed at call %d: the failing version is in place", dieAt)
		}
	}
}

// inBubble runs a test in time of its own, so that deadlines pass at once.
func inBubble(t *testing.T, name string, f func(*testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// killed runs the engine until it dies and reports whether it did.
func (h *host) killed() (died bool) {
	defer func() {
		if r := recover(); r != nil {
			if r != errKilled { //nolint:errorlint // a panic value, not an error chain
				panic(r)
			}
			died = true
		}
	}()
	if _, err := h.engine().Run(context.Background(), "val1"); err != nil {
		h.t.Fatal(err)
	}
	return false
}

func TestCancelPutsTheOldVersionBackAndStartsNothing(t *testing.T) {
	h := newHost(t)
	h.behave["4.1.3"] = silent
	ctx, cancel := context.WithCancel(t.Context())
	e := h.engine()
	e.Probe = func(ctx context.Context, m units.Meta) Answer {
		cancel()
		return h.probe(ctx, m)
	}
	out, err := e.Run(ctx, "val1")
	if err != nil || out.Result != Cancelled {
		t.Fatalf("%+v, %v", out, err)
	}
	h.whole("4.1.2", true) // the new one still runs: stop stops it next
	if h.starts != 2 {
		t.Errorf("%d starts, want that of the new version only", h.starts-1)
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
