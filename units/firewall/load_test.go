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
	if _, err := run(t.Context(), program(t, `test "$*" = "-f -" && cat >`+out), "loading", Script(tables["sequencer"]), "-f", "-"); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil || string(got) != string(Script(tables["sequencer"])) {
		t.Errorf("nft read %q, %v", got, err)
	}
	_, err = run(t.Context(), program(t, "cat >/dev/null; echo 'netlink: Error: Operation not permitted' >&2; echo more >&2; exit 1"), "loading", nil)
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "loading the table inet aztec_spartan: ") || !strings.Contains(err.Error(), "Operation not permitted") || strings.Contains(err.Error(), "more") {
		t.Errorf("got %v", err)
	}
	if _, err := run(t.Context(), "no-such-nft", "loading", nil); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := run(ctx, program(t, "exit 0"), "loading", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestLoaded(t *testing.T) {
	for _, c := range []struct {
		nft  string
		want error
	}{
		{`test "$*" = "list tables inet" && printf 'table inet filter\ntable inet aztec_spartan\n'`, nil},
		{"printf 'table inet filter\ntable inet aztec_spartan2\n'", ErrNotLoaded},
		{":", ErrNotLoaded},
		{"printf 'table inet aztec_spartan\n'; exit 1", ErrUnavailable},
	} {
		if err := loaded(t.Context(), program(t, c.nft)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.nft, err, c.want)
		}
	}
}
