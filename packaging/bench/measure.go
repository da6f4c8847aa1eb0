package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// clocks are CPU times that go on while a tool runs.
type clocks struct {
	user, system, registry, all time.Duration
}

func (b *bench) clocks(d *daemon) (c clocks, err error) {
	if d != nil {
		if c.user, c.system, err = cpuOf(d.pid()); err != nil {
			return c, err
		}
	}
	user, system, err1 := cpuOf(b.reg.pid())
	all, err2 := busyNow()
	c.registry, c.all = user+system, all
	return c, errors.Join(err1, err2)
}

// limit is how long one step may take; what hangs would hold up all others.
const limit = 5 * time.Minute

// measure lets a tool do one step.
func (b *bench) measure(ctx context.Context, t tool, d *daemon, s step, store string) (sample, error) {
	var one sample
	size, err := used(ctx, store)
	if err != nil {
		return one, err
	}
	// Nobody pays for what another one left dirty.
	unix.Sync()
	if d != nil {
		if err := forgetPeak(d.pid()); err != nil {
			return one, err
		}
	}
	before, err := b.clocks(d)
	if err != nil {
		return one, err
	}
	timed, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := shell(timed, t.pull, s.env(store)...)
	// A pipeline ends as a whole, also where one of it takes no notice of signals.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	var said bytes.Buffer
	cmd.Stderr = &said
	began := time.Now()
	err = cmd.Run()
	one.Seconds = time.Since(began).Seconds()
	if err != nil {
		return one, fmt.Errorf("%w: %s", errors.Join(err, timed.Err()), said.Bytes())
	}
	after, err := b.clocks(d)
	if err != nil {
		return one, err
	}
	synced, err := syncTime(store)
	if err != nil {
		return one, err
	}
	one.Sync = synced.Seconds()
	one.User = (cmd.ProcessState.UserTime() + after.user - before.user).Seconds()
	one.System = (cmd.ProcessState.SystemTime() + after.system - before.system).Seconds()
	one.Registry = (after.registry - before.registry).Seconds()
	// The clocks tick a hundred times a second, each on its own.
	one.Other = max(0, (after.all-before.all).Seconds()-one.User-one.System-one.Registry)
	// Of the shell and everything it waited for, kilobytes (getrusage(2)).
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		one.Peak = usage.Maxrss << 10
	}
	if d != nil {
		peak, err := memoryOf(d.pid(), "status", "VmHWM")
		if err != nil {
			return one, err
		}
		one.Peak += peak
	}
	total, err := used(ctx, store)
	if err != nil {
		return one, err
	}
	one.Added = total - size
	// A tool that says it is done and has less than the compressed layers is not.
	if s.name == stepPull && one.Added < s.bytes {
		return one, fmt.Errorf("the store has only %d MB of an image of %d MB", one.Added/1e6, s.bytes/1e6)
	}
	return one, nil
}
