package testhost

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// patience bounds waits whose context has no deadline: long enough for a loaded
// machine, short enough to fail before the whole test run does.
const patience = time.Minute

// Wait returns when cond does true: what tests use in place of sleeping. An
// error from cond ends the wait, since it says that waiting is in vain; a
// condition that merely does not hold yet returns false. Without a deadline in
// ctx it gives up after one minute. The error names what was waited for.
func Wait(ctx context.Context, what string, cond func() (bool, error)) error {
	if _, ok := ctx.Deadline(); !ok {
		bounded, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		ctx = bounded
	}
	start := time.Now()
	err := poll(ctx, cond)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("waiting for %s: not within %s: %w", what, time.Since(start).Round(time.Millisecond), err)
	default:
		return fmt.Errorf("waiting for %s: %w", what, err)
	}
}

// poll asks cond until it is true, fails or ctx ends, often at first.
func poll(ctx context.Context, cond func() (bool, error)) error {
	pause := 2 * time.Millisecond
	for {
		if ok, err := cond(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, 200*time.Millisecond)
	}
}
