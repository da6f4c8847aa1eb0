package rootfs

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
)

// Repair marks damages, which Check of this tree reported, to be put right by Flush and Finish. It changes nothing on disk itself.
//
// Attributes are set where they are wrong: who else shares the inode, such as another version of the image, expects the same ones.
// Contents never are: a file gets a new inode, under another name first that is then renamed over the old one, which a process
// may be using. What Contents places for it must be whole, and so must not be the damaged inode that another version shares.
// What Contents has not, Flush leaves as it is, and Absent names the layers to get.
func (t *Tree) Repair(damages []Damage) {
	t.opened = true
	damages = slices.Clone(damages)
	// A directory comes before what is in it.
	slices.SortStableFunc(damages, func(a, b Damage) int { return strings.Compare(a.Path, b.Path) })
	for _, d := range damages {
		if d.fix == fixRemove || d.blocked {
			t.haunt(d.node.up, &node{name: d.node.name, up: d.node.up})
		}
		switch d.fix {
		case fixAttrs:
			if d.node.dir() != nil {
				d.node.dir().dirty = true
			} else {
				t.refit = append(t.refit, d.node)
			}
		case fixName:
			t.remake(d.node)
		case fixInode:
			d.node.inode.at = nil
			t.remake(d.node)
			for _, x := range t.names[d.node.inode] {
				t.remake(x)
			}
		}
	}
	// Names of a group may be in directories that are made later.
	slices.SortStableFunc(t.pending, func(a, b *node) int { return strings.Compare(a.path(), b.path()) })
}

func (t *Tree) remake(x *node) {
	if x.made {
		x.made = false
		t.pending = append(t.pending, x)
	}
}

// fit sets the attributes of what has wrong ones, directories apart.
func (f *flusher) fit(ctx context.Context) error {
	for len(f.t.refit) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		x := f.t.refit[len(f.t.refit)-1]
		if x.made {
			if err := f.fitOne(x); err != nil {
				return fmt.Errorf("setting attributes of %s: %w", layer.Quote(x.path()), err)
			}
		}
		f.t.refit = f.t.refit[:len(f.t.refit)-1]
	}
	return nil
}

func (f *flusher) fitOne(x *node) error {
	dirfd, err := f.to.open(x.up)
	if err != nil {
		return err
	}
	a := &x.inode.entry.Attrs
	if x.kind() == layer.Symlink {
		if err := unix.Fchownat(dirfd, x.name, int(a.UID), int(a.GID), unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
		return setTime(dirfd, x.name, a, unix.AT_SYMLINK_NOFOLLOW)
	}
	flags := unix.O_RDONLY
	if x.kind() == layer.Fifo {
		flags = unix.O_RDWR
	}
	fd, err := unix.Openat(dirfd, x.name, flags|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := f.t.set(fd, a); err != nil {
		return err
	}
	return setTime(dirfd, x.name, a, unix.AT_SYMLINK_NOFOLLOW)
}
