// Package lock keeps two runs of the program off the same thing: one lock for
// the version store, one for each instance, as files under /run/aztec-spartan.
//
// The lock is flock(2) on an open file: the kernel drops it when its holder
// dies, however it dies, so that there is no stale lock to clean. The file's
// content says who holds it and is for people.
package lock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// HeldError says that another run holds the lock.
type HeldError struct{ Name, Holder string }

func (e *HeldError) Error() string {
	return fmt.Sprintf("locking %s: held by %s", e.Name, e.Holder)
}

// Lock is a held lock.
type Lock struct{ file *os.File }

// pollEvery is how often a waiter tries again: flock(2) cannot be waited for
// with a deadline.
const pollEvery = 50 * time.Millisecond

// Acquire takes the lock called name in dir, waiting up to wait for another
// holder; then it returns a *HeldError. The directory is created. holder is
// what others are told meanwhile ("update (pid 4711)").
func Acquire(ctx context.Context, dir, name, holder string, wait time.Duration) (*Lock, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("locking %s: %w", name, err)
	}
	path := filepath.Join(dir, name+".lock")
	// Whoever can open a file can lock it, for reading too: nobody else may.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", name, err)
	}
	deadline := time.Now().Add(wait)
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(fmt.Errorf("locking %s: %w", name, err), f.Close())
		}
		if time.Now().After(deadline) {
			by, _ := os.ReadFile(path)
			held := &HeldError{Name: name, Holder: strings.TrimSpace(string(by))}
			if held.Holder == "" {
				held.Holder = "another run"
			}
			return nil, errors.Join(held, f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("locking %s: %w", name, ctx.Err()), f.Close())
		case <-time.After(pollEvery):
		}
	}
	// What the file says is a courtesy; the lock is held whether or not this works.
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(holder+"\n"), 0)
	}
	return &Lock{file: f}, nil
}

// Release gives the lock up. The file stays: removing it would let two
// holders lock two different inodes of one name.
func (l *Lock) Release() error {
	_ = l.file.Truncate(0)
	return l.file.Close()
}
