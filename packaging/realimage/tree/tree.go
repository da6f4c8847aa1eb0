// Package tree describes the layers of an image as lists of entries and writes
// them as deterministic blobs.
//
// A layer is never assembled on disk first. Its entries name where their bytes
// are (a file of a fetched package, a few bytes made up here, nothing) and the
// tar stream is written straight from there, in the order of names, with one
// fixed time and owner 0:0. So the same entries give the same digest wherever
// and whenever they are written, and sixty thousand files need no second copy.
package tree

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"time"
)

// Whiteout names of a layer, OCI image spec "layer.md", section "Whiteouts".
const (
	whiteoutPrefix = ".wh."
	opaqueMarker   = ".wh..wh..opq"
)

// entry is one name of a layer. Exactly one of source, link, hard and body says
// what it holds; a directory holds none.
type entry struct {
	mode   fs.FileMode
	source string // regular file on this machine
	link   string // target of a symbolic link
	hard   string // name of an earlier entry of the same layer
	body   []byte
}

// Tree is a layer to be: entries by name. Names are slash-separated and
// relative to the root of the image. The zero value is an empty layer.
type Tree struct {
	entries map[string]entry
	// mtime of every entry; zero stands for Epoch.
	mtime time.Time
}

// Len returns how many entries there are, directories included.
func (t *Tree) Len() int { return len(t.entries) }

// Has tells whether the layer has an entry of this name.
func (t *Tree) Has(name string) bool { _, ok := t.entries[clean(name)]; return ok }

func clean(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

// put adds an entry and the directories above it; an earlier one of the same
// name is replaced, which is how a second version changes a few files.
func (t *Tree) put(name string, e entry) {
	if t.entries == nil {
		t.entries = map[string]entry{}
	}
	name = clean(name)
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if _, ok := t.entries[dir]; !ok {
			t.entries[dir] = entry{mode: fs.ModeDir | 0o755}
		}
	}
	t.entries[name] = e
}

// Dir adds a directory. mode may carry fs.ModeSticky and the set-id bits.
func (t *Tree) Dir(name string, mode fs.FileMode) { t.put(name, entry{mode: fs.ModeDir | mode}) }

// File adds a regular file with the given bytes. mode may carry the set-id bits.
func (t *Tree) File(name string, mode fs.FileMode, body []byte) {
	if body == nil {
		body = []byte{}
	}
	t.put(name, entry{mode: mode, body: body})
}

// Source adds a regular file whose bytes are those of a file on this machine,
// read when the layer is written.
func (t *Tree) Source(name string, mode fs.FileMode, file string) {
	t.put(name, entry{mode: mode, source: file})
}

// Symlink adds a symbolic link.
func (t *Tree) Symlink(name, target string) {
	t.put(name, entry{mode: fs.ModeSymlink | 0o777, link: target})
}

// Hardlink adds a hard link to another entry of this layer, which must sort
// before it: a reader of the tar stream has to know the target already.
func (t *Tree) Hardlink(name, target string) { t.put(name, entry{hard: clean(target)}) }

// Whiteout hides a name of the layers below.
func (t *Tree) Whiteout(name string) {
	dir, base := path.Split(clean(name))
	t.File(dir+whiteoutPrefix+base, 0o644, nil)
}

// Opaque hides everything that the layers below have in a directory.
func (t *Tree) Opaque(dir string) { t.File(path.Join(dir, opaqueMarker), 0o644, nil) }

// Clone returns a layer with the same entries.
func (t *Tree) Clone() *Tree {
	c := &Tree{entries: make(map[string]entry, len(t.entries)), mtime: t.mtime}
	for name, e := range t.entries {
		c.entries[name] = e
	}
	return c
}

// At returns a layer with the same entries, each modified at mtime: what comes
// out of building the layer once more. Whole seconds are kept.
func (t *Tree) At(mtime time.Time) *Tree {
	c := t.Clone()
	c.mtime = mtime.Truncate(time.Second)
	return c
}

// Copy adds everything under the directory dir of this machine below name. skip
// is asked with each path relative to dir and, for a directory, leaves out all
// of it; nil skips nothing. Hard links within dir stay hard links. Sockets,
// pipes and devices are left out: an image of this kind has none.
func (t *Tree) Copy(name, dir string, skip func(rel string) bool) error {
	type inode struct{ dev, ino uint64 }
	seen := map[inode]string{}
	return filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("listing %s: %w", dir, err)
		}
		rel, err := filepath.Rel(dir, file)
		if err != nil {
			return fmt.Errorf("naming %s below %s: %w", file, dir, err)
		}
		if rel == "." {
			return nil
		}
		if skip != nil && skip(filepath.ToSlash(rel)) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return fmt.Errorf("examining %s: %w", file, err)
		}
		to := clean(path.Join(name, filepath.ToSlash(rel)))
		switch mode := info.Mode(); {
		case mode.IsDir():
			t.Dir(to, mode&^fs.ModeType)
		case mode&fs.ModeSymlink != 0:
			target, err := os.Readlink(file)
			if err != nil {
				return fmt.Errorf("reading the link %s: %w", file, err)
			}
			t.Symlink(to, target)
		case mode.IsRegular():
			if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Nlink > 1 {
				// A package manager may share inodes with its own cache, so that a
				// link count above one alone proves nothing.
				id := inode{st.Dev, st.Ino}
				if first, ok := seen[id]; ok {
					t.Hardlink(to, first)
					return nil
				}
				seen[id] = to
			}
			t.Source(to, mode, file)
		}
		return nil
	})
}

// Bytes returns what a regular file entry holds.
func (t *Tree) Bytes(name string) ([]byte, error) {
	e, ok := t.entries[clean(name)]
	if !ok || !e.regular() {
		return nil, fmt.Errorf("reading %s of a layer: %w", name, fs.ErrNotExist)
	}
	if e.source == "" {
		return e.body, nil
	}
	b, err := os.ReadFile(e.source)
	if err != nil {
		return nil, fmt.Errorf("reading %s of a layer: %w", name, err)
	}
	return b, nil
}

// Glob returns the names that match the pattern of path.Match, sorted.
func (t *Tree) Glob(pattern string) ([]string, error) {
	var names []string
	for _, name := range t.names() {
		ok, err := path.Match(pattern, name)
		if err != nil {
			return nil, fmt.Errorf("matching %s: %w", pattern, err)
		}
		if ok {
			names = append(names, name)
		}
	}
	return names, nil
}

func (e entry) regular() bool { return e.hard == "" && e.mode.IsRegular() }

// names are sorted, which also puts every directory before what is in it.
func (t *Tree) names() []string {
	names := make([]string, 0, len(t.entries))
	for name := range t.entries {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
