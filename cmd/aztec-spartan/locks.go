package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/lock"
)

const (
	// lockWait lets a second run wait politely for a short first one.
	lockWait = 3 * time.Second
	// engineWait is for the engine of a roll, which has work to finish.
	engineWait = time.Hour
)

// storeLock is the name of the lock of the version store. Instance names have
// no dot.
const storeLock = "images.store"

// locked runs do while this run holds the lock called name.
func (a *app) locked(ctx context.Context, name, verb string, do func() error) error {
	wait := lockWait
	if verb == "roll" {
		wait = engineWait
	}
	l, err := lock.Acquire(ctx, a.path(lockDir), name, fmt.Sprintf("%s (pid %d)", verb, os.Getpid()), wait)
	if err != nil {
		return err
	}
	defer l.Release()
	return do()
}

// lockedInstance runs do with the settings of an instance while this run holds
// its lock.
func (a *app) lockedInstance(ctx context.Context, name, verb string, do func(profiles.Instance) error) error {
	if _, err := a.loadInstance(name); err != nil {
		return err // before a lock is made for a name that means nothing
	}
	return a.locked(ctx, name, verb, func() error {
		inst, err := a.loadInstance(name)
		if err != nil {
			return err
		}
		return do(inst)
	})
}
