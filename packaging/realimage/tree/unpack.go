package tree

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// Unpack lays trees over one another in the directory dir, which need not
// exist, lowest first, the way their image would be unpacked. Source files become hard links, since a
// copy would cost a gigabyte: whoever runs something in dir must mount it
// read-only. It is no unpacker of images and trusts its entries.
func Unpack(dir string, trees ...*Tree) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("unpacking into %s: %w", dir, err)
	}
	for _, t := range trees {
		if err := t.unpack(dir); err != nil {
			return fmt.Errorf("unpacking into %s: %w", dir, err)
		}
	}
	return nil
}

func (t *Tree) unpack(dir string) error {
	names := t.names()
	for _, name := range names {
		if err := hide(dir, name); err != nil {
			return err
		}
	}
	var dirs []string
	for _, name := range names {
		e, to := t.entries[name], filepath.Join(dir, name)
		if strings.HasPrefix(filepath.Base(name), whiteoutPrefix) {
			continue
		}
		if e.hard == "" && e.mode.IsDir() {
			dirs = append(dirs, name)
			if err := os.MkdirAll(to, 0o755); err != nil {
				return err
			}
			continue
		}
		if err := os.RemoveAll(to); err != nil {
			return err
		}
		if err := e.create(dir, to); err != nil {
			return err
		}
	}
	// Modes come last and from below, so that a directory without write
	// permission can still be filled.
	sort.Sort(sort.Reverse(sort.StringSlice(dirs)))
	for _, name := range dirs {
		if err := os.Chmod(filepath.Join(dir, name), t.entries[name].mode&^fs.ModeDir); err != nil {
			return err
		}
	}
	return nil
}

// hide does what a whiteout entry asks for; other entries ask for nothing.
func hide(dir, name string) error {
	parent, base := filepath.Split(filepath.Join(dir, name))
	switch {
	case base == opaqueMarker:
		below, err := os.ReadDir(parent)
		if err != nil && !os.IsNotExist(err) {
			return err
		}
		for _, d := range below {
			if err := os.RemoveAll(filepath.Join(parent, d.Name())); err != nil {
				return err
			}
		}
	case strings.HasPrefix(base, whiteoutPrefix):
		return os.RemoveAll(filepath.Join(parent, strings.TrimPrefix(base, whiteoutPrefix)))
	}
	return nil
}

func (e entry) create(dir, to string) error {
	switch {
	case e.hard != "":
		return os.Link(filepath.Join(dir, e.hard), to)
	case e.mode&fs.ModeSymlink != 0:
		return os.Symlink(e.link, to)
	case e.source != "":
		return os.Link(e.source, to)
	}
	if err := os.WriteFile(to, e.body, 0o600); err != nil {
		return err
	}
	return os.Chmod(to, e.mode)
}
