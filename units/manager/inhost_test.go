//go:build inhost

package manager

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// These tests change the host that they run on: TestInHost gives them one of
// their own.

func connected(t *testing.T) *Manager {
	t.Helper()
	m, err := Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// install writes a service as design has it: a whole file for one instance.
func install(t *testing.T, m *Manager, name, service string) {
	t.Helper()
	text := "[Unit]\nStartLimitIntervalSec=0\n[Service]\n" + service + "\n[Install]\nWantedBy=multi-user.target\n"
	if err := os.WriteFile(filepath.Join("/etc/systemd/system", name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := m.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func state(t *testing.T, m *Manager, name string) UnitState {
	t.Helper()
	s, err := m.State(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// until waits for a condition of a unit.
func until(t *testing.T, m *Manager, name, what string, ok func(UnitState) bool) UnitState {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		s := state(t, m, name)
		if ok(s) {
			return s
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s is not %s: %+v", name, what, s)
		case <-tick.C:
		}
	}
}

func TestHostVersion(t *testing.T) {
	got, err := connected(t).Version(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("systemctl", "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("systemd %d ", got); !strings.HasPrefix(string(out), want) {
		t.Errorf("got %d of %s", got, out)
	}
}

// A host on which units failed is degraded, and all else works.
func TestHostDegraded(t *testing.T) {
	m := connected(t)
	install(t, m, "broken.service", "Type=oneshot\nExecStart=/bin/false")
	if err := m.Start(t.Context(), "broken.service"); err == nil {
		t.Fatal("it started")
	}
	if s, err := m.SystemState(t.Context()); s != "degraded" || err != nil {
		t.Errorf("%s, %v", s, err)
	}
	if list, err := m.Failed(t.Context()); !slices.Contains(list, "broken.service") || err != nil {
		t.Errorf("%v, %v", list, err)
	}
	if err := m.ResetFailed(t.Context(), "broken.service"); err != nil {
		t.Fatal(err)
	}
	if list, err := m.Failed(t.Context()); slices.Contains(list, "broken.service") || err != nil {
		t.Errorf("forgotten: %v, %v", list, err)
	}
}

func TestHostLife(t *testing.T) {
	m := connected(t)
	ctx := t.Context()
	name := "aztec-sequencer@life.service"
	if s := state(t, m, name); s.LoadState != "not-found" || s.ActiveState != "inactive" {
		t.Errorf("before it exists: %+v", s)
	}
	install(t, m, name, "Type=exec\nExecStart=/bin/sleep 1000\nMemoryAccounting=yes\nRestart=always\nRestartSec=0")
	if on, err := m.IsEnabled(ctx, name); err != nil || on {
		t.Errorf("enabled: %t, %v", on, err)
	}
	if err := m.Enable(ctx, name); err != nil {
		t.Fatal(err)
	}
	if on, err := m.IsEnabled(ctx, name); err != nil || !on {
		t.Errorf("enabled: %t, %v", on, err)
	}
	if err := m.Start(ctx, name); err != nil {
		t.Fatal(err)
	}
	up := state(t, m, name)
	if up.ActiveState != "active" || up.SubState != "running" || up.UnitFileState != "enabled" || up.MainPID == 0 || len(up.InvocationID) != 32 ||
		time.Since(up.ActiveEnter) > time.Minute || up.Job || up.ExecMainCode != 0 {
		t.Errorf("started: %+v", up)
	}
	comm, err := os.ReadFile("/proc/" + strconv.Itoa(int(up.MainPID)) + "/comm")
	if err != nil || string(comm) != "sleep\n" {
		t.Errorf("pid %d is %q, %v", up.MainPID, comm, err)
	}

	// It dies on its own: another process, another invocation, one restart.
	if err := syscall.Kill(int(up.MainPID), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	again := until(t, m, name, "restarted", func(s UnitState) bool { return s.NRestarts == 1 && s.ActiveState == "active" })
	if again.MainPID == up.MainPID || again.InvocationID == up.InvocationID {
		t.Errorf("restarted: %+v", again)
	}
	if err := m.Restart(ctx, name); err != nil {
		t.Fatal(err)
	}
	byHand := state(t, m, name)
	if byHand.NRestarts != 0 || byHand.InvocationID == again.InvocationID || byHand.ActiveState != "active" {
		t.Errorf("restarted by hand: %+v", byHand)
	}
	if err := m.TryRestart(ctx, name); err != nil {
		t.Fatal(err)
	}
	if s := state(t, m, name); s.InvocationID == byHand.InvocationID || s.ActiveState != "active" {
		t.Errorf("restarted since it ran: %+v", s)
	}

	if err := m.Stop(ctx, name); err != nil {
		t.Fatal(err)
	}
	if s := state(t, m, name); s.ActiveState != "inactive" || s.MainPID != 0 || s.ExecMainCode != 2 || s.ExecMainStatus != 15 || s.MemoryCurrent != Unknown {
		t.Errorf("stopped: %+v", s)
	}
	if err := m.TryRestart(ctx, name); err != nil {
		t.Error(err)
	}
	if s := state(t, m, name); s.ActiveState != "inactive" {
		t.Errorf("restarted though it was stopped: %+v", s)
	}
	if err := m.Disable(ctx, name); err != nil {
		t.Fatal(err)
	}
	if on, err := m.IsEnabled(ctx, name); err != nil || on {
		t.Errorf("enabled: %t, %v", on, err)
	}
}

func TestHostResults(t *testing.T) {
	m := connected(t)
	for name, c := range map[string]struct {
		service string
		result  JobResult
		why     string // the unit's
	}{
		"aztec-a@done.service":    {"Type=exec\nExecStart=/bin/sleep 1000", Done, ""},
		"aztec-a@crash.service":   {"Type=exec\nExecStart=/no/such/program", Failed, "exit-code"},
		"aztec-a@gate.service":    {"Type=exec\nExecStart=/bin/sleep 1000\nExecStartPost=/bin/false", Failed, "exit-code"},
		"aztec-a@hang.service":    {"Type=notify\nExecStart=/bin/sleep 1000\nTimeoutStartSec=1", Failed, "timeout"},
		"aztec-a@queue.service":   {"Type=notify\nExecStart=/bin/sleep 1000\n[Unit]\nJobTimeoutSec=1", TimedOut, ""},
		"aztec-a@needs.service":   {"ExecStart=/bin/true\n[Unit]\nRequires=aztec-a@bad.service\nAfter=aztec-a@bad.service", Dependency, ""},
		"aztec-a@bad.service":     {"Type=oneshot\nExecStart=/bin/false", Failed, "exit-code"},
		"aztec-a@oneshot.service": {"Type=oneshot\nExecStart=/bin/true", Done, ""},
	} {
		install(t, m, name, c.service)
		if c.result == Dependency { // which must be there
			install(t, m, "aztec-a@bad.service", "Type=oneshot\nExecStart=/bin/false")
		}
		err := m.Start(t.Context(), name)
		var job *JobError
		switch {
		case c.result == Done && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.result != Done && (!errors.As(err, &job) || job.Result != c.result || job.UnitResult != c.why):
			t.Errorf("%s: got %#v (%v), want %s %s", name, job, err, c.result, c.why)
		}
	}
	if err := m.ResetFailed(t.Context(), "aztec-a@bad.service"); err != nil {
		t.Error(err)
	}
	if s := state(t, m, "aztec-a@bad.service"); s.ActiveState != "inactive" {
		t.Errorf("reset: %+v", s)
	}
	for _, name := range []string{"aztec-a@missing.service", "missing.service"} {
		if err := m.Start(t.Context(), name); !errors.Is(err, ErrNoUnit) {
			t.Errorf("%s: %v", name, err)
		}
		if err := m.ResetFailed(t.Context(), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := m.Disable(t.Context(), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if on, err := m.IsEnabled(t.Context(), name); on || err != nil {
			t.Errorf("%s: %t, %v", name, on, err)
		}
		if err := m.Enable(t.Context(), name); !errors.Is(err, ErrNoUnit) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := m.Start(t.Context(), "no unit's name"); err == nil {
		t.Error("started what is no unit")
	}
}

// TestHostGiveUp gives up on a start that would take forever: nothing of it
// stays queued.
func TestHostGiveUp(t *testing.T) {
	m := connected(t)
	name := "aztec-a@slow.service"
	install(t, m, name, "Type=notify\nExecStart=/bin/sleep 1000\nTimeoutStartSec=infinity")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	told := 0
	err := m.Start(ctx, name, OnWait(func(time.Duration) {
		if told++; told == 2 {
			cancel()
		}
	}))
	if !errors.Is(err, context.Canceled) || !strings.HasSuffix(err.Error(), "the job was cancelled") {
		t.Errorf("got %v", err)
	}
	if s := state(t, m, name); s.Job || s.ActiveState != "activating" {
		t.Errorf("given up: %+v", s)
	}
	if err := m.Stop(t.Context(), name); err != nil {
		t.Error(err)
	}
	if err := m.Start(t.Context(), name, Timeout(300*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	// A stop from elsewhere takes the place of the start.
	replaced := make(chan error, 1)
	go func() { replaced <- m.Restart(t.Context(), name) }()
	until(t, m, name, "starting", func(s UnitState) bool { return s.Job && s.ActiveState == "activating" })
	if out, err := exec.Command("systemctl", "stop", name).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var job *JobError
	if err := <-replaced; !errors.As(err, &job) || job.Result != Canceled {
		t.Errorf("got %v", err)
	}
}

// TestHostGiveUpRestart gives up on a restart that has begun to stop the unit: it
// goes on, as what is cancelled then would leave it down.
func TestHostGiveUpRestart(t *testing.T) {
	m := connected(t)
	const name = "aztec-a@reluctant.service"
	install(t, m, name, "Type=exec\nRestart=always\nExecStart=/bin/sh -c 'trap \"sleep 1; exit 0\" TERM; touch /run/reluctant; while :; do sleep 0.1; done'\n"+
		"ExecStartPost=/bin/sh -c 'until test -e /run/reluctant; do sleep 0.02; done'\nExecStopPost=/bin/rm -f /run/reluctant")
	if err := m.Start(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	for verb, restart := range map[string]func(context.Context, string, ...Option) error{"restart": m.Restart, "try-restart": m.TryRestart} {
		up := state(t, m, name)
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan error, 1)
		go func() { over <- restart(ctx, name, GoesOn()) }()
		until(t, m, name, "stopping", func(s UnitState) bool { return s.ActiveState == "deactivating" })
		cancel()
		if err := <-over; !errors.Is(err, context.Canceled) || !strings.HasSuffix(err.Error(), "the job goes on") {
			t.Errorf("%s: %v", verb, err)
		}
		until(t, m, name, "restarted", func(s UnitState) bool { return s.ActiveState == "active" && s.InvocationID != up.InvocationID })
	}
}

// TestHostStops: what a unit that restarts always ends as when somebody stops
// it, and what it ends as in no other way. The invocation stays.
func TestHostStops(t *testing.T) {
	m := connected(t)
	ready := "\nType=exec\nRestart=always\nRestartSec=0\nKillMode=mixed\nTimeoutStopSec=1\n" +
		"ExecStartPost=/bin/sh -c 'until test -e /run/ready-%i; do sleep 0.02; done'\nExecStopPost=/bin/rm -f /run/ready-%i"
	for name, c := range map[string]struct {
		service       string
		state, result string
	}{
		"aztec-a@ends.service":    {"ExecStart=/bin/sh -c 'touch /run/ready-%i; exec sleep 1000'", "inactive", "success"},
		"aztec-a@ignores.service": {"ExecStart=/bin/sh -c 'trap \"\" TERM; touch /run/ready-%i; while :; do sleep 1; done'", "failed", "timeout"},
		"aztec-a@errs.service":    {"ExecStart=/bin/sh -c 'trap \"exit 3\" TERM; touch /run/ready-%i; sleep 1000 & wait'", "failed", "exit-code"},
	} {
		install(t, m, name, c.service+ready)
		// As a node is: what nothing refers to systemd forgets, and its invocation.
		if err := errors.Join(m.Enable(t.Context(), name), m.Start(t.Context(), name)); err != nil {
			t.Fatal(err)
		}
		up := state(t, m, name)
		if err := syscall.Kill(int(up.MainPID), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		up = until(t, m, name, "up again", func(s UnitState) bool { return s.NRestarts > 0 && s.ActiveState == "active" })
		if err := m.Stop(t.Context(), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if s := state(t, m, name); s.ActiveState != c.state || s.Result != c.result || s.Restart != "always" || s.InvocationID != up.InvocationID || s.MainPID != 0 {
			t.Errorf("stopped: %+v, was %+v", s, up)
		}
	}
}

func TestHostNoWait(t *testing.T) {
	m := connected(t)
	name := "aztec-a@later.service"
	install(t, m, name, "Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sleep 0.5")
	if err := m.StartNoWait(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	until(t, m, name, "done", func(s UnitState) bool { return s.ActiveState == "active" })
}

// TestHostMember: a member of the group aztec starts and stops nodes, by the
// rules of the package where polkit reads rules, and nothing else; where it may
// not, the error says so.
func TestHostMember(t *testing.T) {
	m := connected(t)
	install(t, m, memberUnit, "Type=exec\nExecStart=/bin/sleep 1000")
	install(t, m, "other.service", "Type=exec\nExecStart=/bin/sleep 1000")
	shell := func(script string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "sh", "-ec", script).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	shell("install -D -m 644 -t /usr/share/polkit-1/rules.d /opt/50-aztec-spartan.rules && groupadd aztec && useradd -G aztec alice && systemctl restart polkit")
	out := shell("runuser -u alice -- env RULES=$(grep -q bullseye /etc/os-release && echo no || echo yes) /opt/tests -test.run ^TestMember$ -test.v")
	if !strings.Contains(out, "--- PASS: TestMember") {
		t.Error(out)
	}
}

const memberUnit = "aztec-sequencer@member.service"

// TestMember is what TestHostMember runs as somebody else.
func TestMember(t *testing.T) {
	m := connected(t)
	err := m.Start(t.Context(), memberUnit)
	if os.Getenv("RULES") == "no" {
		if !errors.Is(err, ErrDenied) {
			t.Errorf("got %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if s := state(t, m, memberUnit); s.ActiveState != "active" {
		t.Errorf("started: %+v", s)
	}
	for _, do := range []func() error{
		func() error { return m.Restart(t.Context(), memberUnit) },
		func() error { return m.ResetFailed(t.Context(), memberUnit) },
		func() error { return m.Stop(t.Context(), memberUnit) },
	} {
		if err := do(); err != nil {
			t.Error(err)
		}
	}
	for _, do := range []func() error{
		func() error { return m.Start(t.Context(), "other.service") },
		func() error { return m.Enable(t.Context(), memberUnit) },
		func() error { return m.Reload(t.Context()) },
	} {
		if err := do(); !errors.Is(err, ErrDenied) {
			t.Errorf("got %v", err)
		}
	}
}

// TestHostReexec: systemd replaces itself, as an upgrade of its package has it do,
// while it is asked and told things.
func TestHostReexec(t *testing.T) {
	m := connected(t)
	const name = "aztec-a@reexec.service"
	install(t, m, name, "Type=exec\nExecStart=/bin/sleep 1000")
	done := make(chan error, 1)
	go func() {
		for range 5 {
			if out, err := exec.Command("systemctl", "daemon-reexec").CombinedOutput(); err != nil {
				done <- fmt.Errorf("%w: %s", err, out)
				return
			}
		}
		done <- nil
	}()
	for n := 0; ; n++ {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d rounds", n)
			return
		default:
		}
		if err := m.Start(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		up := state(t, m, name)
		if up.ActiveState != "active" {
			t.Fatalf("after a start: %+v", up)
		}
		if err := m.TryRestart(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		if s := state(t, m, name); s.ActiveState != "active" || s.InvocationID == up.InvocationID {
			t.Fatalf("after a restart: %+v", s)
		}
		if err := m.Stop(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		if s := state(t, m, name); s.ActiveState != "inactive" {
			t.Fatalf("after a stop: %+v", s)
		}
	}
}

// TestHostZPrivate does without the bus, and loses it in the middle of a job.
func TestHostZPrivate(t *testing.T) {
	before := connected(t)
	const name, ready = "aztec-a@private.service", "aztec-a@ready.service"
	install(t, before, name, "Type=notify\nExecStart=/bin/sleep 1000\nTimeoutStartSec=infinity")
	install(t, before, ready, "Type=oneshot\nExecStart=/bin/sh -c 'until test -e /run/ready; do sleep 0.1; done'")
	lost, went := make(chan error, 1), make(chan error, 1)
	go func() { lost <- before.Start(t.Context(), name) }()
	go func() { went <- before.Start(t.Context(), ready) }()
	until(t, before, name, "starting", func(s UnitState) bool { return s.Job })
	until(t, before, ready, "starting", func(s UnitState) bool { return s.Job })
	if out, err := exec.Command("systemctl", "stop", "dbus.socket", "dbus.service").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.WriteFile("/run/ready", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-went; err != nil {
		t.Errorf("one that ends without the bus: %v", err)
	}
	b, err := connect(t.Context(), booted, []opener{systemBus, privateBus})
	if err != nil {
		t.Fatal(err)
	}
	private := &Manager{b}
	defer private.Close()
	if err := private.Stop(t.Context(), name); err != nil {
		t.Error(err)
	}
	if failed := (*JobError)(nil); !errors.As(<-lost, &failed) {
		t.Errorf("a start that somebody ended: %v", failed)
	}
	install(t, private, name, "Type=exec\nExecStart=/bin/sleep 1000")
	if err := private.Start(t.Context(), name); err != nil {
		t.Error(err)
	}
	if s := state(t, private, name); s.ActiveState != "active" {
		t.Errorf("over the private socket: %+v", s)
	}
	if v, err := private.Version(t.Context()); err != nil || v < 247 {
		t.Errorf("%d, %v", v, err)
	}
	if _, err := connect(t.Context(), booted, []opener{systemBus}); !errors.Is(err, ErrNoSystemd) {
		t.Errorf("without any socket: %v", err)
	}
}
