package inroot_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/inroot"
)

// sandbox is a root full of links that would leave it, beside a file that must not be seen.
func sandbox(t *testing.T) string {
	t.Helper()
	top := t.TempDir()
	root := filepath.Join(top, "root")
	if err := errors.Join(
		os.MkdirAll(root+"/etc", 0o755),
		os.WriteFile(top+"/secret", []byte("secret"), 0o600),
		os.WriteFile(root+"/etc/file", []byte("inside"), 0o600),
		os.Symlink("/etc", root+"/abs"),
		os.Symlink("../../../etc/file", root+"/etc/up"),
		os.Symlink(top+"/secret", root+"/out"),
		os.Symlink("../secret", root+"/out-up"),
		os.Symlink("/proc/self/root", root+"/magic"),
		os.Symlink("loop", root+"/loop"),
		unix.Mkfifo(root+"/fifo", 0o600),
	); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestFS(t *testing.T) {
	f := inroot.FS(sandbox(t))
	for _, name := range []string{"etc/file", "abs/file", "etc/up"} {
		if raw, err := fs.ReadFile(f, name); err != nil || string(raw) != "inside" {
			t.Errorf("%s: %q, %v", name, raw, err)
		}
	}
	for name, want := range map[string]error{
		"out": fs.ErrNotExist, "out-up": fs.ErrNotExist, "magic/etc": fs.ErrNotExist, "loop": unix.ELOOP, "fifo": unix.EINVAL, "etc": unix.EINVAL,
		"../secret": fs.ErrInvalid, "/etc/file": fs.ErrInvalid, "": fs.ErrInvalid,
	} {
		if raw, err := fs.ReadFile(f, name); !errors.Is(err, want) {
			t.Errorf("%s: %q, %v; want %v", name, raw, err, want)
		}
	}
	if target, err := fs.ReadLink(f, "abs"); err != nil || target != "/etc" {
		t.Errorf("ReadLink = %q, %v", target, err)
	}
	if st, err := fs.Stat(f, "abs"); err != nil || !st.IsDir() {
		t.Errorf("Stat = %v, %v", st, err)
	}
	if entries, err := fs.ReadDir(f, "abs"); err != nil || len(entries) != 2 {
		t.Errorf("ReadDir = %v, %v", entries, err)
	}
}
