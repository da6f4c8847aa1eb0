package manager

import (
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// Unknown is the value of a counter that systemd does not keep, for example
// because accounting is off or the unit does not run.
const Unknown uint64 = math.MaxUint64

// UnitState is what systemd says about a unit: properties of the interfaces
// org.freedesktop.systemd1.Unit and .Service (org.freedesktop.systemd1(5)),
// read in one call, so that they belong together. Of a unit that is not a
// service those of the service are zero.
type UnitState struct {
	Unit           string
	LoadState      string // loaded, not-found, bad-setting, error, masked
	ActiveState    string // active, activating, deactivating, inactive, failed, reloading
	SubState       string // for a service: running, start-post, auto-restart, dead, ...
	UnitFileState  string // enabled, disabled, static, ...; as of the last reload
	Result         string // success, exit-code, signal, timeout, ...
	Type           string // of a service, as set: exec, notify, oneshot, ...
	Restart        string // as set: no, always, on-failure, ...
	MainPID        uint32 // 0: there is none
	NRestarts      uint32 // automatic ones since the last start by hand
	InvocationID   string // 32 hex digits, new with every start; empty if it never ran
	ActiveEnter    time.Time
	StateChange    time.Time
	ExecMainStatus int32     // exit code, or signal number; see ExecMainCode
	ExecMainCode   int32     // CLD_EXITED (1), CLD_KILLED (2), CLD_DUMPED (3) of waitid(2); 0 while it runs
	MemoryCurrent  uint64    // bytes, or Unknown
	CPUUsageNSec   uint64    // nanoseconds, or Unknown
	Job            bool      // a job for it is queued or running
	Unmet          bool      // a Condition...= did not hold when it was to be started last
	NextElapse     time.Time // of a timer: when it fires next, as far as is known now; zero if it does not
	LastTrigger    time.Time // of a timer: when it fired last
}

// Down reports whether nothing of the unit runs, nor is on its way up or down.
func (s UnitState) Down() bool { return s.ActiveState == "inactive" || s.ActiveState == "failed" }

// State reads the state of a unit. A unit that does not exist is no error:
// its LoadState is not-found.
func (m *Manager) State(ctx context.Context, unit string) (UnitState, error) {
	p, err := m.properties(ctx, unit)
	if err != nil {
		return UnitState{}, err
	}
	return stateOf(unit, p), nil
}

func (m *Manager) properties(ctx context.Context, unit string) (map[string]any, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	p, err := m.bus.GetAllPropertiesContext(ctx, unit)
	if err != nil {
		return nil, fmt.Errorf("reading the state of %s: %w", unit, explain(err, callTimeout))
	}
	return p, nil
}

func stateOf(unit string, p map[string]any) UnitState {
	s := UnitState{
		Unit:           unit,
		LoadState:      value[string](p, "LoadState"),
		ActiveState:    value[string](p, "ActiveState"),
		SubState:       value[string](p, "SubState"),
		UnitFileState:  value[string](p, "UnitFileState"),
		Result:         value[string](p, "Result"),
		Type:           value[string](p, "Type"),
		Restart:        value[string](p, "Restart"),
		MainPID:        value[uint32](p, "MainPID"),
		NRestarts:      value[uint32](p, "NRestarts"),
		InvocationID:   invocation(p),
		ActiveEnter:    instant(p, "ActiveEnterTimestamp"),
		StateChange:    instant(p, "StateChangeTimestamp"),
		ExecMainStatus: value[int32](p, "ExecMainStatus"),
		ExecMainCode:   value[int32](p, "ExecMainCode"),
		MemoryCurrent:  Unknown,
		CPUUsageNSec:   Unknown,
		NextElapse:     nextElapse(p, time.Now(), monotonic()),
		LastTrigger:    instant(p, "LastTriggerUSec"),
		Job:            jobOf(p) != 0,
	}
	if n, ok := p["MemoryCurrent"].(uint64); ok {
		s.MemoryCurrent = n
	}
	if n, ok := p["CPUUsageNSec"].(uint64); ok {
		s.CPUUsageNSec = n
	}
	held, asked := p["ConditionResult"].(bool)
	s.Unmet = asked && !held && value[uint64](p, "ConditionTimestamp") != 0 // else it was never looked at
	return s
}

func invocation(p map[string]any) string { return hex.EncodeToString(value[[]byte](p, "InvocationID")) }

// jobOf is the number of the job of a unit, 0 if it has none.
func jobOf(p map[string]any) uint32 {
	job := value[[]any](p, "Job") // (number, object path)
	if len(job) == 0 {
		return 0
	}
	id, _ := job[0].(uint32)
	return id
}

// value reads a property; one that is absent (it is newer than the running
// systemd, or of another type of unit) is the zero value.
func value[T any](p map[string]any, name string) T {
	v, _ := p[name].(T)
	return v
}

// nextElapse is the sooner of what the calendar says and what a clock that is never
// set says (systemctl list-timers shows the same): after a clock was set back the
// calendar's may be far away. One that is past was not cleared by systemd.
func nextElapse(p map[string]any, now time.Time, up time.Duration) time.Time {
	next := instant(p, "NextElapseUSecRealtime")
	usec := value[uint64](p, "NextElapseUSecMonotonic")
	if usec > math.MaxInt64/1000 || time.Duration(usec)*time.Microsecond <= up {
		return next
	}
	at := now.Add(time.Duration(usec)*time.Microsecond - up)
	if next.IsZero() || at.Before(next) {
		return at
	}
	return next
}

// monotonic is CLOCK_MONOTONIC, by which systemd counts; 0 if it cannot be read.
func monotonic() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// instant reads a CLOCK_REALTIME property in microseconds; 0 is never.
func instant(p map[string]any, name string) time.Time {
	usec := value[uint64](p, name)
	if usec == 0 || usec > math.MaxInt64 {
		return time.Time{}
	}
	return time.UnixMicro(int64(usec))
}
