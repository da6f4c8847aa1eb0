package rootfs_test

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
	"github.com/aztec-spartan/aztec-spartan/extract/internal/rootfs"
	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

// house is an image of two layers with one of everything.
func house() layers {
	return layers{
		{
			Dir("d", Mode(0o750), Owner(1, 2), Xattr("user.d", "1")), File("d/f", "file", Mode(0o640), Owner(3, 4), Xattr("user.f", "2")), File("d/other", "other"),
			Dir("d/s"), File("d/s/deep", "deep"), File("gone", "gone"), Node(tar.TypeFifo, "p", Owner(7, 8)), File("a", "linked"), Node(tar.TypeChar, "c"),
		},
		{Link("b", "a"), Link("d/c", "a"), Symlink("l", "d/f", Owner(5, 6)), Whiteout("gone"), File("big", strings.Repeat("0123456789abcdef", 1<<17)), Link("l2", "l")},
	}
}

// build makes house in a fresh directory, with a mount point.
func build(t *testing.T, m memory) string {
	t.Helper()
	dir := t.TempDir()
	tree, err := rootfs.New(dir, m)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	settle(t, tree, m)
	if err := tree.Finish(context.Background()); err != nil {
		t.Fatal(err)
	}
	return dir
}

func settle(t *testing.T, tree *rootfs.Tree, m memory) {
	t.Helper()
	if _, err := m.applyAll(t, tree, house(), never); err != nil {
		t.Fatal(err)
	}
	if made, err := tree.AddEmpty("/mnt/point", false, 0o600); err != nil || !made {
		t.Fatal(made, err)
	}
}

func open(t *testing.T, dir string, m memory) *rootfs.Tree {
	t.Helper()
	tree, err := rootfs.Open(dir, m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tree.Close(); err != nil {
			t.Error(err)
		}
	})
	settle(t, tree, m)
	return tree
}

func check(t *testing.T, tree *rootfs.Tree) []rootfs.Damage {
	t.Helper()
	var found []rootfs.Damage
	if err := tree.Check(context.Background(), layer.Key{}, func(d rootfs.Damage) { found = append(found, d) }); err != nil {
		t.Fatal(err)
	}
	return found
}

// lines are damages as text: the layer, ! if contents are lost, the path and what.
func lines(found []rootfs.Damage) string {
	var all []string
	for _, d := range found {
		lost := ""
		if d.ContentLost {
			lost = "!"
		}
		all = append(all, fmt.Sprintf("%d%s %s: %s", d.Layer, lost, d.Path, d.What))
	}
	return strings.Join(all, "\n")
}

func write(path, body string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(body)
	return errors.Join(err, f.Close())
}

// setTime puts the time back, as rot does not change it.
func setTime(path string) error { return os.Chtimes(path, Time, Time) }

// TestCheckAndRepair harms a tree, has the damage found, and repaired without the contents of files, then with them. At the end it is
// as it was built, in all that List knows.
func TestCheckAndRepair(t *testing.T) {
	for name, test := range map[string]struct {
		harm   func(in func(string) string) error
		want   string
		absent []int // layers whose contents the repair takes
	}{
		"nothing": {harm: func(func(string) string) error { return nil }},
		"bit rot": {
			func(in func(string) string) error {
				return errors.Join(write(in("d/f"), "fil3"), setTime(in("d/f")))
			},
			"0! d/f: other contents",
			[]int{0},
		},
		"bit rot in a large file": {
			func(in func(string) string) error {
				f, err := os.OpenFile(in("big"), os.O_WRONLY, 0)
				if err != nil {
					return err
				}
				_, err = f.WriteAt([]byte{'X'}, 1<<20+1)
				return errors.Join(err, f.Close(), setTime(in("big")))
			},
			"1! big: other contents",
			[]int{1},
		},
		"cut short": {
			func(in func(string) string) error { return os.Truncate(in("big"), 0) },
			"1! big: 0 bytes, not 2097152",
			[]int{1},
		},
		"bit rot in a file with several names": {
			func(in func(string) string) error { return errors.Join(write(in("b"), "link3d"), setTime(in("b"))) },
			"0! a: other contents",
			[]int{0},
		},
		"file removed": {
			func(in func(string) string) error { return os.Remove(in("d/f")) },
			fmt.Sprintf("0 d: time NOW, not %d.%09d\n0! d/f: missing", Time.Unix(), Time.Nanosecond()),
			[]int{0},
		},
		"one of several names removed": {
			func(in func(string) string) error { return os.Remove(in("a")) },
			"-1 .: time NOW, not 0.000000000\n0 a: missing", nil,
		},
		"all names removed": {
			func(in func(string) string) error {
				return errors.Join(os.Remove(in("a")), os.Remove(in("b")), os.Remove(in("d/c")))
			},
			fmt.Sprintf("-1 .: time NOW, not 0.000000000\n0! a: missing\n0! b: missing\n0 d: time NOW, not %d.%09d\n0! d/c: missing", Time.Unix(), Time.Nanosecond()),
			[]int{0},
		},
		"a name leads to another file": {
			func(in func(string) string) error {
				return errors.Join(os.Rename(in("b"), in("b2")), os.WriteFile(in("b"), []byte("linked"), 0o644), os.Remove(in("b2")), setTime(in("b")))
			},
			"-1 .: time NOW, not 0.000000000\n0 b: not the same file as \"a\"", nil,
		},
		"links": {
			func(in func(string) string) error {
				return errors.Join(os.Remove(in("l")), os.Remove(in("l2")), os.Symlink("/etc/passwd", in("l2")))
			},
			"-1 .: time NOW, not 0.000000000\n1 l2: it leads to \"/etc/passwd\", not to \"d/f\"\n1 l: missing", nil,
		},
		"owner of a link": {
			func(in func(string) string) error { return os.Lchown(in("l"), 0, 0) },
			"1 l: owner 0:0, not 5:6", nil,
		},
		"FIFO": {
			func(in func(string) string) error {
				return errors.Join(os.Chmod(in("p"), 0o666), os.Lchown(in("p"), 0, 0))
			},
			"0 p: mode 0666, not 0644; owner 0:0, not 7:8", nil,
		},
		"attributes": {
			func(in func(string) string) error {
				return errors.Join(
					os.Lchown(in("d/f"), 9, 9), os.Chmod(in("d/f"), 0o777|os.ModeSetuid), unix.Setxattr(in("d/f"), "user.f", []byte("3"), 0), os.Chtimes(in("d/f"), time.Unix(1, 2), time.Unix(1, 2)),
				)
			},
			fmt.Sprintf("0 d/f: mode 4777, not 0640; owner 9:9, not 3:4; time 1.000000002, not %d.%09d; other extended attributes", Time.Unix(), Time.Nanosecond()), nil,
		},
		"attributes of a directory": {
			func(in func(string) string) error {
				return errors.Join(os.Lchown(in("d"), 9, 9), os.Chmod(in("d"), 0o777), unix.Removexattr(in("d"), "user.d"), unix.Setxattr(in("d/s"), "user.x", []byte("3"), 0))
			},
			"0 d/s: other extended attributes\n0 d: mode 0777, not 0750; owner 9:9, not 1:2; other extended attributes", nil,
		},
		"attributes of a file with several names": {
			func(in func(string) string) error { return os.Chmod(in("d/c"), 0o600) },
			"0 a: mode 0600, not 0644", nil,
		},
		"extra": {
			func(in func(string) string) error {
				return errors.Join(os.MkdirAll(in("x/y"), 0o700), os.WriteFile(in("x/y/z"), nil, 0o600), os.WriteFile(in("gone"), nil, 0o600), unix.Mknod(in("c"), unix.S_IFCHR|0o600, 0x103))
			},
			"-1 .: time NOW, not 0.000000000\n-1 c: nothing should be here\n-1 gone: nothing should be here\n-1 x: nothing should be here", nil,
		},
		"directory removed": {
			func(in func(string) string) error { return os.RemoveAll(in("d")) },
			"-1 .: time NOW, not 0.000000000\n0 d/c: missing\n0! d/f: missing\n0! d/other: missing\n0! d/s/deep: missing\n0 d/s: missing\n0 d: missing",
			[]int{0},
		},
		"file for a directory": {
			func(in func(string) string) error {
				return errors.Join(os.RemoveAll(in("d/s")), os.WriteFile(in("d/s"), nil, 0o600), os.Chtimes(in("d"), Time, Time))
			},
			"0! d/s/deep: missing\n0 d/s: a file, not a directory",
			[]int{0},
		},
		"directory for a file": {
			func(in func(string) string) error {
				return errors.Join(os.Remove(in("d/f")), os.MkdirAll(in("d/f/x/y"), 0o700), os.Chtimes(in("d"), Time, Time))
			},
			"0! d/f: a directory, not a file",
			[]int{0},
		},
		"link for a directory": {
			func(in func(string) string) error {
				return errors.Join(os.Rename(in("d"), in("../elsewhere")), os.Symlink("../elsewhere", in("d")), os.Chtimes(in("."), time.Unix(0, 0), time.Unix(0, 0)))
			},
			"0 d/c: missing\n0! d/f: missing\n0! d/other: missing\n0! d/s/deep: missing\n0 d/s: missing\n0 d: a symbolic link, not a directory",
			[]int{0},
		},
		"link for a file": {
			func(in func(string) string) error {
				return errors.Join(os.Remove(in("d/f")), os.Symlink("other", in("d/f")), os.Chtimes(in("d"), Time, Time))
			},
			"0! d/f: a symbolic link, not a file",
			[]int{0},
		},
		"mount point": {
			func(in func(string) string) error { return os.RemoveAll(in("mnt")) },
			"-1 .: time NOW, not 0.000000000\n-1 mnt/point: missing\n1 mnt: missing", nil,
		},
		"root": {
			func(in func(string) string) error {
				return errors.Join(os.Chmod(in("."), 0o700), os.Chown(in("."), 1, 1))
			},
			"-1 .: mode 0700, not 0755; owner 1:1, not 0:0", nil,
		},
		"everything": {
			func(in func(string) string) error {
				names, err := filepath.Glob(in("*"))
				for _, name := range names {
					err = errors.Join(err, os.RemoveAll(name))
				}
				return err
			},
			"-1 .: time NOW, not 0.000000000\n0! a: missing\n0! b: missing\n1! big: missing\n0! d/c: missing\n0! d/f: missing\n0! d/other: missing\n0! d/s/deep: missing\n" +
				"0 d/s: missing\n0 d: missing\n1 l2: missing\n1 l: missing\n-1 mnt/point: missing\n1 mnt: missing\n0 p: missing",
			[]int{0, 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := memory{}
			dir := build(t, m)
			want := List(t, dir)
			if err := test.harm(func(p string) string { return filepath.Join(dir, p) }); err != nil {
				t.Fatal(err)
			}
			tree := open(t, dir, m)
			found := check(t, tree)
			if diff := cmp.Diff(sorted(test.want), sorted(withoutNow(lines(found)))); diff != "" {
				t.Errorf("damage differs (-want +got):\n%s", diff)
			}

			// Contents are absent, all of them, then present.
			held := map[layer.Digest]string{}
			for d, body := range m {
				held[d] = body
				delete(m, d)
			}
			tree.Repair(found)
			if err := tree.Flush(context.Background()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.absent, tree.Absent()); diff != "" {
				t.Errorf("absent layers differ (-want +got):\n%s", diff)
			}
			if len(test.absent) > 0 {
				if err := tree.Finish(context.Background()); !errors.Is(err, rootfs.ErrAbsent) {
					t.Errorf("finished with absent contents: %v", err)
				}
			}
			for d, body := range held {
				m[d] = body
			}
			if err := tree.Finish(context.Background()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, List(t, dir)); diff != "" {
				t.Errorf("after the repair the tree differs (-want +got):\n%s", diff)
			}
			if left := check(t, tree); len(left) > 0 {
				t.Errorf("after the repair:\n%s", lines(left))
			}
			if left := check(t, open(t, dir, m)); len(left) > 0 {
				t.Errorf("opened after the repair:\n%s", lines(left))
			}
		})
	}
}

func sorted(s string) []string { return slices.Sorted(strings.SplitSeq(s, "\n")) }

// withoutNow replaces times after that of the entries.
func withoutNow(s string) string {
	var out []string
	for line := range strings.Lines(s) {
		if before, after, ok := strings.Cut(line, "time "); ok && !strings.HasPrefix(after, "1.") {
			_, rest, _ := strings.Cut(after, ",")
			line = before + "time NOW," + rest
		}
		out = append(out, line)
	}
	return strings.Join(out, "")
}

// TestRepairKeepsOtherVersions shares inodes with another version of the image, which must not change but for attributes put right.
func TestRepairKeepsOtherVersions(t *testing.T) {
	m := memory{}
	dir := build(t, m)
	other := t.TempDir()
	for _, p := range []string{"d/f", "a"} {
		if err := os.Link(filepath.Join(dir, p), filepath.Join(other, filepath.Base(p))); err != nil {
			t.Fatal(err)
		}
	}
	// Rot, which both versions have then; a process has the file open.
	if err := errors.Join(write(dir+"/d/f", "fil3"), setTime(dir+"/d/f"), os.Chmod(dir+"/a", 0o777)); err != nil {
		t.Fatal(err)
	}
	running, err := os.Open(dir + "/d/f")
	if err != nil {
		t.Fatal(err)
	}
	defer running.Close()
	tree := open(t, dir, m)
	tree.Repair(check(t, tree))
	if err := tree.Finish(context.Background()); err != nil {
		t.Fatal(err)
	}
	if raw, err := os.ReadFile(other + "/f"); err != nil || string(raw) != "fil3" {
		t.Errorf("the other version has %q, %v: the shared inode was written", raw, err)
	}
	if st, err := os.Stat(other + "/a"); err != nil || st.Mode() != 0o644 {
		t.Errorf("the other version's mode is %v, %v", st.Mode(), err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(running.Fd()), &st); err != nil || st.Size != 4 {
		t.Errorf("the open file: %+v, %v", st, err)
	}
	if left := check(t, tree); len(left) > 0 {
		t.Errorf("after the repair:\n%s", lines(left))
	}
}

// same is Contents that has nothing better than the file that is there.
type same struct {
	memory
	path string
}

func (s same) Place(_ int, _ *layer.Entry, dirfd int, name string) error {
	return unix.Linkat(unix.AT_FDCWD, s.path, dirfd, name, 0)
}

// TestRepairWithTheSame renames a name of an inode over another, which rename(2) takes for done.
func TestRepairWithTheSame(t *testing.T) {
	m := memory{}
	dir := build(t, m)
	if err := errors.Join(write(dir+"/d/f", "fil3"), os.Chtimes(dir+"/d/f", Time, Time)); err != nil {
		t.Fatal(err)
	}
	tree, err := rootfs.Open(dir, same{m, dir + "/d/f"})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	settle(t, tree, m)
	tree.Repair(check(t, tree))
	if err := tree.Finish(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := lines(check(t, tree)); got != "0! d/f: other contents" {
		t.Errorf("left:\n%s", got)
	}
}

// TestRepairAfterOneKilled finds a name taken that only a repair could have left, and repairs nothing but contents.
func TestRepairAfterOneKilled(t *testing.T) {
	m := memory{}
	dir := build(t, m)
	if err := errors.Join(write(dir+"/d/f", "fil3"), os.WriteFile(dir+"/d/.placing-1", nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	tree := open(t, dir, m)
	tree.Repair(slices.DeleteFunc(check(t, tree), func(d rootfs.Damage) bool { return !d.ContentLost }))
	if err := tree.Finish(context.Background()); err != nil {
		t.Fatal(err)
	}
	if left := check(t, tree); len(left) > 0 {
		t.Errorf("after the repair:\n%s", lines(left))
	}
}

func TestCheckStopsWhenCancelled(t *testing.T) {
	m := memory{}
	tree := open(t, build(t, m), m)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := tree.Check(ctx, layer.Key{}, func(rootfs.Damage) { t.Error("damage reported") }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}
