package testhost

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestWait(t *testing.T) {
	n := 0
	err := Wait(t.Context(), "three", func() (bool, error) { n++; return n == 3, nil })
	if err != nil || n != 3 {
		t.Errorf("asked %d times, %v", n, err)
	}

	broken := errors.New("broken")
	err = Wait(t.Context(), "it", func() (bool, error) { return false, broken })
	if !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "waiting for it: ") {
		t.Errorf("got %v", err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	err = Wait(ctx, "ever", func() (bool, error) { return false, nil })
	if !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), "waiting for ever: not within ") {
		t.Errorf("got %v", err)
	}

	ctx, cancel = context.WithCancel(t.Context())
	err = Wait(ctx, "that", func() (bool, error) { cancel(); return false, nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
