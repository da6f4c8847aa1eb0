package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/profiles/redact"
	"github.com/aztec-spartan/aztec-spartan/units/doctor"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
	"github.com/aztec-spartan/aztec-spartan/units/notify"
	"github.com/aztec-spartan/aztec-spartan/units/probe"
)

const watchFile = "/var/lib/aztec-spartan/watch.json"

// watchCommand is what aztec-watch.timer runs every minute: one look at all
// instances, and what follows from it.
func (a *app) watchCommand() *cobra.Command {
	return &cobra.Command{
		Use: "watch", Short: "Look at all instances once", Hidden: true, // for aztec-watch.service
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.needRoot("watch", false); err != nil {
				return err
			}
			if !a.live() {
				return withCode(exitUnsupported, errors.New("watch: --root never talks to systemd"))
			}
			return a.watch(cmd.Context())
		},
	}
}

func (a *app) watch(ctx context.Context) error {
	c, err := a.hostConfig()
	if err != nil {
		return err
	}
	all, err := a.everyStatus(ctx)
	if err != nil {
		return err
	}
	tracker, err := notify.LoadTracker(a.path(watchFile))
	if err != nil {
		return err
	}
	limits := notify.Limits{Unhealthy: c.Notify.UnhealthyAfter.Duration}
	if c.Watchdog.Action == watchdogRestart {
		limits.Restart = c.Watchdog.RestartAfter.Duration
	}
	now, seen := time.Now().UTC(), seenOf(all)
	events := tracker.Look(now, seen, a.rooms(all, int64(c.Notify.DiskLow)), limits)
	overdue := tracker.Overdue(now, seen, limits, func(name string) bool {
		err := a.mayRestart(ctx, name)
		if err != nil {
			a.note("%s is not restarted now: %v", name, err)
		}
		return err == nil
	})
	for _, name := range overdue {
		events = append(events, restartEvent(name, now, all))
	}
	a.tellSeen(ctx, events)
	if err := a.exportMetrics(ctx, c, all); err != nil {
		a.note("warning: %v", err) // who is to be told is told
	}
	if err := a.keepClosed(ctx, all); err != nil {
		a.note("warning: %v", err)
	}
	apply, err := a.watchAddress(ctx, c)
	if err != nil {
		a.note("warning: %v", err)
	}
	if apply {
		a.startAddress(ctx)
	}
	// After: what was told once is told no second time by its key.
	if err := tracker.Save(a.path(watchFile)); err != nil {
		return err // and restart nothing: it would be done again every minute
	}
	var silent []string
	for _, s := range all {
		if s.NoSigning != nil {
			silent = append(silent, s.Name)
		}
	}
	return errors.Join(a.resumeResyncs(ctx), a.restartUnhealthy(ctx, overdue), a.resumeAll(ctx, silent, false))
}

// tellSeen tells what was seen, fit to be told.
func (a *app) tellSeen(ctx context.Context, events []notify.Event) {
	for i, e := range events {
		events[i] = a.event(e.Kind, e.Instance, e.Text)
		events[i].Key = e.Key
		a.note("%s", events[i].Line())
	}
	a.tellEvents(ctx, events...)
}

// everyStatus is the status of all instances; one that cannot be read does not
// hide the others.
func (a *app) everyStatus(ctx context.Context) ([]status, error) {
	m, err := connect(ctx)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	return a.everyStatusOf(ctx, m)
}

func (a *app) everyStatusOf(ctx context.Context, m unitReader) ([]status, error) {
	names, err := a.instanceNames()
	if err != nil {
		return nil, err
	}
	all, _ := a.look(ctx, m, names, false)
	return all, ctx.Err()
}

func (a *app) statusOrWhy(ctx context.Context, m *manager.Manager, name string) (status, error) {
	s, err := a.status(ctx, m, name)
	if err != nil {
		s.Health, s.Reason = healthUnknown, redact.Text(err.Error())
	}
	return s, err
}

// seenOf is what of the instances matters to who is told.
func seenOf(all []status) []notify.Seen {
	var seen []notify.Seen
	for _, s := range all {
		gone := s.ActiveState == "inactive" || s.ActiveState == "failed"
		seen = append(seen, notify.Seen{
			Instance: s.Name, Reason: s.Reason, Restarts: s.Restarts,
			Wanted:  s.Enabled || s.ActiveState != "" && !gone,
			Down:    gone,
			Sick:    !gone && (s.Health == string(probe.Unhealthy) || s.Health == healthUnknown),
			Stuck:   s.ActiveState == "active" && s.Health == string(probe.Unhealthy),
			Rolling: s.Roll == rollRunning,
		})
	}
	return seen
}

// roomDirs are on the disks that images and nodes fill.
func roomDirs(all []status) []string {
	dirs := []string{imageDir}
	for _, s := range all {
		if s.DataDir != "" {
			dirs = append(dirs, s.DataDir)
		}
	}
	return dirs
}

// rooms are those disks.
func (a *app) rooms(all []status, low int64) []notify.Room {
	var rooms []notify.Room
	seen := map[uint64]bool{}
	for _, dir := range roomDirs(all) {
		free, total, err := doctor.Disks{}.Room(a.path(dir))
		if err != nil {
			continue
		}
		// The same disk is told once, by the first of its directories.
		if id, err := device(a.path(dir)); err == nil && !seen[id] {
			seen[id] = true
			rooms = append(rooms, notify.Room{Dir: dir, Free: free, Low: min(low, total/10)})
		}
	}
	return rooms
}
