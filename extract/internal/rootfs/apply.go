package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
)

// Apply adds e, an entry of layer number n, on top of those before; numbers are not negative and never fall. e is kept and must not
// change. Nothing happens on disk. Errors wrap layer.ErrInvalid, name the entry, and leave the tree of no use.
func (t *Tree) Apply(n int, e *layer.Entry) error {
	if n < t.layer {
		return fmt.Errorf("layer %d comes after layer %d", n, t.layer)
	}
	if n > t.layer {
		clear(t.aside)
	}
	t.layer = n
	t.stats.Entries++
	if number, alone := e.Aside(); number != 0 && !alone {
		t.aside[number]++
	}
	err := e.Check()
	if t.text += e.Text(); err == nil && t.text > layer.MaxText {
		err = fmt.Errorf("%w: over %d MiB of names, links and extended attributes in all layers", layer.ErrInvalid, layer.MaxText>>20)
	}
	if err == nil {
		err = t.apply(e)
	}
	if err != nil {
		return fmt.Errorf("entry %s: %w", layer.Quote(e.Path), err)
	}
	return nil
}

func (t *Tree) apply(e *layer.Entry) error {
	switch {
	case e.Kind == layer.Opaque:
		d, err := t.hiding(e.Path)
		if d != nil {
			t.pruneAll(d)
		}
		return err
	case e.Path == ".":
		t.describe(t.root, e)
		return nil
	}
	dir, name := layer.Split(e.Path)
	if e.Kind == layer.Whiteout {
		d, err := t.hiding(dir)
		if d != nil {
			if x := d.dir().children[name]; x != nil {
				t.prune(x)
			}
		}
		return err
	}
	d, err := t.parentOf(dir, true)
	if err != nil {
		return errParent(err)
	}
	var x *node
	switch e.Kind {
	case layer.Dir:
		x, err = t.directory(d, name, e)
	case layer.Link:
		x, err = t.hardLink(d, name, e)
	default:
		x, err = t.put(d, name, e)
	}
	if err == nil {
		t.note(x)
	}
	return err
}

// directory replaces anything but a directory, which only gets other attributes.
func (t *Tree) directory(d *node, name string, e *layer.Entry) (*node, error) {
	if x := d.dir().children[name]; x != nil && x.dir() != nil {
		t.describe(x, e)
		return x, nil
	}
	return t.put(d, name, e)
}

func (t *Tree) describe(d *node, e *layer.Entry) {
	d.inode.entry, d.inode.layer = e, int32(t.layer)
	d.dir().dirty = !t.opened
}

// hardLink makes a hard link. Both ends are resolved in the root and neither last component is followed, so a link to a symbolic
// link is one to the link itself. The entry has no attributes: they would alter the earlier file.
func (t *Tree) hardLink(d *node, name string, e *layer.Entry) (*node, error) {
	if e.Target == "." {
		return nil, errLink(e, unix.EISDIR)
	}
	dir, base := layer.Split(e.Target)
	above, err := t.resolve(t.root, dir, false)
	if err != nil {
		return nil, errLink(e, err)
	}
	target := above.dir().children[base]
	switch {
	case target == nil:
		return nil, errLink(e, unix.ENOENT)
	case target.dir() != nil:
		return nil, errLink(e, unix.EISDIR)
	case target.kind() == layer.Device:
		t.stats.Dropped.Devices++
		return t.put(d, name, target.inode.entry)
	}
	if here := d.dir().children[name]; here != nil {
		// A second entry for the same link must not remove what it is about to link to.
		if here.inode == target.inode {
			return here, nil
		}
		if target.below(here) {
			return nil, errLink(e, unix.ENOENT)
		}
		t.hide(here)
	}
	return t.link(target, d, name)
}

func errLink(e *layer.Entry, err error) error {
	return fmt.Errorf("%w: linking to %s: %w", layer.ErrInvalid, layer.Quote(e.Target), err)
}

// hiding is the directory that a whiteout is about, or nil if there is nothing to hide.
func (t *Tree) hiding(dir string) (*node, error) {
	d, err := t.parentOf(dir, false)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, errParent(err)
	}
	return d, nil
}

// prune hides x as far as lower layers brought it. Whiteouts and entries of one layer come in any order, so what this layer brought
// stays, and so does what it needs above it.
func (t *Tree) prune(x *node) {
	own, passed := x.layer == t.layer, x.dir() != nil && x.dir().passed == t.layer
	if !own && !passed {
		t.hide(x)
		return
	}
	if x.dir() == nil {
		return
	}
	t.pruneAll(x)
	if !own {
		t.describe(x, t.implicit)
	}
}

// pruneAll does nothing the second time in a layer, lest one that says it over and over took quadratic time.
func (t *Tree) pruneAll(d *node) {
	if d.dir().pruned == t.layer {
		return
	}
	d.dir().pruned = t.layer
	for _, x := range d.dir().children {
		t.prune(x)
	}
}

// AddEmpty makes an empty file, or directory, with mode and owned by root, where path leads to nothing yet, and says whether it made
// anything: what path passes through is made too, even if its end is there, as with a link to "none/../file".
// Unlike entries of layers, path follows links to its end: it is what a mount will be put on. Call it after the last Apply.
func (t *Tree) AddEmpty(path string, dir bool, mode fs.FileMode) (bool, error) {
	from, before := t.root, t.attached
	for range maxLinks {
		path = strings.TrimLeft(path, "/")
		above, name := layer.Split(path)
		if name == "" || name == "." || name == ".." {
			above, name = path, ""
		}
		d, err := t.resolve(from, above, true)
		if err != nil {
			return false, errParent(err)
		}
		x := d
		if name != "" {
			if x = d.dir().lookup(name); x == nil {
				return true, t.addEmpty(d, name, dir, mode)
			}
		}
		if x.kind() != layer.Symlink {
			if dir != (x.dir() != nil) {
				return false, fmt.Errorf("the image has something of another type there (mode %o)", x.inode.entry.Mode)
			}
			return t.attached > before, nil
		}
		from, path = d, x.inode.entry.Target
		if path[0] == '/' {
			from = t.root
		}
	}
	return false, unix.ELOOP
}

func (t *Tree) addEmpty(d *node, name string, dir bool, mode fs.FileMode) error {
	if len(name) > layer.MaxName {
		return unix.ENAMETOOLONG
	}
	e := &layer.Entry{Kind: layer.File, Attrs: layer.Attrs{Mode: uint32(mode.Perm())}}
	if dir {
		e.Kind = layer.Dir
	}
	x, err := t.put(d, name, e)
	if err == nil {
		x.inode.layer = nobody
	}
	return err
}
