package rootfs

import (
	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
)

// directory makes the directory x, name in fd, of one in which contents were put aside if it can, so that they need not come one by one.
func (f *flusher) directory(x *node, fd int) error {
	number, files := f.t.readyFor(x)
	if number == 0 {
		return unix.Mkdirat(fd, x.name, 0o700)
	}
	ready, ok := f.t.contents.(Directories)
	if ok {
		var err error
		if ok, err = ready.PlaceDir(f.t.layer, number, fd, x.name); err != nil {
			return err
		}
	}
	if !ok {
		return unix.Mkdirat(fd, x.name, 0o700)
	}
	for _, child := range files {
		child.made = true
		child.inode.at = child
	}
	return nil
}

// readyFor finds the directory, by number, that has what x is to have of contents that the current layer put aside, by the same names,
// and nothing else, and those files. The number is 0 if there is none.
func (t *Tree) readyFor(x *node) (number uint32, files []*node) {
	if t.opened || len(t.aside) == 0 {
		return 0, nil
	}
	for _, child := range x.dir().children {
		n := t.asideAs(child)
		if n == 0 || number != 0 && n != number {
			continue
		}
		number = n
		files = append(files, child)
	}
	if len(files) != t.aside[number] {
		return 0, nil
	}
	return number, files
}

// asideAs is the number of the directory in which the current layer put the contents of x aside, under the name of x. It is 0 if it did not.
func (t *Tree) asideAs(x *node) uint32 {
	i := x.inode
	if i.sub != nil || i.at != nil || int(i.layer) != t.layer || i.entry.Kind != layer.File {
		return 0
	}
	number, alone := i.entry.Aside()
	if _, name := layer.Split(i.entry.Path); alone || name != x.name {
		return 0
	}
	return number
}
