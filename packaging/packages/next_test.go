//go:build booted || packages

package packages

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// command runs a program of this machine and returns what it prints.
func command(t *testing.T, argv ...string) (string, error) {
	out, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// tool runs a program that must succeed.
func tool(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := command(t, argv...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return out
}

// debVersion is the version of a deb, as dpkg has it.
func debVersion(t *testing.T, deb string) string { return tool(t, "dpkg-deb", "-f", deb, "Version") }

// nextFiles are what a later version brings beside what there is: units and an
// entry of the journal's catalog.
var nextFiles = map[string]string{
	"usr/lib/systemd/system/aztec-next.service":          "[Unit]\nDescription=Test\n[Service]\nType=oneshot\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n",
	"usr/lib/systemd/system/aztec-next.timer":            "[Unit]\nDescription=Test\n[Timer]\nOnCalendar=yearly\n[Install]\nWantedBy=timers.target\n",
	"usr/lib/systemd/system-preset/91-aztec-next.preset": "enable aztec-next.service\ndisable aztec-next.timer\n",
	"usr/lib/systemd/catalog/aztec-next.catalog":         "-- 5c2d3c2b9d2e4a53a2c1a8dbf5c04a11\nSubject: A message of the next version\nDefined-By: aztec-spartan\n\nFor a test.\n",
}

// nextDeb makes the deb of a later version out of one.
func nextDeb(t *testing.T, deb string) string {
	t.Helper()
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	tool(t, "dpkg-deb", "-R", deb, tree)
	for path, text := range nextFiles {
		write(t, filepath.Join(tree, path), text)
	}
	control := filepath.Join(tree, "DEBIAN/control")
	text, err := os.ReadFile(control)
	if err != nil {
		t.Fatal(err)
	}
	write(t, control, regexp.MustCompile(`(?m)^(Version: .*)-1$`).ReplaceAllString(string(text), "${1}+next-1"))
	next := filepath.Join(dir, "next.deb")
	tool(t, "dpkg-deb", "-Zgzip", "-z1", "--root-owner-group", "-b", tree, next)
	return next
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
