//go:build oracle

package extract_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract"
	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

// loop is a new file system of so many MiB, made by mkfs.
func loop(t *testing.T, mib int64, mkfs ...string) string {
	t.Helper()
	dir := t.TempDir()
	file, mount := filepath.Join(dir, "image"), filepath.Join(dir, "mount")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Truncate(file, mib<<20), os.Mkdir(mount, 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{append(mkfs, file), {"mount", "-o", "loop", file, mount}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v: %s", args, err, out)
		}
	}
	t.Cleanup(func() {
		if err := unix.Unmount(mount, 0); err != nil {
			t.Error(err)
		}
	})
	return mount
}

// free is how many bytes are, now that all is on the disk.
func free(t *testing.T, dir string) int64 {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st unix.Statfs_t
	if err := errors.Join(unix.Syncfs(int(f.Fd())), unix.Fstatfs(int(f.Fd()), &st)); err != nil {
		t.Fatal(err)
	}
	return int64(st.Bfree) * st.Frsize
}

// TestOracleTooManyLinks: ext4 has room for 65,000 links to a file. The next version has a copy then.
func TestOracleTooManyLinks(t *testing.T) {
	dir := loop(t, 96, "mkfs.ext4", "-q", "-F")
	r, s := newRegistry(t), &extract.Store{Dir: dir + "/images"}
	base := layer{tar: tarOf(t, File("f", noise(1, 3000)), File("big", noise(2, 600<<10)))}
	for _, tag := range []string{"v1", "v2", "v3"} {
		r.push(image{tag: tag, layers: []layer{base, {tar: tarOf(t, File("version", tag))}}})
	}
	first := pull(t, s, r.ref(":v1"))
	for _, name := range []string{"f", "big"} {
		full := false
		for i := range 66_000 {
			if err := os.Link(filepath.Join(first.Rootfs(), name), fmt.Sprintf("%s/%s-%d", dir, name, i)); errors.Is(err, unix.EMLINK) {
				full = true
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if !full {
			t.Fatalf("%s has 66,000 links", name)
		}
	}
	second, stats, err := s.Pull(context.Background(), r.ref(":v2"), amd64)
	if err != nil {
		t.Fatal(err)
	}
	if want := int64(3000 + 600<<10 + len("v2")); stats.WrittenBytes != want {
		t.Errorf("%d bytes were written, not %d", stats.WrittenBytes, want)
	}
	whole(t, s, second.ID, fresh(t, r.ref(":v2")))
	// The copies are shared in their turn.
	third, stats, err := s.Pull(context.Background(), r.ref(":v3"), amd64)
	if err != nil || stats.WrittenBytes != 2 || inodes(t, third.Rootfs())["big"].Ino != inodes(t, second.Rootfs())["big"].Ino {
		t.Errorf("%+v, %v", stats, err)
	}
	whole(t, s, third.ID, fresh(t, r.ref(":v3")))
}

// TestOracleClones: where the file system clones, files that differ in attributes only share their blocks, and have their own times.
func TestOracleClones(t *testing.T) {
	dir := loop(t, 256, "mkfs.btrfs", "-q")
	r, s := newRegistry(t), &extract.Store{Dir: dir + "/images"}
	const size = 8 << 20
	version := func(o ...Option) []layer {
		return []layer{{tar: tarOf(t, File("big", noise(1, size), o...), File("small", noise(2, 20_000), o...), File("module.py", noise(3, 20_000), o...))}}
	}
	r.push(image{tag: "v1", layers: version()})
	r.push(image{tag: "v2", layers: version(MTime(Time.Add(time.Hour)), Mode(0o600), Owner(5, 6))})
	r.push(image{tag: "v3", layers: version(MTime(Time.Add(time.Hour)))})
	pull(t, s, r.ref(":v1"))
	for _, tag := range []string{":v2", ":v3"} {
		before := free(t, dir)
		im, stats, err := s.Pull(context.Background(), r.ref(tag), amd64)
		if err != nil {
			t.Fatal(err)
		}
		if stats.WrittenBytes != 0 || stats.SharedBytes != size+40_000 {
			t.Errorf("%s: %+v", tag, stats)
		}
		if took := before - free(t, dir); took > size/4 {
			t.Errorf("%s takes %d bytes", tag, took)
		}
		whole(t, s, im.ID, fresh(t, r.ref(tag)))
	}
}

// TestOracleCollected: what a collection says it frees is what the file system has more, however the versions share.
func TestOracleCollected(t *testing.T) {
	for name, dir := range map[string]string{"ext4": loop(t, 64, "mkfs.ext4", "-q", "-F"), "tmpfs": tmpfs(t, "size=64m")} {
		t.Run(name, func(t *testing.T) {
			r, s := newRegistry(t), &extract.Store{Dir: dir + "/images"}
			for i := range 3 {
				tag := fmt.Sprint("v", i)
				r.push(image{tag: tag, layers: []layer{varied(t)[0], program(t, int64(i)), {tar: tarOf(t, File("pair", noise(int64((i+1)/2), 300_000)))}}})
				pull(t, s, r.ref(":"+tag))
			}
			before := free(t, dir)
			keep := func(im *extract.Image) string {
				if im.Reference == r.ref(":v2") {
					return "it is wanted"
				}
				return ""
			}
			planned, err := s.Collect(keep, true)
			if err != nil {
				t.Fatal(err)
			}
			done, err := s.Collect(keep, false)
			if err != nil {
				t.Fatal(err)
			}
			freed := free(t, dir) - before
			if planned.FreedBytes != done.FreedBytes || len(planned.Removed) != 2 {
				t.Errorf("planned %+v, done %+v", planned, done)
			}
			// File systems have more than files say: trees of blocks, pages of directories.
			if off := freed - done.FreedBytes; off < -100_000 || off > 100_000 || freed < 2<<20 {
				t.Errorf("%d bytes are free, and %d were said to be", freed, done.FreedBytes)
			}
		})
	}
}
