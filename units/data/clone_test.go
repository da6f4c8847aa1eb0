//go:build oracle

package data

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Where the file system clones, a set takes no space until the stores change,
// and does not change with them.
func TestOracleClones(t *testing.T) {
	dir := t.TempDir()
	file, mount := filepath.Join(dir, "image"), filepath.Join(dir, "mount")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Truncate(file, 256<<20), os.Mkdir(mount, 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"mkfs.btrfs", "-q", file}, {"mount", "-o", "loop", file, mount}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v: %s", args, err, out)
		}
	}
	t.Cleanup(func() {
		if err := unix.Unmount(mount, 0); err != nil {
			t.Error(err)
		}
	})
	fill(t, mount, "old")
	const size = 64 << 20
	put(t, filepath.Join(mount, "archiver/large"), string(make([]byte, size)))
	d, err := Open(mount)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if can, err := d.Clones(); !can || err != nil {
		t.Fatalf("clones: %v, %v", can, err)
	}
	f, err := os.Open(mount)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(unix.Syncfs(int(f.Fd())), f.Close()); err != nil {
		t.Fatal(err)
	}
	before, err := d.Free()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Save(t.Context(), 1, Clone); err != nil {
		t.Fatal(err)
	}
	after, err := d.Free()
	if took := before - after; err != nil || took > size/8 {
		t.Errorf("the set takes %d bytes, %v", took, err)
	}
	fill(t, mount, "new")
	if err := d.Swap(2, 1); err != nil || holds(t, mount) != "old" {
		t.Errorf("%v, %s", err, holds(t, mount))
	}
}

func TestOracleNoClones(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=16m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if can, err := d.Clones(); can || err != nil {
		t.Errorf("clones: %v, %v", can, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("the trial left %v, %v", left, err)
	}
}
