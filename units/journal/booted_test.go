//go:build booted

package journal

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/packaging/testhost"
)

// TestInHost runs the tests of inhost_test.go where there is a journal: on
// booted hosts.
func TestInHost(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "journal.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-tags", "inhost", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, suite := range []string{"bullseye", "bookworm", "trixie"} {
		t.Run(suite, func(t *testing.T) {
			h, err := testhost.Boot(t.Context(), testhost.Options{Suite: suite})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := h.Close(); err != nil {
					t.Error(err)
				}
			})
			if err := h.Put(t.Context(), binary, "/opt/journal.test", 0o755); err != nil {
				t.Fatal(err)
			}
			r, err := h.Run(t.Context(), "/opt/journal.test", "-test.v", "-test.run", "^TestHost", "-test.timeout", "2m")
			if err != nil {
				t.Fatal(err)
			}
			if r.Code != 0 {
				t.Errorf("exit status %d\n%s%s", r.Code, r.Stdout, r.Stderr)
			} else {
				t.Logf("%s", r.Stdout)
			}
		})
	}
}
