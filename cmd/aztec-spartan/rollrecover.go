package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/journal"
	"github.com/aztec-spartan/aztec-spartan/units/lock"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
	"github.com/aztec-spartan/aztec-spartan/units/notify"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// unfinished lists the instances that have a roll without an outcome, one that
// has begun or any, and says what of others could not be read.
func (a *app) unfinished(begun bool) (names []string, err error) {
	found, listErr := os.ReadDir(a.path(stateDir))
	if listErr != nil && !errors.Is(listErr, fs.ErrNotExist) {
		return nil, fmt.Errorf("listing instances: %w", listErr)
	}
	for _, f := range found {
		if profiles.ValidName(f.Name()) != nil {
			continue
		}
		s, loadErr := a.files().Load(f.Name())
		err = errors.Join(err, loadErr)
		if loadErr == nil && s.Intent != nil && (s.Intent.Begun || !begun) {
			names = append(names, f.Name())
		}
	}
	return names, err
}

// unfinishedRoll refuses work at an instance whose roll has begun and has no
// outcome. A lock ends with the engine that held it, and what the roll has left
// half moved must not be started, nor copied, before another engine took it back.
func unfinishedRoll(state roll.State, doing, name string) error {
	if state.Intent == nil || !state.Intent.Begun {
		return nil
	}
	err := withCode(exitLocked, fmt.Errorf("%s %s: its roll to another version is not finished", doing, name))
	return withHint(err, "if nothing rolls, it was interrupted: aztec-spartan rollback %s takes it back", name)
}

// recoverRolls is what aztec-recover.service does at boot. One instance that
// cannot be put right does not keep the others from it.
func (a *app) recoverRolls(ctx context.Context) error {
	names, err := a.unfinished(false)
	if len(names) == 0 {
		return err
	}
	var m roll.Manager = offline{}
	if a.live() {
		conn, cerr := manager.ConnectEarly(ctx)
		if cerr != nil {
			return errors.Join(err, cerr)
		}
		defer conn.Close()
		m = rollManager{conn}
	}
	for _, name := range names {
		err = errors.Join(err, a.recoverRoll(ctx, name, m))
	}
	return err
}

func (a *app) recoverRoll(ctx context.Context, name string, m roll.Manager) error {
	// Who holds the lock sees to it.
	l, err := lock.Acquire(ctx, a.path(lockDir), name, fmt.Sprintf("recovery (pid %d)", os.Getpid()), 0)
	var held *lock.HeldError
	if errors.As(err, &held) {
		a.print("%v: left alone", err)
		return nil
	}
	if err != nil {
		return err
	}
	engine := a.engine(m, a.rollLine(name))
	engine.Note = a.rollEvent(name)
	_, err = engine.Recover(ctx, name)
	return errors.Join(err, l.Release())
}

// gateRolls is what aztec-gate.service does at boot: the engines of interrupted
// rolls judge what runs by now, each as soon as its node is started. It does not
// wait for them, nor do they for it.
func (a *app) gateRolls(ctx context.Context) error {
	if !a.live() {
		return withCode(exitUnsupported, errors.New("roll --gate: --root never talks to systemd"))
	}
	names, err := a.unfinished(true)
	if len(names) == 0 {
		return err
	}
	m, cerr := connect(ctx)
	if cerr != nil {
		return errors.Join(err, cerr)
	}
	defer m.Close()
	for name := range a.booted(ctx, m, names) {
		err = errors.Join(err, m.StartNoWait(ctx, rollUnit(name)))
		e := a.event(notify.BootRecovery, name, "a roll was interrupted; its files were put right before the node started, and the gate looks at what runs")
		e.Key += " " + e.Time.String() // once for each boot
		a.tellEvents(ctx, e)
	}
	return err
}

// idlePoll is how often a unit is looked at that has a job still.
const idlePoll = 500 * time.Millisecond

// booted yields instances, each once no job of the boot for its unit is left. An
// agent may wait an hour for its reference string: that must not keep the gate
// from a validator of the same host.
func (a *app) booted(ctx context.Context, m unitReader, names []string) <-chan string {
	ready := make(chan string)
	var waiting sync.WaitGroup
	for _, name := range names {
		waiting.Go(func() {
			a.awaitBoot(ctx, m, name)
			ready <- name
		})
	}
	go func() {
		waiting.Wait()
		close(ready)
	}()
	return ready
}

// awaitBoot returns when the unit of an instance has no job, and when nobody
// knows: the engine will see.
func (a *app) awaitBoot(ctx context.Context, m unitReader, name string) {
	if unit, err := a.installedUnit(name); err == nil {
		_ = awaitIdle(ctx, m, unit)
	}
}

// awaitIdle waits until a unit has no job.
func awaitIdle(ctx context.Context, m unitReader, unit string) error {
	tick := time.NewTicker(idlePoll)
	defer tick.Stop()
	for {
		s, err := m.State(ctx, unit)
		if err == nil && !s.Job {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", unit, ctx.Err())
		case <-tick.C:
		}
	}
}

// rollLine is how an engine says what it does: in the journal, where it runs
// as a service, without a detour over a pipe, so that lines and events are in
// their order.
func (a *app) rollLine(name string) func(string) {
	event := a.rollEvent(name)
	return func(line string) { event(roll.Event{Line: line}) }
}

// rollEvent is rollLine with a number and fields.
func (a *app) rollEvent(name string) func(roll.Event) {
	attached := journal.Attached()
	return func(e roll.Event) {
		if attached {
			// The journal finds out the unit of who writes when it comes to read it. An
			// engine may have ended by then, and its last words would be nobody's: so
			// they say themselves whose they are, which counts from root (journalctl -u).
			fields := map[string]string{"SYSLOG_IDENTIFIER": "aztec-roll@" + name, "AZTEC_INSTANCE": name, "OBJECT_SYSTEMD_UNIT": rollUnit(name)}
			for k, v := range e.Fields {
				if v != "" {
					fields[k] = v
				}
			}
			if e.ID != "" {
				fields["MESSAGE_ID"] = e.ID
			}
			if journal.Send(e.Line, e.Bad, fields) == nil {
				return
			}
		}
		a.print("%s", e.Line)
	}
}
