package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/units/manager"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// A unit that has failed and is not started again was stopped by somebody.
func TestHalted(t *testing.T) {
	for name, c := range map[string]struct {
		state manager.UnitState
		want  bool
	}{
		"killed at TimeoutStopSec": {manager.UnitState{ActiveState: "failed", Result: "timeout", Restart: "always", ExecMainCode: cldKilled, ExecMainStatus: 9}, true},
		"an error when stopped":    {manager.UnitState{ActiveState: "failed", Result: "exit-code", Restart: "always", ExecMainCode: cldExited, ExecMainStatus: 1}, true},
		"out of date":              {manager.UnitState{ActiveState: "failed", Result: "exit-code", Restart: "always", ExecMainCode: cldExited, ExecMainStatus: 79}, false},
		"never restarted":          {manager.UnitState{ActiveState: "failed", Result: "exit-code", Restart: "no", ExecMainCode: cldExited, ExecMainStatus: 1}, false},
		"too often restarted":      {manager.UnitState{ActiveState: "failed", Result: "start-limit-hit", Restart: "always"}, false},
		"to be restarted":          {manager.UnitState{ActiveState: "activating", SubState: "auto-restart", Result: "exit-code", Restart: "always"}, false},
	} {
		if got := halted(c.state); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// A start that was cancelled is a stop by hand, unless the roll gave it up.
func TestStartError(t *testing.T) {
	for name, c := range map[string]struct {
		err     error
		stopped bool
	}{
		"cancelled": {&manager.JobError{Verb: "start", Result: manager.Canceled}, true},
		"failed":    {&manager.JobError{Verb: "start", Result: manager.Failed}, false},
		"given up":  {fmt.Errorf("%w; the job was cancelled", context.DeadlineExceeded), false},
		"done":      {nil, false},
	} {
		got := startError(c.err)
		if errors.Is(got, roll.ErrStopped) != c.stopped || !errors.Is(got, c.err) {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// Nothing is started on a host that goes down or did not come up; that other
// units failed is no reason.
func TestMayStart(t *testing.T) {
	for state, want := range map[string]string{
		"running": "", "degraded": "", "starting": "", "initializing": "", "unknown": "",
		"stopping":    "aztec-spartan: start: this host is shutting down\nhint: it starts what is enabled",
		"maintenance": "aztec-spartan: start: this host is in rescue or emergency mode, where nothing that nodes need runs\nhint: journalctl -b -p err says why; systemctl default",
	} {
		var said bytes.Buffer
		code := newApp(&said).report(mayStart("start", state))
		if !strings.HasPrefix(said.String(), want) || (want == "") != (code == 0) || code != 0 && code != exitUnsupported {
			t.Errorf("%s: exit code %d, %s", state, code, said.String())
		}
	}
}

// A start that was done and has started nothing is no start.
func TestUnmet(t *testing.T) {
	const unit = "aztec-full-node@val1.service"
	for _, c := range []struct {
		state manager.UnitState
		want  bool
	}{
		{manager.UnitState{ActiveState: "inactive", Unmet: true}, true},
		{manager.UnitState{ActiveState: "inactive"}, false}, // somebody has stopped it since
		{manager.UnitState{ActiveState: "active"}, false},
	} {
		err := unmet(t.Context(), fakeUnits{unit: c.state}, unit)
		if (err != nil) != c.want || err != nil && !strings.Contains(err.Error(), "starting "+unit+": a condition of it does not hold") {
			t.Errorf("%+v: %v", c.state, err)
		}
	}
}
