package hook

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// script writes a program and returns its path.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// A program that takes too long goes, and all that it has started with it.
func TestRunTooLong(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "alive")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	path := script(t, "sleep 1000 >"+pipe+" & sleep 1000")
	began := time.Now()
	done := make(chan error, 1)
	go func() {
		done <- Run(t.Context(), path, nil, time.Second, func(string) {})
		// On a machine that does much else its time may be over before it has opened the pipe.
		if f, err := os.OpenFile(pipe, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
			f.Close()
		}
	}()
	// It is read to its end when the last one who could write is gone.
	if _, err := os.ReadFile(pipe); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil || err.Error() != "it took longer than 1s" {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > KillDelay+10*time.Second {
		t.Errorf("it took %s", took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Run(ctx, script(t, "sleep 1000"), nil, time.Minute, func(string) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

// Whoever may write a directory on the way can put another program there.
func TestTrusted(t *testing.T) {
	for name, test := range map[string]struct {
		mode os.FileMode
		uid  int
		want string
	}{
		"root's alone":    {0o755, 0, ""},
		"of the group":    {0o775, 0, "others than root decide what is there"},
		"everybody's":     {0o777, 0, "others than root decide what is there"},
		"sticky":          {0o777 | os.ModeSticky, 0, ""},
		"somebody's":      {0o755, 1000, "others than root decide what is there"},
		"somebody's /tmp": {0o777 | os.ModeSticky, 1000, "others than root decide what is there"},
	} {
		top := t.TempDir()
		path := filepath.Join(top, "mid", "in", "hook")
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755)); err != nil {
			t.Fatal(err)
		}
		mid, link, tilted := filepath.Join(top, "mid"), filepath.Join(top, "link"), filepath.Join(top, "relative")
		if err := errors.Join(os.Chown(mid, test.uid, 0), os.Chmod(mid, test.mode), os.Symlink(path, link), os.Symlink("mid/in", tilted)); err != nil {
			t.Fatal(err)
		}
		for _, p := range []string{path, link, filepath.Join(tilted, "hook")} {
			err := Trusted(p)
			if said := fmt.Sprint(err); test.want == "" && err != nil || !strings.Contains(said, test.want) {
				t.Errorf("%s: %s: got %v, want %q", name, p, err, test.want)
			}
			if test.want != "" && !strings.HasSuffix(fmt.Sprint(err), "go-w "+mid) {
				t.Errorf("%s: %s: %v does not name %s", name, p, err, mid)
			}
		}
		// A link of somebody's leads where they want.
		if err := os.Lchown(link, 1000, 0); err != nil {
			t.Fatal(err)
		}
		if err := Trusted(link); err == nil {
			t.Errorf("%s: a link of somebody's is followed", name)
		}
	}
	if err := Trusted("/bin/sh"); err != nil {
		t.Error(err)
	}
}
