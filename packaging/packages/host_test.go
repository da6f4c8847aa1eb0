//go:build booted || packages

package packages

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/stubimage"
	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
	"github.com/aztec-spartan/aztec-spartan/packaging/testhost"
)

// key is the second account of every development chain: worth nothing.
const key = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"

// debPath is the deb that make made.
func debPath(t *testing.T) string {
	t.Helper()
	path := os.Getenv("AZTEC_SPARTAN_DEB")
	if path == "" {
		t.Fatal("AZTEC_SPARTAN_DEB names no package: make test-booted or make test-packages")
	}
	return path
}

// rpmPath is the rpm beside it.
func rpmPath(t *testing.T) string {
	return strings.TrimSuffix(debPath(t), ".deb") + ".rpm"
}

// layout is a registry's content: the stub node.
func layout(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "layout")
	if err := stubimage.Build(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// set boots a host with a registry of the stub node, and with a deb unless it
// is "".
func set(t *testing.T, suite, deb string) *host {
	t.Helper()
	s, err := stage.Set(t.Context(), stage.Options{Suite: suite, Deb: deb, Layouts: []string{layout(t)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &host{s.Host, t}
}

// host is a booted host.
type host struct {
	*testhost.Host
	t *testing.T
}

// sub is the host in a subtest.
func (h *host) sub(t *testing.T) *host { return &host{h.Host, t} }

// sh runs a script that must succeed, and returns what it prints.
func (h *host) sh(script string) string {
	h.t.Helper()
	r, err := h.Sh(h.t.Context(), script)
	if err != nil {
		h.t.Fatalf("%s: %v", script, err)
	}
	if r.Code != 0 {
		journal, _ := h.Journal(h.t.Context(), "-n", "30")
		h.t.Fatalf("%s: exit code %d\n%s%s%s", script, r.Code, r.Stdout, r.Stderr, journal)
	}
	return strings.TrimSpace(r.Stdout)
}

// want runs a script and compares what it prints.
func (h *host) want(script, want string) {
	h.t.Helper()
	if got := h.sh(script + " || :"); got != want {
		h.t.Errorf("%s: got %q, want %q", script, got, want)
	}
}

// until waits for a script to succeed.
func (h *host) until(script string) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 3*time.Minute)
	defer cancel()
	err := testhost.Wait(ctx, script, func() (bool, error) {
		r, err := h.Sh(ctx, script)
		return err == nil && r.Code == 0, err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// put copies a file of this machine to the host.
func (h *host) put(from, to string) {
	h.t.Helper()
	if err := h.Put(h.t.Context(), from, to, 0o644); err != nil {
		h.t.Fatal(err)
	}
}
