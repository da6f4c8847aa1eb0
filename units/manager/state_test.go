package manager

import (
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"
)

func TestState(t *testing.T) {
	f := &fake{props: map[string]map[string]any{
		unit: {
			"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "UnitFileState": "enabled", "Result": "success", "Type": "notify", "Restart": "always",
			"MainPID": uint32(4711), "NRestarts": uint32(3), "InvocationID": []byte{0x0a, 0xff},
			"ConditionResult": true, "ConditionTimestamp": uint64(1_700_000_000_000_000),
			"ActiveEnterTimestamp": uint64(1_700_000_000_000_001), "StateChangeTimestamp": uint64(1_700_000_001_000_000),
			"ExecMainStatus": int32(143), "ExecMainCode": int32(1), "MemoryCurrent": uint64(123), "CPUUsageNSec": uint64(math.MaxUint64),
			"Job": []any{uint32(9), godbus.ObjectPath("/org/freedesktop/systemd1/job/9")},
		},
		// A target has no properties of a service, and one of an unexpected
		// type must not matter.
		"aztec.target": {
			"LoadState": "loaded", "ActiveState": "inactive", "SubState": "dead", "MainPID": "seven",
			"ActiveEnterTimestamp": uint64(0), "StateChangeTimestamp": uint64(math.MaxUint64), "InvocationID": []byte{},
			"ConditionResult": false, "ConditionTimestamp": uint64(1_700_000_000_000_000),
			"Job": []any{uint32(0), godbus.ObjectPath("/")},
		},
		"aztec-update.timer": {
			"LoadState": "loaded", "ActiveState": "active", "SubState": "waiting", "ConditionResult": false, "ConditionTimestamp": uint64(0),
			"NextElapseUSecRealtime": uint64(1_700_000_002_000_000), "LastTriggerUSec": uint64(1_700_000_001_000_000),
		},
	}}
	want := map[string]UnitState{
		unit: {
			Unit: unit, LoadState: "loaded", ActiveState: "active", SubState: "running", UnitFileState: "enabled", Result: "success", Type: "notify", Restart: "always",
			MainPID: 4711, NRestarts: 3, InvocationID: "0aff", ActiveEnter: time.UnixMicro(1_700_000_000_000_001), StateChange: time.Unix(1_700_000_001, 0),
			ExecMainStatus: 143, ExecMainCode: 1, MemoryCurrent: 123, CPUUsageNSec: Unknown,
			Job: true,
		},
		"aztec.target": {
			Unit: "aztec.target", LoadState: "loaded", ActiveState: "inactive", SubState: "dead", Unmet: true,
			MemoryCurrent: Unknown, CPUUsageNSec: Unknown,
		},
		"aztec-update.timer": {
			Unit: "aztec-update.timer", LoadState: "loaded", ActiveState: "active", SubState: "waiting",
			MemoryCurrent: Unknown, CPUUsageNSec: Unknown, NextElapse: time.Unix(1_700_000_002, 0), LastTrigger: time.Unix(1_700_000_001, 0),
		},
	}
	for name, w := range want {
		got, err := (&Manager{f}).State(t.Context(), name)
		if diff := cmp.Diff(w, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}

// Units that need each other in a circle, one that does not run but is needed
// by one that does, and one that is not there.
func TestDependents(t *testing.T) {
	active := func(state string, p map[string]any) map[string]any {
		p["ActiveState"] = state
		return p
	}
	f := &fake{props: map[string]map[string]any{
		unit:        active("active", map[string]any{"RequiredBy": []string{"c.service", "off.service"}, "ConsistsOf": []string{"b.service"}, "WantedBy": []string{"aztec.target"}}),
		"b.service": active("activating", map[string]any{"BoundBy": []string{unit, "c.service"}}),
		"c.service": active("active", map[string]any{}),
		// It runs no more, and what needs it would have been stopped with it.
		"off.service": active("failed", map[string]any{"RequisiteOf": []string{"gone.service"}}),
	}}
	f.props["gone.service"] = map[string]any{"ActiveState": "inactive"}
	got, err := (&Manager{f}).Dependents(t.Context(), unit)
	if diff := cmp.Diff([]string{"b.service", "c.service"}, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	f.err = errors.New("no")
	if _, err := (&Manager{f}).Dependents(t.Context(), unit); err == nil {
		t.Error("no error")
	}
}

// A refusal says of which unit.
func TestStateRefused(t *testing.T) {
	f := &fake{err: refusal(nameDenied, "Access denied")}
	if _, err := (&Manager{f}).State(t.Context(), unit); !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), unit) {
		t.Errorf("got %v", err)
	}
}

func TestVersion(t *testing.T) {
	for text, want := range map[string]int{
		"247.3-7+deb11u6": 247, "252.39-1~deb12u2": 252, "257.13-1~deb13u1": 257, "255.4-1ubuntu8.8": 255,
		"252-46.el9_5.2": 252, "v257.5-1.fc42": 257, "v260~rc1": 260, "systemd 249": 249, "254": 254,
		"": 0, "unknown": 0, "-252": 0, "25200000000000000000": 0,
	} {
		got, err := (&Manager{&fake{text: text}}).Version(t.Context())
		if got != want || (err == nil) != (want != 0) {
			t.Errorf("%q: got %d, %v", text, got, err)
		}
	}
	if _, err := (&Manager{&fake{err: refusal(nameDenied, "no")}}).Version(t.Context()); !errors.Is(err, ErrDenied) {
		t.Errorf("got %v", err)
	}
}

func TestEnable(t *testing.T) {
	gone := refusal(nameNoUnit, "Unit x.service does not exist.")
	type call = func(*Manager) error
	enable := func(m *Manager) error { return m.Enable(t.Context(), unit) }
	disable := func(m *Manager) error { return m.Disable(t.Context(), unit) }
	reset := func(m *Manager) error { return m.ResetFailed(t.Context(), unit) }
	for _, c := range []struct {
		name    string
		f       *fake
		call    call
		want    string
		reloads int
	}{
		{"enable", &fake{installable: true, changes: 2}, enable, "", 1},
		{"enabled already", &fake{installable: true}, enable, "", 0},
		{"nothing to install", &fake{changes: 0}, enable, "enabling " + unit + ": the unit file has no section [Install]", 0},
		{"enable a missing unit", &fake{err: gone}, enable, "enabling " + unit + ": no such unit: Unit x.service does not exist.", 0},
		{"disable", &fake{changes: 2}, disable, "", 1},
		{"disabled already", &fake{}, disable, "", 0},
		{"disable a missing unit", &fake{err: gone}, disable, "", 0},
		{"disable as nobody", &fake{err: refusal(nameDenied, "Access denied")}, disable, "disabling " + unit + ": not allowed: Access denied", 0},
		{"reset", &fake{}, reset, "", 0},
		{"reset a missing unit", &fake{err: gone}, reset, "", 0},
		{"reset as nobody", &fake{err: refusal(nameDenied, "Access denied")}, reset, "resetting " + unit + ": not allowed: Access denied", 0},
		{"reload as nobody", &fake{err: refusal(nameDenied, "Access denied")}, func(m *Manager) error { return m.Reload(t.Context()) }, "reloading systemd: not allowed: Access denied", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.call(&Manager{c.f})
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != c.want || len(c.f.calls) != c.reloads {
				t.Errorf("got %q, calls %q", got, c.f.calls)
			}
		})
	}
}

func TestIsEnabled(t *testing.T) {
	for state, want := range map[string]bool{"enabled": true, "enabled-runtime": true, "disabled": false, "static": false, "masked": false, "linked": false} {
		if got, err := (&Manager{&fake{text: state}}).IsEnabled(t.Context(), unit); err != nil || got != want {
			t.Errorf("%s: got %t, %v", state, got, err)
		}
	}
	if got, err := (&Manager{&fake{err: refusal(nameNoFile, "No such file or directory")}}).IsEnabled(t.Context(), unit); err != nil || got {
		t.Errorf("a missing unit: got %t, %v", got, err)
	}
}

// A directory of links goes with its last one.
func TestSettleWithoutDirectory(t *testing.T) {
	f := &fake{}
	if err := (&Manager{f}).settle(t.Context(), []string{filepath.Join(t.TempDir(), "gone", "unit.service")}); err != nil || len(f.calls) != 1 {
		t.Errorf("%v, calls %q", err, f.calls)
	}
}

// After the clock was set back, a timer waits by the clock that is never set.
func TestNextElapse(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	const up = 3 * time.Hour
	calendar := func(at time.Time) uint64 { return uint64(at.UnixMicro()) }
	for name, c := range map[string]struct {
		realtime, monotonic uint64
		want                time.Time
	}{
		"the calendar":       {calendar(now.Add(time.Hour)), uint64((up + 2*time.Hour).Microseconds()), now.Add(time.Hour)},
		"the clock was back": {calendar(now.Add(9 * time.Hour)), uint64((up + 2*time.Hour).Microseconds()), now.Add(2 * time.Hour)},
		"no calendar":        {0, uint64((up + time.Minute).Microseconds()), now.Add(time.Minute)},
		"calendar alone":     {calendar(now.Add(time.Hour)), 0, now.Add(time.Hour)},
		"none of the other":  {calendar(now.Add(time.Hour)), Unknown, now.Add(time.Hour)},
		"long past":          {calendar(now.Add(time.Hour)), uint64(time.Hour.Microseconds()), now.Add(time.Hour)},
		"nothing":            {Unknown, Unknown, time.Time{}},
	} {
		got := nextElapse(map[string]any{"NextElapseUSecRealtime": c.realtime, "NextElapseUSecMonotonic": c.monotonic}, now, up)
		if !got.Equal(c.want) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
