package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/atomicfile"
	"github.com/aztec-spartan/aztec-spartan/units/lock"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
)

// resyncMark is written before a resync stops a node, and removed when the node is
// started again: one that was killed in between is not there to do so. A reboot
// forgets it, and starts what is enabled. systemd forgets the invocation of a unit
// that is down and not enabled, and such a mark means nothing.
type resyncMark struct {
	Invocation string `json:"invocation"` // of the node that ran
	LastStop   string `json:"last_stop"`  // what lastStop said then
	Enabled    bool   `json:"enabled"`
	Back       bool   `json:"back"` // --undo
}

func (a *app) resyncMarkPath(name string) string {
	return filepath.Join(a.path(lockDir), name+".resync")
}

func (a *app) noteResync(name, last string, u manager.UnitState, back bool) error {
	data, err := json.Marshal(resyncMark{Invocation: u.InvocationID, LastStop: last, Enabled: u.UnitFileState == "enabled", Back: back})
	if err != nil {
		return err
	}
	path := a.resyncMarkPath(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return atomicfile.Write(path, data, 0o600)
}

// markOfResync is what the last resync that stopped a node has left, unless that
// node was stopped by our stop since; nil: nothing.
func (a *app) markOfResync(name string) *resyncMark {
	data, err := os.ReadFile(a.resyncMarkPath(name))
	if err != nil {
		return nil
	}
	var m resyncMark
	if json.Unmarshal(data, &m) != nil || m.Invocation == "" || m.LastStop != a.lastStop(name) {
		return nil
	}
	return &m
}

// leftByResync is the mark of a resync that has stopped a node, or had systemd
// begin to, which was not started, disabled, stopped by our stop, or moved to
// another host since; nil: there is none. Whether that resync goes on, its lock
// says.
func (a *app) leftByResync(name string, now manager.UnitState) *resyncMark {
	m := a.markOfResync(name)
	stopped := now.Down() || now.ActiveState == "deactivating" || now.ActiveState == "active" && now.Job
	if m == nil || !stopped || m.Invocation != now.InvocationID || m.Enabled && now.UnitFileState != "enabled" ||
		exists(a.path(instancePath(name, elsewhereFile))) {
		return nil
	}
	return m
}

// stoppedByResync says so where a resync has left a node down, or is about to
// start it.
func (a *app) stoppedByResync(name string, now manager.UnitState) error {
	m := a.leftByResync(name, now)
	if m == nil {
		return nil
	}
	undo := ""
	if m.Back {
		undo = " --undo"
	}
	return fmt.Errorf("a resync has stopped it; if none runs, it was interrupted: aztec-spartan resync %s%s goes on with it", name, undo)
}

// resumeResyncs goes on with the resyncs that were killed while their nodes were
// stopped.
func (a *app) resumeResyncs(ctx context.Context) error {
	names, err := a.instanceNames()
	if err != nil {
		return err
	}
	var left []string
	for _, name := range names {
		if exists(a.resyncMarkPath(name)) {
			left = append(left, name)
		}
	}
	if len(left) == 0 {
		return nil
	}
	m, err := connect(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	return together(left, func(name string) error {
		err := a.lockedInstance(ctx, name, "resync", func(inst profiles.Instance) error { return a.resumeResync(ctx, m, inst) })
		if _, held := errors.AsType[*lock.HeldError](err); held {
			return nil // it was not killed, or somebody else sees to the instance
		}
		return err
	})
}

// resumeResync goes on with the resync of an instance whose lock is held.
func (a *app) resumeResync(ctx context.Context, m stopStart, inst profiles.Instance) error {
	fail := func(err error) error { return fmt.Errorf("resyncing %s: %w", inst.Name, err) }
	unit, err := a.unitOf(inst)
	if err != nil {
		return err
	}
	now, err := m.State(ctx, unit)
	if err != nil {
		return err
	}
	mark := a.leftByResync(inst.Name, now)
	if mark == nil { // it has come to its end, perhaps while it was waited for
		return atomicfile.Remove(a.resyncMarkPath(inst.Name))
	}
	if err := a.mayRun(inst.Name); err != nil {
		return err
	}
	state, err := a.files().Load(inst.Name)
	if err != nil {
		return fail(err)
	}
	if err := unfinishedRoll(state, "resyncing", inst.Name); err != nil {
		return err
	}
	r, err := a.asideOf(inst.Name)
	if err != nil {
		return fail(err)
	}
	if err := a.exchange(ctx, m, inst.Name, now, mark.LastStop, true, mark.Back, r); err != nil {
		return fail(err)
	}
	a.note("%s: its resync was interrupted while the node was stopped; the stores are moved, and it is started", inst.Name)
	return nil
}
