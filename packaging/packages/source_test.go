//go:build booted || packages

package packages

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// top is the source tree.
const top = "../.."

// files lists a tree: for each path its mode, and what a file holds or where a
// link leads.
func files(t *testing.T, tree string) map[string]string {
	t.Helper()
	list := map[string]string{}
	err := filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(tree, path)
		if err != nil {
			return err
		}
		if d.Type() == fs.ModeSymlink {
			list[name], err = os.Readlink(path)
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		sum := sha256.Sum256(data)
		list[name] = fmt.Sprintf("%v %s", info.Mode(), hex.EncodeToString(sum[:]))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// make install puts what the deb has, and make uninstall takes it away.
func TestInstallFromSource(t *testing.T) {
	want := files(t, unpacked(t))
	for _, name := range []string{"usr/share/lintian/overrides/aztec-spartan", "usr/share/doc/aztec-spartan/changelog.Debian.gz"} {
		if want[name] == "" {
			t.Errorf("the deb has no %s", name)
		}
		delete(want, name) // Debian's own
	}
	dest := t.TempDir()
	tool(t, "make", "-C", top, "install", "DESTDIR="+dest)
	if d := cmp.Diff(want, files(t, dest)); d != "" {
		t.Errorf("-deb +make install:\n%s", d)
	}
	config := filepath.Join(dest, "etc/aztec-spartan/config.toml")
	write(t, config, "# the operator's\n")
	tool(t, "make", "-C", top, "install", "DESTDIR="+dest)
	tool(t, "make", "-C", top, "uninstall", "DESTDIR="+dest)
	left := files(t, dest)
	if text, err := os.ReadFile(config); err != nil || string(text) != "# the operator's\n" || len(left) != 2 {
		t.Errorf("config.toml is %q, %v; left are %v", text, err, left)
	}
}

// On a host that runs systemd, uninstall disables what the units were enabled
// for before they go, and stops timers alone.
func TestUninstallFromHost(t *testing.T) {
	dir := t.TempDir()
	calls := filepath.Join(dir, "calls")
	fake := "#!/bin/sh\nls /usr/local/lib/systemd/system/aztec.target >/dev/null 2>&1 && here=there || here=gone\necho \"$here $*\" >>" + calls + "\n"
	write(t, filepath.Join(dir, "bin/systemctl"), fake)
	write(t, filepath.Join(dir, "local/lib/systemd/system/aztec.target"), "[Unit]\n")
	tool(t, "chmod", "755", filepath.Join(dir, "bin/systemctl"))
	// A /run of its own, where systemd seems to run, and a /usr/local and an /etc to take things from.
	tool(t, "unshare", "--mount", "sh", "-ec", `mount -t tmpfs none /run; mkdir -p /run/systemd/system; cd "$1"
		mount --bind "$2/local" /usr/local; mount -t tmpfs none /etc
		PATH=$2/bin:$PATH PREFIX=/usr/local packaging/scripts/install.sh uninstall dist amd64`, "sh", top, dir)
	data, err := os.ReadFile(calls)
	want := `there --no-reload disable aztec.target
there --no-reload disable aztec-recover.service
there --no-reload disable aztec-gate.service
there --no-reload disable --now aztec-update.timer
there --no-reload disable --now aztec-watch.timer
gone daemon-reload
`
	if err != nil || string(data) != want {
		t.Errorf("%v, %s", err, cmp.Diff(want, string(data)))
	}
}

// Below a prefix nothing is installed that would not be found there, or not find
// itself.
func TestInstallPrefixRefused(t *testing.T) {
	for prefix, want := range map[string]string{"/opt/aztec": "systemd looks for units nowhere else", "/usr/local": "make build PREFIX=/usr/local first"} {
		dest := t.TempDir()
		out, err := exec.CommandContext(t.Context(), "make", "-C", top, "install", "DESTDIR="+dest, "PREFIX="+prefix).CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) || len(files(t, dest)) != 0 {
			t.Errorf("%s: %v, %v\n%s", prefix, err, files(t, dest), out)
		}
	}
}

// sourceCopy is this source tree at another path, without git.
func sourceCopy(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "another", "place")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	tool(t, "sh", "-c", `cd "$1" && git ls-files -z --cached --others --exclude-standard --deduplicate | xargs -0 sh -c 'for f; do [ ! -e "$f" ] || printf "%s\0" "$f"; done' sh | tar --null -T - -cf - | tar -C "$2" -xf -`, "sh", top, dir)
	return dir
}

// buildVersion is what the packages say they are, without the revision.
func buildVersion(t *testing.T) string {
	return strings.TrimSuffix(debVersion(t, debPath(t)), "-1")
}

// build makes the packages of a tree, in an environment that differs in what
// must not matter.
func build(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", append([]string{"-c", `umask 077; exec make -C "$@"`, "sh", dir}, args...)...)
	cmd.Env = append(os.Environ(), "TZ=Pacific/Auckland", "LC_ALL=C", "HOSTNAME=elsewhere", "USER=nobody",
		"SOURCE_DATE_EPOCH="+tool(t, "git", "-C", top, "show", "-s", "--format=%ct", "HEAD"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// Two builds are the same, byte by byte.
func TestReproducible(t *testing.T) {
	dir := sourceCopy(t)
	build(t, dir, "package", "VERSION="+buildVersion(t))
	for _, first := range []string{debPath(t), rpmPath(t)} {
		second := filepath.Join(dir, "dist", filepath.Base(first))
		if out, err := exec.CommandContext(t.Context(), "cmp", first, second).CombinedOutput(); err != nil {
			t.Errorf("two builds differ: %v %s", err, out)
		}
	}
}
