package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/journal"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
	"github.com/aztec-spartan/aztec-spartan/units/probe"
)

// verdict is what systemd and the node say about the health of a unit. obstacle
// is what is known to keep the node from its start, or nil. asked tells whether
// the node was: where systemd says that there is none, it is not.
func verdict(ctx context.Context, u manager.UnitState, meta units.Meta, again *restarted, obstacle error) (r probe.Report, asked bool) {
	switch {
	// From 254 on a start that waits its turn is "auto-restart-queued".
	case u.ActiveState == "activating" && strings.HasPrefix(u.SubState, "auto-restart"), u.ActiveState == "inactive" && u.Job && u.NRestarts > 0:
		loop := fmt.Sprintf("restart %d", u.NRestarts)
		if again != nil {
			loop = again.String()
		}
		if u.NRestarts == 0 { // it counts those that it has begun
			loop = "for the first time"
		}
		reason := fmt.Sprintf("the node %s; systemd starts it again (%s)", orDefault(exitWords(u), "stopped"), loop)
		if obstacle != nil {
			reason += ": " + obstacle.Error()
		}
		return probe.Report{Health: probe.Unhealthy, Reason: reason}, false
	case u.ActiveState == "inactive" && obstacle != nil:
		return probe.Report{Health: probe.Unhealthy, Reason: fmt.Sprintf("it was not started: %v", obstacle)}, false
	case u.ActiveState == "inactive" && u.Job:
		return probe.Report{Health: probe.Unhealthy, Reason: "its start waits for other units: systemctl list-jobs"}, false
	case u.ActiveState == "inactive" && u.Unmet:
		return probe.Report{Health: probe.Stopped, Reason: "it is stopped: a condition of its unit did not hold at its last start"}, false
	case u.ActiveState == "inactive":
		return probe.Report{Health: probe.Stopped, Reason: "it is stopped"}, false
	case outdated(u):
		reason := fmt.Sprintf("the node %s: its version is out of date; aztec-failure@%s looks for a newer one, and starts it again", exitWords(u), u.Unit)
		return probe.Report{Health: probe.Unhealthy, Reason: reason}, false
	case u.ActiveState == "failed":
		reason := "the unit failed: " + u.Result
		if obstacle != nil {
			reason += ": " + obstacle.Error()
		}
		return probe.Report{Health: probe.Unhealthy, Reason: reason}, false
	}
	t := probeTarget(meta)
	if again == nil { // one that does not hold gets no time to come up
		t.Started = started(u)
	}
	r = probe.Check(ctx, probe.Client(), t)
	if again != nil {
		r.Reason += "; it was " + again.String()
	}
	return r, true
}

// sinceStopped is the state of a unit as verdict takes it. One whose node wanted
// another version is still failed after somebody has stopped it: all that shows it
// is that the service which saw to it has ended.
func sinceStopped(ctx context.Context, m unitReader, u manager.UnitState) manager.UnitState {
	if !outdated(u) {
		return u
	}
	if failure, err := m.State(ctx, failureUnit(u.Unit)); err == nil && !running(u, failure).Outdated {
		u.ActiveState = "inactive"
	}
	return u
}

// obstacle is what keeps an instance down that systemd wants to run, beyond what
// its unit says: data whose disk is away, keys that this host cannot read, or a
// resync that was killed.
// nil: none is known.
func (a *app) obstacle(ctx context.Context, name string, u manager.UnitState) error {
	var err error
	switch {
	case u.ActiveState == "active", u.ActiveState == "inactive" && u.UnitFileState != "enabled":
		return nil // it runs, or was stopped
	case u.ExecMainCode == cldExited && u.ExecMainStatus == exitCredentials:
		err = a.loadKeystore(ctx, name, &secrets{})
	case u.ActiveState == "failed":
		err = a.stoppedByResync(name, u)
	case u.ActiveState == "inactive":
		if _, err = a.dataPath(name); err != nil {
			err = withHint(err, "mount the disk that they are on, then: aztec-spartan start %s", name)
		} else {
			err = a.stoppedByResync(name, u)
		}
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil // for who asks, and not for the node
	}
	return err
}

// started is when the process of a unit was; zero if there is none.
func started(u manager.UnitState) time.Time {
	switch u.ActiveState {
	case "active":
		return u.ActiveEnter
	case "activating":
		return u.StateChange
	}
	return time.Time{}
}

func (r restarted) String() string {
	times, minutes := "times", "minutes"
	if r.Times == 1 {
		times = "time"
	}
	if r.Minutes == 1 {
		minutes = "minute"
	}
	return fmt.Sprintf("restarted %d %s in %d %s", r.Times, times, r.Minutes, minutes)
}

// Restarts of the last hour tell a loop from a crash of last week, and a node
// that has held for ten minutes is over it.
const (
	loopWindow = time.Hour
	loopOver   = 10 * time.Minute
)

// restarted is nil for a unit that holds. The journal is asked only for others.
func (a *app) restarted(ctx context.Context, u manager.UnitState) *restarted {
	now := time.Now()
	if u.NRestarts == 0 || u.ActiveState == "inactive" || u.ActiveState == "active" && now.Sub(u.ActiveEnter) > loopOver {
		return nil
	}
	n, first, err := journal.Restarts(ctx, "", u.Unit, now.Add(-loopWindow))
	if err != nil || n == 0 {
		return nil // the verdict does not hang on it
	}
	return &restarted{Times: n, Minutes: max(1, int((now.Sub(first)+time.Minute-1)/time.Minute))}
}
