package firewall

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// program is a script in the place of nft.
func program(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nft")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRun(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	if err := run(t.Context(), program(t, `test "$*" = "-f -" && cat >`+out), Script(tables["sequencer"])); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil || string(got) != string(Script(tables["sequencer"])) {
		t.Errorf("nft read %q, %v", got, err)
	}
	err = run(t.Context(), program(t, "cat >/dev/null; echo 'netlink: Error: Operation not permitted' >&2; echo more >&2; exit 1"), nil)
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "Operation not permitted") || strings.Contains(err.Error(), "more") {
		t.Errorf("got %v", err)
	}
	if err := run(t.Context(), program(t, `test "$*" = "--check -f -"`), nil, "--check"); err != nil {
		t.Errorf("got %v", err)
	}
	if err := run(t.Context(), "no-such-nft", nil); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, program(t, "exit 0"), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
