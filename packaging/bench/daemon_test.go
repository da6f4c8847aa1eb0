package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestDaemon(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ready")
	// The child outlives a shell that is told to stop.
	cmd := shell(context.Background(), `sleep 1000 & echo $! >"$FILE.new"; mv "$FILE.new" "$FILE"; wait`, "FILE="+file)
	d, err := start(t.Context(), "x", cmd, func(context.Context) error {
		_, err := os.Stat(file)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if all, err := family(d.pid()); err != nil || len(all) != 2 {
		t.Errorf("%+v, %v, want the shell and its child", all, err)
	}
	if n, err := d.idle(t.Context()); err != nil || n <= 0 {
		t.Errorf("%d bytes, %v", n, err)
	}
	d.stop()
	// It may be left as a zombie to whoever adopted it.
	stat := "/proc/" + strings.TrimSpace(read(t, file)) + "/stat"
	end := time.After(patience)
	for {
		b, err := os.ReadFile(stat)
		if gone(err) || err == nil && strings.Contains(string(b), ") Z ") {
			return
		}
		select {
		case <-end:
			t.Fatalf("the child still runs: %s, %v", b, err)
		case <-time.After(time.Millisecond):
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestDaemonThatEnds(t *testing.T) {
	never := func(context.Context) error { return errors.New("not yet") }
	_, err := start(t.Context(), "x", shell(context.Background(), "echo broken >&2; exit 3"), never)
	if err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("error %v, want what it said", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := start(ctx, "x", shell(context.Background(), "exec sleep 1000"), never); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}
