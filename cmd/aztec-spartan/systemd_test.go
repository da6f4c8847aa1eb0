package main

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/units/manager"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

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
