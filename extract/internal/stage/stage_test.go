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

var testKey = layer.Key{1, 2, 3}

func newShelf(t testing.TB, versions ...Version) *shelf {
	return newShelfIn(t, t.TempDir(), versions...)
}

func newShelfIn(t testing.TB, dir string, versions ...Version) *shelf {
	t.Helper()
	index := NewIndex(versions...)
	s, err := New(filepath.Join(dir, "stage"), 2, testKey, index, unlimited(t, dir))
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
	if err := s.Open(n, filepath.Join(s.dir, "stage", fmt.Sprint("layer", n)), false); err != nil {
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
		if e.Kind == layer.File && e.Digest != testKey.Of([]byte(entries[i].Body)) {
			t.Fatalf("%s has the wrong digest", e.Path)
		}
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
	if err := s.Open(0, filepath.Join(s.dir, "stage", "0"), false); err != nil {
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
	if err := s.Open(0, filepath.Join(s.dir, "stage", "0"), false); err != nil {
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
	s, err := New(filepath.Join(dir, "stage"), layers, testKey, index, unlimited(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var running sync.WaitGroup
	for n := range layers {
		if err := s.Open(n, filepath.Join(dir, "stage", fmt.Sprint(n)), false); err != nil {
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
				w := newWorker()
				err = errors.Join((&reader{s: s.Stage, dir: d}).store(w, e, 1, []byte("contents")), w.at.leave())
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

// TestPlaceTaken: a name is free as far as the tree knows, but file systems can take two names for one. Nothing is replaced then.
func TestPlaceTaken(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"by a file":                func(path string) error { return os.WriteFile(path, []byte("first"), 0o600) },
		"by an empty directory":    func(path string) error { return os.Mkdir(path, 0o700) },
		"by a link that goes away": func(path string) error { return os.Symlink("/nowhere", path) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t)
			entries, err := s.read(0, bytes.NewReader(Layer(t, File("d/a", "contents"))))
			if err != nil {
				t.Fatal(err)
			}
			if err := make(filepath.Join(s.tree, "A")); err != nil {
				t.Fatal(err)
			}
			before := List(t, s.tree)["A"]
			if ok, err := s.PlaceDir(0, 1, s.treefd, "A"); ok || err != nil && !errors.Is(err, unix.EEXIST) {
				t.Errorf("PlaceDir = %v, %v", ok, err)
			}
			if err := s.Place(0, entries[0], s.treefd, "A"); !errors.Is(err, unix.EEXIST) {
				t.Errorf("Place = %v", err)
			}
			if got := List(t, s.tree)["A"]; got != before {
				t.Errorf("it is %v, was %v", got, before)
			}
		})
	}
}
