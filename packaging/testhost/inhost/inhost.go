// Package inhost runs a package's tests where they mean something: inside
// booted hosts. A package that talks to systemd or the journal has tests with
// the build tag inhost, named TestHost..., and one test with the tag booted
// that calls Run.
package inhost

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/packaging/testhost"
)

// Run compiles the tests of the package in the working directory and runs
// them, /opt/tests, on a fresh host of each supported suite. They find the files
// that are named in /opt.
func Run(t *testing.T, files ...string) {
	binary := filepath.Join(t.TempDir(), "tests")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-tags", "inhost", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, suite := range []string{"bullseye", "bookworm", "trixie"} {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			h, err := testhost.Boot(t.Context(), testhost.Options{Suite: suite})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := h.Close(); err != nil {
					t.Error(err)
				}
			})
			if err := h.Put(t.Context(), binary, "/opt/tests", 0o755); err != nil {
				t.Fatal(err)
			}
			for _, file := range files {
				if err := h.Put(t.Context(), file, "/opt/"+filepath.Base(file), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			r, err := h.Run(t.Context(), "/opt/tests", "-test.v", "-test.run", "^TestHost", "-test.timeout", "5m")
			if err != nil {
				t.Fatal(err)
			}
			if r.Code != 0 {
				t.Fatalf("exit status %d\n%s%s", r.Code, r.Stdout, r.Stderr)
			}
			t.Logf("%s", r.Stdout)
		})
	}
}
