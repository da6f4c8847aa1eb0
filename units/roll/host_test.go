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
	"testing/synctest"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units"
)

const unitName = "aztec-sequencer@val1.service"

// host is a fake service manager that runs what the unit file on disk says,
// after a reload, as systemd does.
type host struct {
	t       *testing.T
	files   Files
	loaded  units.Meta
	held    bool   // a drop-in that was read refuses the start while it is there
	process string // the version that runs, whatever the files say since
	run     Running
	starts  int
	asked   map[string]int
	behave  map[string]behaviour // by version; absent: good
	data    *stores              // nil: the instance has none
	steps   int                  // calls and writes
	dieAt   int                  // the step at which the engine is killed; 0: never

	// Faults.
	refuse map[string]error          // calls that fail, by name
	full   func(name string) bool    // writes that find the disk full
	on     map[string]func()         // what else happens before a call
	answer func(m units.Meta) Answer // instead of what the process would say
	others map[string]bool           // units that are stopped with it: whether each runs

	stopTakes, startTakes time.Duration // in a restart
}

type behaviour string

const (
	exits  behaviour = "exits"  // the start job fails
	silent behaviour = "silent" // runs, answers nothing
	liar   behaviour = "liar"   // answers as another version
	loops  behaviour = "loops"  // answers, then crashes and is restarted
)

var errKilled = errors.New("killed")

func (h *host) step() {
	h.steps++
	if h.steps == h.dieAt {
		panic(errKilled)
	}
}

func (h *host) call(ctx context.Context, name string) error {
	h.step()
	h.asked[name]++
	if f := h.on[name]; f != nil {
		f()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return h.refuse[name]
}

// write dies after the file is in place: before the next step is between two.
func (h *host) write(name string, data []byte, mode fs.FileMode) error {
	if h.full != nil && h.full(name) {
		return fmt.Errorf("writing %s: %w", name, syscall.ENOSPC)
	}
	// As atomicfile does, without waiting for a disk: there are thousands.
	temp := name + ".tmp"
	if err := os.WriteFile(temp, data, mode); err != nil {
		return err
	}
	if err := os.Rename(temp, name); err != nil {
		return err
	}
	h.step()
	return nil
}

func (h *host) Start(ctx context.Context, unit string) error {
	if err := h.call(ctx, "start"); err != nil {
		return err
	}
	if _, other := h.others[unit]; other {
		h.others[unit] = true
		return nil
	}
	return h.start()
}

func (h *host) StartNoWait(ctx context.Context, unit string) error {
	if err := h.call(ctx, "queue"); err != nil {
		return err
	}
	if _, other := h.others[unit]; other {
		h.others[unit] = true
		return nil
	}
	_ = h.start()
	return nil
}

func (h *host) start() error {
	if h.run.ActiveState == "active" {
		return nil
	}
	if _, err := os.Stat(h.files.held(unitName)); h.held && err == nil {
		return errors.New("starting the unit: an assertion failed")
	}
	h.starts++
	h.process = h.loaded.Version
	if h.data != nil {
		h.data.open(h.process)
	}
	h.run = Running{ActiveState: "active", Invocation: fmt.Sprint(h.starts), PID: uint32(100 + h.starts), Enabled: h.run.Enabled}
	if h.behave[h.process] == exits {
		h.run.ActiveState, h.run.Exit = "failed", "exited with code 1"
		return errors.New("starting the unit: job failed")
	}
	return nil
}

func (h *host) Stop(ctx context.Context, unit string) error {
	if err := h.call(ctx, "stop"); err != nil {
		return err
	}
	h.halt()
	return nil
}

// TryRestart is a stop and a start, each with what else happens at it. Killed
// between them, the engine finds what a host that went down would leave.
func (h *host) TryRestart(ctx context.Context, unit string, waiting func()) error {
	if err := h.call(ctx, "restart"); err != nil || h.run.down() || h.run.ActiveState == "deactivating" {
		return err
	}
	wait := func(d time.Duration) {
		for end := time.Now().Add(d); time.Now().Before(end) && ctx.Err() == nil; waiting() {
			<-time.After(time.Second)
		}
	}
	h.run.ActiveState = "deactivating"
	wait(h.stopTakes)
	h.run.ActiveState = "active"
	if err := h.Stop(ctx, unit); err != nil {
		return err
	}
	wait(h.startTakes)
	return h.Start(ctx, unit)
}

// halt keeps the invocation, as systemd does.
func (h *host) halt() {
	for name := range h.others {
		h.others[name] = false
	}
	h.run = Running{ActiveState: "inactive", SubState: "dead", Invocation: h.run.Invocation, Enabled: h.run.Enabled}
}

func (h *host) Reload(ctx context.Context) error {
	if err := h.call(ctx, "reload"); err != nil {
		return err
	}
	h.reload()
	return nil
}

// reload forgets a unit that cannot be read.
func (h *host) reload() {
	h.loaded, _ = h.files.Active(unitName)
	h.held = strings.Contains(read(h.files.held(unitName)), "\nAssertPathExists=!"+h.files.held(unitName)+"\n")
}

func (h *host) ResetFailed(ctx context.Context, unit string) error {
	err := h.call(ctx, "reset")
	if err == nil && h.run.ActiveState == "failed" {
		h.run.ActiveState, h.run.SubState, h.run.Outdated, h.run.Halted = "inactive", "dead", false, false
	}
	return err
}

func (h *host) Running(ctx context.Context, unit string) (Running, error) {
	if err := h.call(ctx, "running"); err != nil {
		return Running{}, err
	}
	if runs, other := h.others[unit]; other {
		return Running{ActiveState: map[bool]string{true: "active", false: "inactive"}[runs]}, nil
	}
	now := h.run
	if now.ActiveState == "active" && h.behave[h.process] == loops {
		h.run.Restarts++
		h.run.PID++
		h.run.Exit = "exited with code 1"
	}
	return now, nil
}

// Dependents are those that run.
func (h *host) Dependents(ctx context.Context, unit string) (running []string, err error) {
	if err := h.call(ctx, "dependents"); err != nil {
		return nil, err
	}
	for name, runs := range h.others {
		if runs {
			running = append(running, name)
		}
	}
	slices.Sort(running)
	return running, nil
}

func (h *host) probe(_ context.Context, m units.Meta) Answer {
	if h.run.ActiveState != "active" {
		return Answer{Reason: "connection refused"}
	}
	if h.answer != nil {
		return h.answer(m)
	}
	says := h.process
	switch h.behave[says] {
	case silent:
		return Answer{Reason: "the RPC does not answer"}
	case liar:
		says = "9.9.9"
	}
	return Answer{Version: says, Healthy: says == m.Version, AtTip: true, Wrong: says != m.Version}
}

// newHost is a host on which val1 runs 4.1.2 and has an update to 4.1.3
// recorded.
func newHost(t *testing.T) *host {
	dir := t.TempDir()
	h := &host{t: t, behave: map[string]behaviour{}, asked: map[string]int{}, refuse: map[string]error{}, on: map[string]func(){}}
	h.files = Files{State: filepath.Join(dir, "state"), Config: filepath.Join(dir, "etc"), Systemd: filepath.Join(dir, "systemd"), Runtime: filepath.Join(dir, "run"), write: h.write}
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
	h.starts, h.process = 1, "4.1.2"
	h.run = Running{ActiveState: "active", Invocation: "1", PID: 101, Enabled: true}
	h.steps = 0
	return h
}

func (h *host) engine() *Engine {
	e := &Engine{
		Files: h.files, Manager: h, Probe: h.probe,
		Ready: func(string) error { return nil },
		Say:   func(line string) { h.t.Log(line) },
	}
	if h.data != nil {
		e.Data = func(string) (string, error) { return h.data.path, h.data.away }
	}
	return e
}

// whole asserts that exactly one version is in place: unit, settings, what
// systemd has loaded, what runs, and no roll is left over.
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
	h.runs(version, running)
	if s.Intent != nil || s.LastRoll == nil {
		h.t.Errorf("intent %v, last roll %v", s.Intent, s.LastRoll)
	}
	return s
}

// runs asserts that the process of a version runs, or that none does.
func (h *host) runs(version string, running bool) {
	h.t.Helper()
	if got := h.run.ActiveState == "active"; got != running || got && h.process != version {
		h.t.Errorf("running %v, process of %s, want %v, %s", got, h.process, running, version)
	}
}

// edit changes the recorded state.
func (h *host) edit(change func(*State)) {
	h.t.Helper()
	s, err := h.files.Load("val1")
	if err != nil {
		h.t.Fatal(err)
	}
	change(&s)
	if err := h.files.Save("val1", s); err != nil {
		h.t.Fatal(err)
	}
}

// read returns a file, or why it cannot be read.
func read(name string) string {
	data, err := os.ReadFile(name)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// inBubble runs a test in time of its own, so that deadlines pass at once.
func inBubble(t *testing.T, name string, f func(*testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}
