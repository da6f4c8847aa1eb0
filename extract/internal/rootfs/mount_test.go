package rootfs_test

import (
	"archive/tar"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/rootfs"
	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

func TestAddEmpty(t *testing.T) {
	dir, m := t.TempDir(), memory{}
	tree, err := rootfs.New(dir, m)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	entries := []Entry{
		Dir("etc", MTime(time.Unix(5, 0))), File("etc/hosts", "kept"), Symlink("etc/resolv.conf", "../run/r/stub"), Symlink("etc/dangling", "/srv/x"),
		Symlink("etc/chain", "dangling/y"), Symlink("etc/loop", "loop"), Symlink("up", "etc/../.."),
		Symlink("etc/around", "no/../../etc/hosts"), Symlink("etc/device", "../dev/c/../../etc/hosts"), Node(tar.TypeChar, "dev/c"), Node(tar.TypeChar, "dev/d"),
	}
	if _, err := m.applyAll(t, tree, layers{entries}, never); err != nil {
		t.Fatal(err)
	}
	if err := tree.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, add := range []struct {
		path string
		dir  bool
		made bool
	}{
		{"/etc/hosts", false, false},
		{"/etc/resolv.conf", false, true},
		{"/etc/resolv.conf", false, false},
		{"/etc/passwd", false, true},
		{"/etc/dangling", true, true},
		{"/etc/chain", false, true},
		{"/var/lib/x", true, true},
		{"/etc", true, false},
		{"/", true, false},
		{"/up", true, false},
		{"/etc/around", false, true}, // the directory in between
		{"/etc/around", false, false},
		{"/etc/device", false, true},
		{"/etc/device", false, false},
		{"/dev/d", false, true},
	} {
		made, err := tree.AddEmpty(add.path, add.dir, 0o644)
		if err != nil || made != add.made {
			t.Errorf("AddEmpty(%s) = %v, %v; want %v", add.path, made, err, add.made)
		}
	}
	for path, want := range map[string]string{"/etc": "another type", "/etc/hosts/x": "not a directory", "/etc/loop": "too many levels", "/" + strings.Repeat("n", 256): "name too long"} {
		if _, err := tree.AddEmpty(path, false, 0o644); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("AddEmpty(%s): %v, want: %s", path, err, want)
		}
	}
	if err := tree.Finish(context.Background()); err != nil {
		t.Fatal(err)
	}
	list := List(t, dir)
	if got := list["etc"].MTime; got != 5e9 {
		t.Errorf("the mtime of etc is %d, want 5e9", got)
	}
	for path, want := range map[string]string{
		"etc/hosts": `f 0644 0:0 "kept"`, "run/r/stub": `f 0644 0:0 ""`, "srv/x": "d 0644 0:0", "srv/x/y": `f 0644 0:0 ""`, "var/lib": "d 0755 0:0", "etc/passwd": `f 0644 0:0 ""`,
		"etc/no": "d 0755 0:0", "dev/c": "d 0755 0:0", "dev/d": `f 0644 0:0 ""`,
	} {
		if got := list[path].String(); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
}

func TestFlushStopsWhenCancelled(t *testing.T) {
	m := memory{}
	tree, err := rootfs.New(t.TempDir(), m)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	if _, err := m.applyAll(t, tree, layers{{File("a", "x")}}, never); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := tree.Flush(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if err := tree.Finish(context.Background()); err != nil {
		t.Errorf("trying again: %v", err)
	}
}

func TestNoSpace(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	_, err := applyTo(t, dir, layers{{File("a", strings.Repeat("x", 1<<20))}}, never)
	if !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), `"a"`) {
		t.Errorf("got %v, want ENOSPC naming the entry", err)
	}
}
