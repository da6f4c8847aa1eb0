package data

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// directory is a data directory with the stores of a version in it.
func directory(t *testing.T, version string) (*Dir, string) {
	t.Helper()
	path := t.TempDir()
	fill(t, path, version)
	for name, text := range map[string]string{
		Protection + "/db_version": `{"schemaVersion":2,"rollupAddress":"0x01"}`, Protection + "/data.mdb": "signed",
		"blobs/1": "signed", "p2p-private-key": "0xabc", "admin/api_key_hash": "hash", ".aztec-spartan-val1": "val1\n",
	} {
		put(t, filepath.Join(path, name), text)
	}
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d, path
}

var stores = []string{"archiver", "p2p", "world_state"}

// fill empties the stores of a version and makes others, as a node does that
// finds another schema.
func fill(t *testing.T, path, version string) {
	t.Helper()
	for _, store := range stores {
		if err := os.RemoveAll(filepath.Join(path, store)); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(path, store, "data.mdb"), version)
		put(t, filepath.Join(path, store, "deep/er"), version)
		put(t, filepath.Join(path, store, versionFile), `{"schemaVersion":1}`)
	}
}

func put(t *testing.T, name, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o640)); err != nil {
		t.Fatal(err)
	}
}

// holds is the version whose stores a directory has; "" for none, and both
// names for a mix.
func holds(t *testing.T, path string) string {
	t.Helper()
	found := map[string]int{}
	for _, store := range stores {
		for _, file := range []string{"data.mdb", "deep/er"} {
			text, err := os.ReadFile(filepath.Join(path, store, file))
			if err != nil {
				text = []byte("nothing")
			}
			found[string(text)]++
		}
	}
	if len(found) != 1 {
		return fmt.Sprint("a mix: ", found)
	}
	for version := range found {
		return version
	}
	return ""
}

// untouched asserts what no version's change may touch.
func untouched(t *testing.T, path string) {
	t.Helper()
	for name, want := range map[string]string{Protection + "/data.mdb": "signed", "blobs/1": "signed", "p2p-private-key": "0xabc", "admin/api_key_hash": "hash"} {
		if got, err := os.ReadFile(filepath.Join(path, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func sets(t *testing.T, d *Dir) (list []int) {
	t.Helper()
	all, err := d.Sets()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		list = append(list, s.Generation)
	}
	return list
}

func TestThereAndBack(t *testing.T) {
	d, path := directory(t, "old")
	if err := d.Save(t.Context(), 1, Copy); err != nil {
		t.Fatal(err)
	}
	fill(t, path, "new")
	put(t, filepath.Join(path, "sentinel/db_version"), "only the new one has it")
	// It was about to empty this one.
	if err := os.Remove(filepath.Join(path, "p2p", versionFile)); err != nil {
		t.Fatal(err)
	}
	if err := d.Swap(2, 1); err != nil {
		t.Fatal(err)
	}
	if got := holds(t, path); got != "old" {
		t.Errorf("in place: %s", got)
	}
	if _, err := os.Stat(filepath.Join(path, "sentinel")); err == nil {
		t.Error("a store of the new version stayed")
	}
	untouched(t, path)
	if diff := cmp.Diff([]int{2}, sets(t, d)); diff != "" {
		t.Errorf("sets (-want +got):\n%s", diff)
	}
	if err := d.Swap(1, 2); err != nil || holds(t, path) != "new" {
		t.Errorf("the other way: %v, %s", err, holds(t, path))
	}
	if err := d.Drop(1); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(path, SavedDir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("with no set left: %v", err)
	}
}

// A copy has what the original has: bytes, holes, modes and times.
func TestCopyIsTheSame(t *testing.T) {
	d, path := directory(t, "old")
	file := filepath.Join(path, "archiver/data.mdb")
	const size = 256 << 20
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte("in the middle"), 100<<20)
	if err := errors.Join(err, f.Truncate(size), f.Close(), os.Symlink("data.mdb", filepath.Join(path, "archiver/link"))); err != nil {
		t.Fatal(err)
	}
	if err := d.Save(t.Context(), 7, Copy); err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(path, SavedDir, "7/archiver")
	one, two := stat(t, file), stat(t, filepath.Join(kept, "data.mdb"))
	if two.Size != size || two.Blocks > one.Blocks+64 || one.Mode != two.Mode || one.Mtim != two.Mtim || one.Uid != two.Uid {
		t.Errorf("copied %+v to %+v", one, two)
	}
	a, err1 := os.ReadFile(file)
	b, err2 := os.ReadFile(filepath.Join(kept, "data.mdb"))
	if err1 != nil || err2 != nil || string(a) != string(b) {
		t.Errorf("the copy has other bytes: %v, %v", err1, err2)
	}
	if to, err := os.Readlink(filepath.Join(kept, "link")); err != nil || to != "data.mdb" {
		t.Errorf("link to %q, %v", to, err)
	}
	bytes, err := d.Bytes()
	if all := sets(t, d); err != nil || bytes > 2<<20 || len(all) != 1 {
		t.Errorf("%d bytes, %v, sets %v", bytes, err, all)
	}
}

func stat(t *testing.T, name string) unix.Stat_t {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(name, &st); err != nil {
		t.Fatal(err)
	}
	return st
}

func TestNothingIsKeptOfACopyThatEnds(t *testing.T) {
	d, path := directory(t, "old")
	ctx, cancel := context.WithCancel(t.Context())
	d.step = cancel
	if err := d.Save(ctx, 1, Copy); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(path, SavedDir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was left: %v", err)
	}
	untouched(t, path)
}

// Names that lead out of the directory lead nowhere: the node's user can make
// them.
func TestLinksOut(t *testing.T) {
	outside := t.TempDir()
	put(t, filepath.Join(outside, "precious"), "root's")
	t.Run("saved", func(t *testing.T) {
		d, path := directory(t, "old")
		if err := os.Symlink(outside, filepath.Join(path, SavedDir)); err != nil {
			t.Fatal(err)
		}
		if err := d.Save(t.Context(), 1, Copy); err == nil || !strings.Contains(err.Error(), SavedDir) {
			t.Errorf("saved through a link: %v", err)
		}
		if err := d.Settle(); err == nil {
			t.Error("settled through a link")
		}
	})
	t.Run("version", func(t *testing.T) {
		d, path := directory(t, "old")
		put(t, filepath.Join(outside, "v"), `{"schemaVersion":9}`)
		name := filepath.Join(path, "archiver", versionFile)
		if err := errors.Join(os.Remove(name), os.Symlink(filepath.Join(outside, "v"), name)); err != nil {
			t.Fatal(err)
		}
		if v, err := d.Versions(); err != nil || v["archiver"].Schema != 0 {
			t.Errorf("%v, %v", v, err)
		}
	})
	if got, err := os.ReadDir(outside); err != nil || len(got) != 2 {
		t.Errorf("outside: %v, %v", got, err)
	}
}

func TestVersions(t *testing.T) {
	d, path := directory(t, "old")
	for name, text := range map[string]string{
		"archiver": `{"schemaVersion":5,"rollupAddress":"0x0f"}`, "p2p": `{`,
	} {
		put(t, filepath.Join(path, name, versionFile), text)
	}
	got, err := d.Versions()
	want := map[string]Version{"archiver": {5, "0x0f"}, "p2p": {}, "world_state": {Schema: 1}, Protection: {2, "0x01"}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestProtectionAside(t *testing.T) {
	d, path := directory(t, "old")
	at, err := d.SetAside(false)
	if err != nil || at != SavedDir+"/"+Protection {
		t.Fatalf("%q, %v", at, err)
	}
	if again, err := d.SetAside(false); again != "" || err != nil {
		t.Errorf("a second time: %q, %v", again, err)
	}
	if back, err := d.PutBack(1, false); back || err != nil {
		t.Errorf("put back for who cannot read it: %v, %v", back, err)
	}
	if back, err := d.PutBack(2, false); !back || err != nil {
		t.Errorf("put back: %v, %v", back, err)
	}
	untouched(t, path)
	if _, err := d.SetAside(false); err != nil {
		t.Fatal(err)
	}
	// What a version made since stays; and all that were set aside do.
	put(t, filepath.Join(path, Protection, "data.mdb"), "newer")
	if back, err := d.PutBack(9, false); back || err != nil {
		t.Errorf("put over another: %v, %v", back, err)
	}
	if at, err := d.SetAside(false); err != nil || at != SavedDir+"/"+Protection {
		t.Errorf("%q, %v", at, err)
	}
	older := filepath.Join(path, SavedDir, Protection+"-2/data.mdb")
	if text, err := os.ReadFile(older); err != nil || string(text) != "signed" {
		t.Errorf("the older one: %q, %v", text, err)
	}
	put(t, filepath.Join(path, SavedDir, Protection, versionFile), `{"schemaVersion":2}`)
	// The newest comes back, over one that nothing was signed with; no older one does.
	put(t, filepath.Join(path, Protection, "data.mdb"), "nothing")
	for _, want := range []bool{true, false} {
		if back, err := d.PutBack(2, true); back != want || err != nil {
			t.Errorf("put back: %v, %v, want %v", back, err, want)
		}
		if text, err := os.ReadFile(filepath.Join(path, Protection, "data.mdb")); err != nil || string(text) != "newer" {
			t.Errorf("in place: %q, %v", text, err)
		}
	}
	if text, err := os.ReadFile(filepath.Join(path, SavedDir, Protection+"-3/data.mdb")); err != nil || string(text) != "nothing" {
		t.Errorf("what it replaced: %q, %v", text, err)
	}
	// One that nothing was signed with does not take the place of the newest.
	if _, err := d.SetAside(false); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(path, Protection, "data.mdb"), "nothing")
	if at, err := d.SetAside(true); err != nil || at != SavedDir+"/"+Protection {
		t.Errorf("%q, %v", at, err)
	}
	if back, err := d.PutBack(2, false); !back || err != nil {
		t.Errorf("put back: %v, %v", back, err)
	}
	if text, err := os.ReadFile(filepath.Join(path, Protection, "data.mdb")); err != nil || string(text) != "newer" {
		t.Errorf("in place: %q, %v", text, err)
	}
	if got := sets(t, d); len(got) != 0 {
		t.Errorf("taken for sets: %v", got)
	}
}
