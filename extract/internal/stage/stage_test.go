package stage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

func noise(seed, n int) string {
	b := make([]byte, n)
	rand.New(rand.NewSource(int64(seed))).Read(b)
	return string(b)
}

// unlimited is a budget that nothing exhausts.
func unlimited(t testing.TB, dir string) *Budget {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return NewBudget(fd, 0)
}

// shelf is a stage, and a directory that stands for a tree.
type shelf struct {
	*Stage
	t         testing.TB
	dir, tree string
	treefd    int
}

func newShelf(t testing.TB, versions ...Version) *shelf {
	return newShelfIn(t, t.TempDir(), versions...)
}

func newShelfIn(t testing.TB, dir string, versions ...Version) *shelf {
	t.Helper()
	index := NewIndex(versions...)
	s, err := New(filepath.Join(dir, "stage"), 2, index, unlimited(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	tree := filepath.Join(dir, "tree")
	if err := os.Mkdir(tree, 0o755); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(tree, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), index.Close(), unix.Close(fd)); err != nil {
			t.Error(err)
		}
	})
	return &shelf{Stage: s, t: t, dir: dir, tree: tree, treefd: fd}
}

// read puts one layer aside and returns its entries.
func (s *shelf) read(n int, archive io.Reader) ([]*layer.Entry, error) {
	s.t.Helper()
	if err := s.Open(n, filepath.Join(s.dir, "stage", fmt.Sprint("layer", n))); err != nil {
		s.t.Fatal(err)
	}
	var entries []*layer.Entry
	_, err := s.Layer(s.t.Context(), n, archive, func(e *layer.Entry) error {
		entries = append(entries, e)
		return nil
	})
	return entries, err
}

// place makes the files of a layer under their own paths, which must have no directories, and returns them as a version to share.
func (s *shelf) place(entries []Entry) Version {
	s.t.Helper()
	list, err := s.read(0, bytes.NewReader(Layer(s.t, entries...)))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range list {
		if err := s.Place(0, e, s.treefd, e.Path); err != nil {
			s.t.Fatalf("placing %s: %v", e.Path, err)
		}
	}
	return Version{Rootfs: s.tree, Files: func(each func(*layer.Entry) error) error {
		for _, e := range list {
			if err := each(e); err != nil {
				return err
			}
		}
		return nil
	}}
}

func (s *shelf) inode(name string) uint64 {
	s.t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(filepath.Join(s.tree, name), &st); err != nil {
		s.t.Fatal(err)
	}
	return st.Ino
}

var corpus = []Entry{
	File("empty", ""),
	File("small", "hello", Mode(0o640), Owner(7, 8), MTime(time.Unix(1e9, 5))),
	File("sticky", "x", Mode(0o1777)),
	File("unwritable", "y", Mode(0o400)),
	File("buffer", noise(1, bufferSize)),
	File("large", noise(2, bufferSize+1)),
	File("larger", noise(3, 5*bufferSize+17), Mode(0o755)),
	File("attribute", "z", Xattr("user.note", "kept")),
}

func TestPlace(t *testing.T) {
	s := newShelf(t)
	s.place(corpus)
	list := List(t, s.tree)
	for _, e := range corpus {
		got := list[e.Header.Name]
		want := Listed{
			Type: "f", Mode: uint32(e.Header.Mode), UID: uint32(e.Header.Uid), GID: uint32(e.Header.Gid), MTime: e.Header.ModTime.UnixNano(),
			Content: fmt.Sprintf("%x", sha256.Sum256([]byte(e.Body))),
		}
		if len(e.Body) <= 40 {
			want.Content = fmt.Sprintf("%q", e.Body)
		}
		if e.Header.Name == "attribute" {
			want.Xattrs = `user.note="kept"`
		}
		if got != want {
			t.Errorf("%s is\n%v, want\n%v", e.Header.Name, got, want)
		}
	}
	if got := s.Stats(); got.Shared != 0 || got.Written < 6*bufferSize {
		t.Errorf("Stats = %+v", got)
	}
}

// Entries come out in the order of the archive, whatever size their contents have, and with the digests of those.
func TestOrder(t *testing.T) {
	s := newShelf(t)
	var entries []Entry
	for i := range 3000 {
		body := noise(i, i%700)
		if i%500 == 3 {
			body = noise(i, bufferSize*2)
		}
		entries = append(entries, File(fmt.Sprint("f", i), body), Symlink(fmt.Sprint("l", i), "x"))
	}
	got, err := s.read(0, bytes.NewReader(Layer(t, entries...)))
	if err != nil || len(got) != len(entries) {
		t.Fatalf("%d entries of %d, %v", len(got), len(entries), err)
	}
	for i, e := range got {
		if e.Path != entries[i].Header.Name {
			t.Fatalf("entry %d is %s", i, e.Path)
		}
		if e.Kind == layer.File && e.Digest != sha256.Sum256([]byte(entries[i].Body)) {
			t.Fatalf("%s has the wrong digest", e.Path)
		}
	}
}

func TestShare(t *testing.T) {
	big := noise(9, 3*bufferSize)
	late := big[:2*bufferSize] + noise(10, bufferSize)
	old := []Entry{
		File("same", "same contents"), File("moved", "moved contents"), File("time", "time contents"), File("source.py", "python"),
		File("mode", "mode contents"), File("owner", "owner contents"), File("attribute", "attribute contents"),
		File("big", big), File("big-time", noise(11, 2*bufferSize)), File("big-late", late[:len(late)-1]+"x"), File("empty", ""),
	}
	later := MTime(Time.Add(time.Hour))
	for name, test := range map[string]struct {
		entry  Entry
		from   string // the file whose inode it is; "" for a file of its own
		mtime  time.Time
		shared int64
	}{
		"same":      {entry: File("same", "same contents"), from: "same"},
		"moved":     {entry: File("elsewhere", "moved contents"), from: "moved"},
		"time":      {entry: File("time", "time contents", later), from: "time"},
		"python":    {entry: File("source.py", "python", later)},
		"mode":      {entry: File("mode", "mode contents", Mode(0o600))},
		"owner":     {entry: File("owner", "owner contents", Owner(1, 0))},
		"attribute": {entry: File("attribute", "attribute contents", Xattr("user.a", "b"))},
		"contents":  {entry: File("same", "other contents")},
		"big":       {entry: File("big", big), from: "big"},
		"big time":  {entry: File("big-time", noise(11, 2*bufferSize), later), from: "big-time"},
		"big late":  {entry: File("big-late", late)},
		"big mode":  {entry: File("big", big, Mode(0o600))},
		"empty":     {entry: File("empty", "")},
	} {
		t.Run(name, func(t *testing.T) {
			first := newShelf(t)
			s := newShelf(t, first.place(old))
			s.place([]Entry{test.entry})
			got := List(t, s.tree)[test.entry.Header.Name]
			body := []byte(test.entry.Body)
			if got.Content != fmt.Sprintf("%q", body) && got.Content != fmt.Sprintf("%x", sha256.Sum256(body)) {
				t.Errorf("it has the wrong contents: %v", got)
			}
			stats := s.Stats()
			if test.from == "" {
				if stats.Shared != 0 || stats.Written != int64(len(body)) || got.MTime != test.entry.Header.ModTime.UnixNano() || got.Mode != uint32(test.entry.Header.Mode) {
					t.Errorf("it is %v; %+v", got, stats)
				}
				return
			}
			if s.inode(test.entry.Header.Name) != first.inode(test.from) || stats.Written != 0 || stats.Shared != int64(len(body)) {
				t.Errorf("it is not shared; %+v", stats)
			}
		})
	}
}

// What was changed behind our back is not linked, though it is in the index.
func TestShareChanged(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"removed":   os.Remove,
		"truncated": func(path string) error { return os.Truncate(path, 3) },
		"touched":   func(path string) error { return os.Chtimes(path, time.Time{}, time.Unix(1, 0)) },
		"chmodded":  func(path string) error { return os.Chmod(path, 0o777) },
		"a FIFO":    func(path string) error { return errors.Join(os.Remove(path), unix.Mkfifo(path, 0o644)) },
		"a link":    func(path string) error { return errors.Join(os.Remove(path), os.Symlink("/etc/passwd", path)) },
	} {
		t.Run(name, func(t *testing.T) {
			first := newShelf(t)
			version := first.place([]Entry{File("a", "contents")})
			s := newShelf(t, version)
			archive := Layer(t, File("a", "contents"))
			entries, err := s.read(0, bytes.NewReader(archive))
			if err != nil {
				t.Fatal(err)
			}
			if err := change(filepath.Join(first.tree, "a")); err != nil {
				t.Fatal(err)
			}
			if err := s.Place(0, entries[0], s.treefd, "a"); !errors.Is(err, ErrAbsent) {
				t.Fatalf("Place = %v", err)
			}
			digest := entries[0].Digest
			wanted := func(d layer.Digest) bool { return d == digest }
			if err := s.Recover(t.Context(), bytes.NewReader(archive), filepath.Join(s.dir, "stage", "again"), wanted); err != nil {
				t.Fatal(err)
			}
			if err := s.Place(0, entries[0], s.treefd, "a"); err != nil {
				t.Fatal(err)
			}
			if got := List(t, s.tree)["a"]; got.Content != `"contents"` || got.Mode != 0o644 || got.MTime != Time.UnixNano() {
				t.Errorf("it is %v", got)
			}
		})
	}
}

func TestSparse(t *testing.T) {
	archive, err := os.ReadFile("testdata/sparse.tar")
	if err != nil {
		t.Fatal(err)
	}
	s := newShelf(t)
	entries, err := s.read(0, bytes.NewReader(archive))
	if err != nil || len(entries) != 1 || !entries[0].Sparse {
		t.Fatalf("%v, %v", entries, err)
	}
	if err := s.Place(0, entries[0], s.treefd, "f"); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(s.tree, "f"))
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, 8<<20)
	copy(want[4<<20:], strings.Repeat("data", 1024))
	if !bytes.Equal(raw, want) {
		t.Error("it has the wrong contents")
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(s.tree, "f"), &st); err != nil || st.Blocks*512 > 64<<10 {
		t.Errorf("it takes %d bytes, %v", st.Blocks*512, err)
	}
	if got := s.Stats().Written; got != 4096 {
		t.Errorf("written %d", got)
	}
}

// A reader that fails is the cause, not the file that is short because of it.
func TestReaderFails(t *testing.T) {
	broken := errors.New("the network went away")
	for _, body := range []string{noise(1, 3*bufferSize), noise(1, 5000)} {
		s := newShelf(t)
		archive := Layer(t, File("first", "1"), File("f", body))
		_, err := s.read(0, io.MultiReader(bytes.NewReader(archive[:len(archive)-2048]), failing{broken}))
		if !errors.Is(err, broken) {
			t.Errorf("%v", err)
		}
		_, err = s.read(1, bytes.NewReader(archive[:len(archive)-2048]))
		if !errors.Is(err, layer.ErrInvalid) {
			t.Errorf("cut short: %v", err)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestEmitFails(t *testing.T) {
	s := newShelf(t)
	if err := s.Open(0, filepath.Join(s.dir, "stage", "0")); err != nil {
		t.Fatal(err)
	}
	stop := errors.New("enough")
	archive := io.MultiReader(bytes.NewReader(Layer(t, File("f", noise(1, 9*bufferSize)))), endless{})
	_, err := s.Layer(t.Context(), 0, archive, func(*layer.Entry) error { return stop })
	if !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
}

// endless is an archive that has no end mark, whatever one does.
type endless struct{}

func (endless) Read(p []byte) (int, error) { clear(p); p[0] = 1; return len(p), nil }

func TestCancel(t *testing.T) {
	s := newShelf(t)
	if err := s.Open(0, filepath.Join(s.dir, "stage", "0")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var many []Entry
	for i := range 5000 {
		many = append(many, File(fmt.Sprint(i), noise(i, 2000)))
	}
	seen := 0
	_, err := s.Layer(ctx, 0, bytes.NewReader(Layer(t, many...)), func(*layer.Entry) error {
		if seen++; seen == 10 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// Several layers with large files share few buffers and few workers; none may wait for ever.
func TestNoDeadlock(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	dir := t.TempDir()
	index := NewIndex()
	defer index.Close()
	const layers = 4
	s, err := New(filepath.Join(dir, "stage"), layers, index, unlimited(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var running sync.WaitGroup
	for n := range layers {
		if err := s.Open(n, filepath.Join(dir, "stage", fmt.Sprint(n))); err != nil {
			t.Fatal(err)
		}
		var entries []Entry
		for i := range 12 {
			entries = append(entries, File(fmt.Sprint("large", i), noise(n*100+i, 4*bufferSize)))
			for j := range 40 {
				entries = append(entries, File(fmt.Sprint("small", i, "-", j), noise(j, 30000)))
			}
		}
		archive := Layer(t, entries...)
		running.Go(func() {
			if _, err := s.Layer(t.Context(), n, bytes.NewReader(archive), func(*layer.Entry) error { return nil }); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
}

func TestBudget(t *testing.T) {
	dir := t.TempDir()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	free := int64(st.Bavail) * st.Frsize
	if err := NewBudget(fd, 0).Fits(free * 2); !errors.Is(err, ErrSpace) {
		t.Errorf("twice what is free fits: %v", err)
	}
	// The reserve is so large that the first look at the file system finds too little.
	index := NewIndex()
	defer index.Close()
	s, err := New(filepath.Join(dir, "stage"), 1, index, NewBudget(fd, 2*free))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Open(0, filepath.Join(dir, "stage", "0")); err != nil {
		t.Fatal(err)
	}
	big := Layer(t, File("f", noise(1, 2*step)))
	_, err = s.Layer(t.Context(), 0, bytes.NewReader(big), func(*layer.Entry) error { return nil })
	if !errors.Is(err, ErrSpace) || !strings.Contains(err.Error(), "free to be left") {
		t.Errorf("%v", err)
	}
}

// Names need space too, of which there is none here: many empty files end in an error, though few do not.
func TestBudgetNames(t *testing.T) {
	s := newShelf(t)
	left, err := s.budget.Left()
	if err != nil {
		t.Fatal(err)
	}
	s.budget.reserve = 2 * left
	e := &layer.Entry{Kind: layer.File, Path: "f", Attrs: layer.Attrs{Mode: 0o644}}
	for i := range stepNames {
		if err = s.Place(0, e, s.treefd, fmt.Sprint(i)); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrSpace) || len(List(t, s.tree)) < stepNames-1 {
		t.Errorf("%v after %d files", err, len(List(t, s.tree)))
	}
}

// A file is what its entry says, whatever the directories give to new files: here a group, and an ACL that widens the mode.
func TestInherited(t *testing.T) {
	dir := t.TempDir()
	// USER_OBJ rwx, USER 7 rwx, GROUP_OBJ rwx, MASK rwx, OTHER rwx: linux/posix_acl_xattr.h.
	acl := "\x02\x00\x00\x00\x01\x00\x07\x00\xff\xff\xff\xff\x02\x00\x07\x00\x07\x00\x00\x00\x04\x00\x07\x00\xff\xff\xff\xff" +
		"\x10\x00\x07\x00\xff\xff\xff\xff\x20\x00\x07\x00\xff\xff\xff\xff"
	err := errors.Join(os.Chown(dir, 0, 50), os.Chmod(dir, 0o755|os.ModeSetgid))
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(dir, "system.posix_acl_default", []byte(acl), 0); err != nil && !errors.Is(err, unix.ENOTSUP) {
		t.Fatal(err)
	}
	s := newShelfIn(t, dir)
	s.place([]Entry{File("f", "contents", Mode(0o640)), File("empty", "", Mode(0o666)), File("big", noise(1, 2*bufferSize), Owner(3, 50))})
	list := List(t, s.tree)
	for name, want := range map[string][3]uint32{"f": {0o640, 0, 0}, "empty": {0o666, 0, 0}, "big": {0o644, 3, 50}} {
		got := list[name]
		if [3]uint32{got.Mode, got.UID, got.GID} != want {
			t.Errorf("%s is %v", name, got)
		}
	}
	for _, name := range []string{"f", "big"} {
		if _, err := unix.Getxattr(filepath.Join(s.tree, name), "system.posix_acl_access", nil); err == nil {
			t.Errorf("%s has an ACL", name)
		}
	}
}

// What a file system does not keep is dropped and counted; what was set before it, or after, stays. The entry says what there is.
func TestXattrsTooLarge(t *testing.T) {
	s := newShelf(t)
	// The first is more than any file system keeps, XATTR_SIZE_MAX of linux/limits.h; the second is for ext4 only.
	for name, large := range map[string]string{"f": strings.Repeat("x", 65537), "g": strings.Repeat("x", 20000)} {
		for i, size := range []int64{8, 0} {
			e := &layer.Entry{Kind: layer.File, Path: name, Size: size, Attrs: layer.Attrs{Mode: 0o644, Xattrs: []layer.Xattr{
				{Name: "user.a", Value: "1"}, {Name: "user.b", Value: large}, {Name: "user.c", Value: "3"},
			}}}
			d, err := s.openDir(filepath.Join(s.dir, "stage", name))
			if err != nil {
				t.Fatal(err)
			}
			s.dirs[0] = d
			before, name := s.Stats().Xattrs, fmt.Sprint(name, i)
			if size > 0 {
				err = (&reader{s: s.Stage, dir: d}).store(e, 1, []byte("contents"), make([]byte, scratchSize))
			}
			if err := errors.Join(err, s.Place(0, e, s.treefd, name)); err != nil {
				t.Fatal(err)
			}
			dropped := int(d.dropped.Load() + s.Stats().Xattrs - before)
			if len(e.Xattrs)+dropped != 3 || len(large) > 65536 && dropped != 1 || e.Xattrs[0].Name != "user.a" || e.Xattrs[len(e.Xattrs)-1].Name != "user.c" {
				t.Errorf("%s: %d were dropped, and the entry has %d", name, dropped, len(e.Xattrs))
			}
			for _, x := range e.Xattrs {
				value := make([]byte, 1<<16)
				n, err := unix.Getxattr(filepath.Join(s.tree, name), x.Name, value)
				if err != nil || string(value[:n]) != x.Value {
					t.Errorf("%s has %d bytes as %s, %v", name, n, x.Name, err)
				}
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			delete(s.dirs, 0)
		}
	}
}

// What a disk made of the files of a version does not spread to the next, though they look as they did.
func TestShareRotten(t *testing.T) {
	big := noise(1, 2*bufferSize)
	for name, change := range map[string]func(path string) error{
		"contents":  func(path string) error { return write(path, 5, "X") },
		"attribute": func(path string) error { return unix.Setxattr(path, "user.note", []byte("other"), 0) },
		"lost":      func(path string) error { return unix.Removexattr(path, "user.note") },
		"more":      func(path string) error { return unix.Setxattr(path, "user.more", nil, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			first := newShelf(t)
			entries := []Entry{
				File("f", "contents", Xattr("user.note", "note")), File("g", big, Xattr("user.note", "note")),
				// The same as g, of which only one is a candidate while it is read.
				File("h", big, Mode(0o600), Xattr("user.note", "note")),
			}
			version := first.place(entries)
			for _, e := range entries {
				path := filepath.Join(first.tree, e.Header.Name)
				if err := errors.Join(change(path), os.Chtimes(path, Time, Time)); err != nil {
					t.Fatal(err)
				}
			}
			s := newShelf(t, version)
			s.place(entries)
			list := List(t, s.tree)
			for _, e := range entries {
				got := list[e.Header.Name]
				if got.Content != fmt.Sprintf("%q", e.Body) && got.Content != fmt.Sprintf("%x", sha256.Sum256([]byte(e.Body))) {
					t.Errorf("%s has other contents", e.Header.Name)
				}
				if got.Xattrs != `user.note="note"` || s.inode(e.Header.Name) == first.inode(e.Header.Name) {
					t.Errorf("%s is %v", e.Header.Name, got)
				}
			}
		})
	}
}

// Of two files with the same contents the one that is linked is the one that must be whole.
func TestShareRottenTwin(t *testing.T) {
	first := newShelf(t)
	big := noise(1, 2*bufferSize)
	entries := []Entry{File("a", big), File("b", big, Mode(0o600))}
	version := first.place(entries)
	for _, e := range entries {
		s := newShelf(t, version)
		path := filepath.Join(first.tree, e.Header.Name)
		if err := errors.Join(write(path, 7, "rot"), os.Chtimes(path, Time, Time)); err != nil {
			t.Fatal(err)
		}
		s.place(entries)
		for name, got := range List(t, s.tree) {
			if name != "." && got.Content != fmt.Sprintf("%x", sha256.Sum256([]byte(big))) {
				t.Errorf("%s has other contents when %s is rotten", name, e.Header.Name)
			}
		}
	}
}

// Where there are no bytes to compare with, a copy is hashed.
func TestCopyRotten(t *testing.T) {
	first := newShelf(t)
	s := newShelf(t, first.place([]Entry{File("a", "contents")}))
	path := filepath.Join(first.tree, "a")
	e := &layer.Entry{Kind: layer.File, Path: "b", Size: 8, Digest: sha256.Sum256([]byte("contents")), Attrs: layer.Attrs{Mode: 0o600}}
	if err := s.Place(0, e, s.treefd, "b"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(write(path, 3, "X"), os.Chtimes(path, Time, Time)); err != nil {
		t.Fatal(err)
	}
	if err := s.Place(0, e, s.treefd, "c"); !errors.Is(err, ErrAbsent) {
		t.Errorf("Place = %v", err)
	}
	if list := List(t, s.tree); list["b"].Content != `"contents"` || list["c"] != (Listed{}) {
		t.Errorf("%v", list)
	}
}

func write(path string, at int64, what string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(what), at)
	return errors.Join(err, f.Close())
}

// block is one header of a tar archive.
func block(kind byte, name string, size int64) []byte {
	h := make([]byte, 512)
	copy(h, name)
	copy(h[100:], "0000644\x000000000\x000000000\x00")
	copy(h[124:], fmt.Sprintf("%011o\x0000000000000\x00        %c", size, kind))
	copy(h[257:], "ustar\x0000")
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

// sparse is the archive of a file of size bytes that is one hole: PAX format 1.0.
func sparse(name string, size int64) []byte {
	padded := func(s string) string { return s + strings.Repeat("\x00", -len(s)&511) }
	var records strings.Builder
	for _, pair := range []string{
		"GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=" + name, fmt.Sprintf("GNU.sparse.realsize=%d", size),
	} {
		n := len(pair) + 3
		for len(fmt.Sprintf("%d %s\n", n, pair)) != n {
			n++
		}
		fmt.Fprintf(&records, "%d %s\n", n, pair)
	}
	raw := append(block('x', "x", int64(records.Len())), padded(records.String())...)
	return append(append(raw, block('0', "f", 512)...), padded(fmt.Sprintf("1\n%d\n0\n", size))...)
}

// What sparse files claim to hold must fit the disk, one by one and together, before any of it is hashed.
func TestSparseClaims(t *testing.T) {
	s := newShelf(t)
	left, err := s.budget.Left()
	if err != nil {
		t.Fatal(err)
	}
	end := make([]byte, 1024)
	for name, archive := range map[string][]byte{
		"one":     sparse("f", 1<<55),
		"several": append(append(sparse("a", 8<<20), sparse("b", left-4<<20)...), sparse("c", left)...),
	} {
		if _, err := s.read(1, bytes.NewReader(append(archive, end...))); !errors.Is(err, ErrSpace) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for n := range 3 {
		if _, err := s.read(2+n, bytes.NewReader(append(sparse("f", 8<<20), end...))); err != nil {
			t.Errorf("a small one: %v", err)
		}
	}
	if got := s.claimed.Load(); got != 3*8<<20 {
		t.Errorf("%d bytes are claimed", got)
	}
}

// Little more is read once the disk is full.
func TestFullEndsReading(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s := newShelfIn(t, dir)
	const size = 1 << 30
	rest := &io.LimitedReader{R: endless{}, N: size}
	_, err := s.read(0, io.MultiReader(bytes.NewReader(block('0', "f", size)), rest))
	if !errors.Is(err, ErrSpace) || !strings.Contains(err.Error(), `entry "f"`) {
		t.Errorf("%v", err)
	}
	if got := size - rest.N; got > 64<<20 {
		t.Errorf("%d bytes were read", got)
	}
}

// What a layer is read again for is found, however many places of the same contents there are that turned out to be stale.
func TestRecoverMany(t *testing.T) {
	first := newShelf(t)
	var old []Entry
	for i := range 2 * maxSame {
		old = append(old, File(fmt.Sprint(i), "contents", Owner(i, 0)))
	}
	version := first.place(old)
	for i := range old {
		if err := os.Remove(filepath.Join(first.tree, fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	s := newShelf(t, version)
	archive := Layer(t, File("a", "contents", Owner(99, 0)))
	entries, err := s.read(0, bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	e := *entries[0]
	e.Staged = 0
	if err := s.Recover(t.Context(), bytes.NewReader(archive), filepath.Join(s.dir, "stage", "again"), func(layer.Digest) bool { return true }); err != nil {
		t.Fatal(err)
	}
	if err := s.Place(0, &e, s.treefd, "a"); err != nil {
		t.Fatal(err)
	}
	if got := List(t, s.tree)["a"]; got.Content != `"contents"` || got.UID != 99 {
		t.Errorf("it is %v", got)
	}
}

// Contents that were put aside and are gone, or cut short, are absent, and found when the layer was read again.
func TestStagedGone(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"removed": os.Remove,
		"short":   func(path string) error { return os.Truncate(path, 0) },
		"a link":  func(path string) error { return errors.Join(os.Remove(path), os.Symlink("contents", path)) },
	} {
		t.Run(name, func(t *testing.T) { testStagedGone(t, change) })
	}
}

func testStagedGone(t *testing.T, change func(path string) error) {
	s := newShelf(t)
	archive := Layer(t, File("a", "contents"))
	entries, err := s.read(0, bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	if err := change(filepath.Join(s.dir, "stage", "layer0", "1")); err != nil {
		t.Fatal(err)
	}
	if err := s.Place(0, entries[0], s.treefd, "a"); !errors.Is(err, ErrAbsent) {
		t.Fatalf("Place = %v", err)
	}
	if err := s.Recover(t.Context(), bytes.NewReader(archive), filepath.Join(s.dir, "stage", "again"), func(layer.Digest) bool { return true }); err != nil {
		t.Fatal(err)
	}
	if err := s.Place(0, entries[0], s.treefd, "a"); err != nil {
		t.Fatal(err)
	}
	if got := List(t, s.tree)["a"]; got.Content != `"contents"` {
		t.Errorf("it is %v", got)
	}
}

// A list of files that turns out to be damaged shares nothing: what it said before may be wrong.
func TestDamagedVersion(t *testing.T) {
	first, good := newShelf(t), newShelf(t)
	big := noise(5, bufferSize+1)
	version := first.place([]Entry{File("a", "contents"), File("big", big)})
	files := version.Files
	damaged := Version{Rootfs: version.Rootfs, Files: func(each func(*layer.Entry) error) error {
		return errors.Join(files(each), layer.ErrDamaged)
	}}
	s := newShelf(t, damaged, good.place([]Entry{File("b", "other contents"), File("c", "contents", Mode(0o600)), File("big", big)}))
	s.place([]Entry{File("a", "contents"), File("b", "other contents"), File("c", "contents", Mode(0o600)), File("big", big)})
	for _, name := range []string{"b", "c", "big"} {
		if s.inode(name) != good.inode(name) {
			t.Errorf("%s is not shared with the version that is whole", name)
		}
	}
	if got := s.Stats(); got.Written != int64(len("contents")) {
		t.Errorf("Stats = %+v", got)
	}
}
