package stage

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

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

// Whatever has taken the place of a file, it is neither waited for nor shared.
func TestShareReplaced(t *testing.T) {
	big := noise(1, 2*bufferSize)
	entries := []Entry{File("f", "contents"), File("g", big)}
	first := newShelf(t)
	version := first.place(entries)
	for _, e := range entries {
		path := filepath.Join(first.tree, e.Header.Name)
		if err := errors.Join(os.Remove(path), unix.Mkfifo(path, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	s := newShelf(t, version)
	s.place(entries)
	if got := s.Stats(); got.Shared != 0 || got.Written != int64(len("contents")+len(big)) {
		t.Errorf("Stats = %+v", got)
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
	e := &layer.Entry{Kind: layer.File, Path: "b", Size: 8, Digest: testKey.Of([]byte("contents")), Attrs: layer.Attrs{Mode: 0o600}}
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
	if err := change(filepath.Join(s.dir, "stage", "layer0", "1", "a")); err != nil {
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

// A tree that a killed run left may have something else at a path by now, or reach it by a link. What it has still is linked.
func TestUnfinished(t *testing.T) {
	first := newShelf(t)
	version := first.place([]Entry{File("same", "contents"), File("other", "contained"), File("moved", "over there")})
	version.Unfinished = true
	at := func(name string) string { return filepath.Join(first.tree, name) }
	err := errors.Join(
		write(at("other"), 0, "X"), os.Chtimes(at("other"), Time, Time),
		os.Mkdir(at("d"), 0o700), os.Rename(at("moved"), at("d/moved")), os.Symlink("d", at("link")),
	)
	if err != nil {
		t.Fatal(err)
	}
	files := version.Files
	version.Files = func(each func(*layer.Entry) error) error {
		return files(func(e *layer.Entry) error {
			moved := *e
			if e.Path == "moved" {
				moved.Path = "link/moved"
			}
			return each(&moved)
		})
	}
	s := newShelf(t, version)
	for name, contents := range map[string]string{"same": "contents", "other": "contained", "moved": "over there"} {
		e := &layer.Entry{Kind: layer.File, Path: name, Size: int64(len(contents)), Digest: testKey.Of([]byte(contents))}
		e.Mode, e.MTime = 0o644, layer.Time{Sec: Time.Unix(), Nsec: uint32(Time.Nanosecond())}
		err := s.Place(0, e, s.treefd, name)
		if name == "other" {
			if !errors.Is(err, ErrAbsent) {
				t.Errorf("Place of what has other contents by now = %v", err)
			}
			continue
		}
		if err != nil {
			t.Errorf("placing %s: %v", name, err)
			continue
		}
		if got := List(t, s.tree)[name].Content; got != fmt.Sprintf("%q", contents) {
			t.Errorf("%s is %s", name, got)
		}
	}
	if s.inode("same") != first.inode("same") || s.inode("moved") != first.inode("d/moved") {
		t.Error("what is whole was not linked")
	}
}

// A directory of contents becomes one of the tree as it is, unless its contents are wanted again.
func TestPlaceDir(t *testing.T) {
	for keep, want := range map[bool]bool{false: true, true: false} {
		s := newShelf(t)
		list, err := s.read(0, bytes.NewReader(Layer(t, Dir("d"), File("d/a", "a"), File("d/b", noise(1, 2*bufferSize)), File("e", "e"), File("d/c", ""))))
		if err != nil {
			t.Fatal(err)
		}
		s.dirs[0].kept = keep
		number, alone := list[1].Aside()
		if other, _ := list[2].Aside(); alone || other != number {
			t.Errorf("d/a is at %d and d/b at %d", number, other)
		}
		done, err := s.Stage.PlaceDir(0, number, s.treefd, "d")
		if err != nil || done != want {
			t.Fatalf("keep %t: PlaceDir = %t, %v", keep, done, err)
		}
		if got := List(t, s.tree); (got["d/a"].Content == `"a"`) != want {
			t.Errorf("keep %t: it holds %v", keep, got)
		}
		// What is gone with the directory is absent.
		if err := s.Place(0, list[1], s.treefd, "x"); errors.Is(err, ErrAbsent) != want {
			t.Errorf("keep %t: Place = %v", keep, err)
		}
		if done, err := s.Stage.PlaceDir(0, 77, s.treefd, "y"); done || err != nil {
			t.Errorf("PlaceDir of what is not there = %t, %v", done, err)
		}
	}
}

// A path that an archive has twice, and names that no file system takes, are put aside all the same.
func TestAlone(t *testing.T) {
	s := newShelf(t)
	list, err := s.read(0, bytes.NewReader(Layer(t, File("a", "first"), File("a", "second"), File("d/a", "third"))))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"first", "second", "third"} {
		name := fmt.Sprint(i)
		if err := s.Place(0, list[i], s.treefd, name); err != nil {
			t.Fatal(err)
		}
		if got := List(t, s.tree)[name].Content; got != fmt.Sprintf("%q", want) {
			t.Errorf("%s is %s", name, got)
		}
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

// TestUnfinishedAttributes: nor need what a tree that was left has at a path be of the layer that is asked for. Attributes count too.
func TestUnfinishedAttributes(t *testing.T) {
	first := newShelf(t)
	version := first.place([]Entry{File("a", "contents", Xattr("user.of", "one"))})
	version.Unfinished = true
	if err := unix.Setxattr(filepath.Join(first.tree, "a"), "user.of", []byte("another"), 0); err != nil {
		t.Fatal(err)
	}
	s := newShelf(t, version)
	e := &layer.Entry{Kind: layer.File, Path: "a", Size: 8, Digest: testKey.Of([]byte("contents"))}
	e.Mode, e.MTime = 0o644, layer.Time{Sec: Time.Unix(), Nsec: uint32(Time.Nanosecond())}
	e.Xattrs = []layer.Xattr{{Name: "user.of", Value: "one"}}
	err := s.Place(0, e, s.treefd, "a")
	if errors.Is(err, ErrAbsent) {
		return
	}
	if got := List(t, s.tree)["a"].Xattrs; err != nil || got != `user.of="one"` {
		t.Errorf("it has %s, %v", got, err)
	}
}

// TestUnfinishedTwice: of two trees that were left, each has what the other has not.
func TestUnfinishedTwice(t *testing.T) {
	first, second := newShelf(t), newShelf(t)
	version, later := first.place([]Entry{File("a", "contents")}), second.place([]Entry{File("a", "contents")})
	version.Unfinished, later.Unfinished = true, true
	if err := os.Remove(filepath.Join(first.tree, "a")); err != nil {
		t.Fatal(err)
	}
	s := newShelf(t, version, later)
	e := &layer.Entry{Kind: layer.File, Path: "a", Size: 8, Digest: testKey.Of([]byte("contents"))}
	e.Mode, e.MTime = 0o644, layer.Time{Sec: Time.Unix(), Nsec: uint32(Time.Nanosecond())}
	if err := s.Place(0, e, s.treefd, "a"); err != nil {
		t.Fatal(err)
	}
	if s.inode("a") != second.inode("a") {
		t.Error("it is not linked")
	}
}
