// Package rootfs is the root file system that the layers of an image add up to.
//
// Layers are hostile input that is written as root, so they never meet a file system: entries are added up in memory, where a
// symbolic link is a string and a whiteout cuts a branch, and only what is left of that is made on disk. What is made on disk is
// made by one rule: each directory is one that this program made, opened by its single name in the one above, and every other
// thing is made under a single name in such a directory, new. No path of an image is ever resolved by the kernel.
//
// Semantics are those of the OCI image specification, layer.md: "Applying Changesets" and "Whiteouts".
package rootfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
)

// ErrAbsent is what Contents returns for a file whose contents it does not have, or not yet.
var ErrAbsent = errors.New("the contents are not here")

// Contents hands out the contents of files.
type Contents interface {
	// Place makes the file of e, an entry of layer number n of the image, name in the open directory dirfd, where nothing has
	// that name. It is complete then, attributes included. The error wraps ErrAbsent if its contents are not here.
	Place(n int, e *layer.Entry, dirfd int, name string) error
}

// Directories is Contents that may have a whole directory ready. That spares the tree making and renaming, which is most of what
// making it costs. All entries of a layer must be applied before the Flush that makes them, then.
type Directories interface {
	Contents
	// PlaceDir makes the directory with this number, in which the contents of layer n were put aside (layer.Entry.Aside), name in the
	// open directory dirfd, where nothing has that name, with all the files in it. It says whether it did.
	PlaceDir(n int, number uint32, dirfd int, name string) (bool, error)
}

// Caps on what one image may hold; real ones stay far below.
const (
	maxNodes = 1 << 20 // names that are visible at one time
	maxDepth = 512     // directories above an entry, so that recursion and open files stay bounded
	maxLinks = 40      // symbolic links followed for one path, as path_resolution(7) has it
)

// Tree is the root file system of one image. It is for one goroutine.
//
// A new image is New, Apply for all entries with a Flush now and then, AddEmpty, Finish. One that is there is compared by Open,
// Apply, AddEmpty, Check, and put right by Repair, Flush, Finish.
type Tree struct {
	rootfd   int
	contents Contents
	opened   bool // by Open: what is in memory is believed to be on disk
	root     *node
	layer    int // of the entry that is being applied
	last     struct {
		dir  string
		node *node // what dir leads to; nil if anything was hidden since
	}
	nodes    int   // visible names
	attached int   // names that ever were
	text     int64 // layer.Entry.Text of what was applied, bytes
	implicit *layer.Entry
	// names has the visible names of inodes that have, or had, several, in no order; node.index is where.
	names map[*inode][]*node
	stats Stats

	pending []*node        // to be made, each after what is above it
	haunted []*node        // directories that have something on disk which is hidden
	parked  []*inode       // still visible, while the name to link to is hidden
	refit   []*node        // not directories; their attributes are wrong on disk
	aside   map[uint32]int // files that the current layer put aside, by number of their directory
	spares  []string       // names in the root that parked inodes have for now
	tries   int            // number of the last temporary name
}

// Stats says what a tree holds.
type Stats struct {
	Entries int64         // applied
	Files   int64         // visible regular files; several names of one count once
	Bytes   int64         // sizes of those
	Dropped layer.Dropped // what was dropped on top of what scanners did: links to devices, attributes that the file system refused
}

// New starts a tree in the empty directory dir, which becomes the root: mode 0755, owned by root, until a layer says otherwise.
func New(dir string, c Contents) (*Tree, error) {
	t, err := open(dir, c)
	if err != nil {
		return nil, err
	}
	// Nothing inherits a group or the set-group-ID bit from it then, see mkdir(2), or entries that no image asked for, see acl(5). Most
	// directories have no ACL, many file systems none at all.
	_ = unix.Fremovexattr(t.rootfd, "system.posix_acl_default")
	_ = unix.Fremovexattr(t.rootfd, "system.posix_acl_access")
	if err := errors.Join(unix.Fchown(t.rootfd, 0, 0), unix.Fchmod(t.rootfd, 0o700)); err != nil {
		return nil, errors.Join(fmt.Errorf("preparing %s: %w", dir, err), t.Close())
	}
	t.root.dir().dirty = true
	return t, nil
}

// Open starts a tree in memory that dir is believed to hold already, for Check. Nothing is made until Repair says so. c may be nil
// if it never does.
func Open(dir string, c Contents) (*Tree, error) {
	t, err := open(dir, c)
	if err == nil {
		t.opened = true
	}
	return t, err
}

func open(dir string, c Contents) (*Tree, error) {
	fd, err := unix.Open(dir, dirFlags&^unix.O_NOFOLLOW, 0) // the path to dir itself is trusted
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	t := &Tree{
		rootfd:   fd,
		contents: c,
		layer:    nobody,
		nodes:    1,
		implicit: &layer.Entry{Kind: layer.Dir, Attrs: layer.Attrs{Mode: 0o755}},
		names:    make(map[*inode][]*node),
		aside:    make(map[uint32]int),
	}
	t.root = &node{made: true, layer: nobody, inode: &inode{
		entry: t.implicit, layer: nobody, links: 1,
		sub: &directory{children: make(map[string]*node), passed: nobody, pruned: nobody},
	}}
	return t, nil
}

// Close releases what is open; the tree on disk stays.
func (t *Tree) Close() error { return unix.Close(t.rootfd) }

// Stats returns what the tree holds so far.
func (t *Tree) Stats() Stats { return t.stats }

// Absent returns the layers, by number and in order, that hold the contents of files which Flush found absent and which are still
// visible.
func (t *Tree) Absent() []int {
	var layers []int
	for _, x := range t.pending {
		if !x.gone && x.absent && !slices.Contains(layers, int(x.inode.layer)) {
			layers = append(layers, int(x.inode.layer))
		}
	}
	slices.Sort(layers)
	return layers
}

// Finish flushes, then gives all directories that were made or changed their attributes, the deepest first, since whatever is made in
// one changes its time. Nothing of it is synced. It is an error that wraps ErrAbsent if any contents are.
func (t *Tree) Finish(ctx context.Context) error {
	if err := t.Flush(ctx); err != nil {
		return err
	}
	if absent := t.Absent(); len(absent) > 0 {
		return fmt.Errorf("%w: layers %v", ErrAbsent, absent)
	}
	c := cursor{t: t}
	defer c.close()
	return t.finish(ctx, &c, t.root)
}

func (t *Tree) finish(ctx context.Context, c *cursor, d *node) error {
	for _, x := range d.dir().children {
		if x.dir() == nil {
			continue
		}
		if err := t.finish(ctx, c, x); err != nil {
			return err
		}
	}
	if !d.dir().dirty {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	fd, err := c.open(d)
	if err == nil {
		err = t.setDir(fd, &d.inode.entry.Attrs)
	}
	if err != nil {
		return fmt.Errorf("finishing the directory %s: %w", layer.Quote(d.path()), err)
	}
	d.dir().dirty = false
	return nil
}
