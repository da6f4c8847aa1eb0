package rootfs

import (
	"golang.org/x/sys/unix"
)

// dirFlags open a directory for everything that is done in and to it.
const dirFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// cursor holds open the directories above and at one place of the tree on disk. Moving it costs one openat(2), of a single name, for
// each directory that the new place does not share with the old.
type cursor struct {
	t    *Tree
	path []opened // below the root
}

type opened struct {
	node *node
	fd   int
}

// open moves to the directory d, which is on disk. The descriptor is the cursor's and good until it moves.
func (c *cursor) open(d *node) (int, error) {
	if d.up == nil {
		return c.t.rootfd, nil
	}
	depth := d.dir().depth
	if depth <= len(c.path) && c.path[depth-1].node == d {
		return c.path[depth-1].fd, nil
	}
	fd, err := c.open(d.up)
	if err != nil {
		return -1, err
	}
	c.cut(depth - 1)
	if fd, err = unix.Openat(fd, d.name, dirFlags, 0); err != nil {
		return -1, err
	}
	c.path = append(c.path, opened{d, fd})
	return fd, nil
}

// cut closes what is deeper than depth.
func (c *cursor) cut(depth int) {
	for _, o := range c.path[depth:] {
		unix.Close(o.fd)
	}
	c.path = c.path[:depth]
}

func (c *cursor) close() { c.cut(0) }
