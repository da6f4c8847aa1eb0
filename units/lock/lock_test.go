package lock

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestSecondRunIsToldWhoHolds(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	first, err := Acquire(ctx, dir, "val1", "update (pid 7)", 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Acquire(ctx, dir, "val1", "config (pid 8)", 0)
	var held *HeldError
	if !errors.As(err, &held) || held.Holder != "update (pid 7)" || held.Name != "val1" {
		t.Fatalf("got %v", err)
	}
	other, err := Acquire(ctx, dir, "val2", "config (pid 8)", 0)
	if err != nil {
		t.Errorf("another instance's lock: %v", err)
	} else {
		other.Release()
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	second, err := Acquire(ctx, dir, "val1", "config (pid 8)", 0)
	if err != nil {
		t.Fatalf("after the release: %v", err)
	}
	second.Release()
}

func TestWaiterGetsTheLock(t *testing.T) {
	dir := t.TempDir()
	first, err := Acquire(t.Context(), dir, "store", "a", 0)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() {
		l, err := Acquire(t.Context(), dir, "store", "b", time.Minute)
		if err == nil {
			err = l.Release()
		}
		got <- err
	}()
	first.Release()
	if err := <-got; err != nil {
		t.Error(err)
	}
}

func TestWaiterGivesUpWithItsContext(t *testing.T) {
	dir := t.TempDir()
	first, err := Acquire(t.Context(), dir, "store", "a", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Release()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Acquire(ctx, dir, "store", "b", time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
