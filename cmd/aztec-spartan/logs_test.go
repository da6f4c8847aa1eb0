package main

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// Ctrl-C ends what hangs in a write that nobody reads, and leaves the error of
// what does not hang.
func TestInterruptible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		err := interruptible(ctx, func(context.Context) error {
			_, err := io.WriteString(w, "a line")
			return err
		})
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > time.Minute+time.Second {
			t.Errorf("after %s: %v", took, err)
		}
		r.Close()
		if err := interruptible(ctx, func(context.Context) error { return io.EOF }); !errors.Is(err, io.EOF) {
			t.Errorf("got %v", err)
		}
	})
}
