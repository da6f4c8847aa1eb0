package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units/notify"
)

// What the watchdog does with a node that is unhealthy. By default it is left
// to the operator: a node is mostly unhealthy for what its L1, its beacon node
// or its network do, which a restart does not mend, and it costs a validator
// peers and duties. One that ends is started again by systemd in any case.
const (
	watchdogReport  = "report"
	watchdogRestart = "restart"
)

// defaultRestartAfter is longer than the outages of L1 that a node mends on
// its own.
const defaultRestartAfter = 30 * time.Minute

// restartEvent says that the watchdog restarts a node, and why.
func restartEvent(name string, now time.Time, all []status) notify.Event {
	text := "the watchdog restarts the node"
	for _, s := range all {
		if s.Name == name {
			text += ", which is unhealthy: " + s.Reason
		}
	}
	return notify.Event{Kind: notify.Restarted, Instance: name, Text: text, Key: fmt.Sprintf("%s %s %d", notify.Restarted, name, now.UnixNano())}
}

// mayRestart is an error while an agent waits for its reference string: that may
// take an hour, which the watchdog has not, and the agent runs meanwhile.
func (a *app) mayRestart(ctx context.Context, name string) error {
	unit, err := a.installedUnit(name)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(a.path(filepath.Join(systemdDir, unit)))
	if err != nil {
		return err
	}
	makes := referenceUnit(text)
	if makes == "" {
		return nil
	}
	m, err := connect(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := m.StartNoWait(ctx, makes); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, referencePatience)
	defer cancel()
	return awaitIdle(limited, m, makes)
}

// referencePatience is enough where the string is here.
const referencePatience = 5 * time.Second

// restartUnhealthy restarts those, each whatever became of the others. One
// that somebody else works at is let be.
func (a *app) restartUnhealthy(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return nil
	}
	m, err := connect(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	err = together(names, func(name string) error { return a.restartRunning(ctx, m, name) })
	if err != nil {
		err = fmt.Errorf("watchdog: %w", err)
	}
	return err
}

// together does something for all names at once. Without L1 all nodes of a host
// are unhealthy, and one that is takes a minute or more to stop: one after the
// other, they would be restarted beyond the time that the watch has.
func together(names []string, do func(name string) error) error {
	errs := make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() { errs[i] = do(name) })
	}
	all.Wait()
	return errors.Join(errs...)
}
