package rootfs

import (
	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
)

// Files gives the visible regular files that layers brought, by one path each, free of links.
func (t *Tree) Files(each func(*layer.Entry) error) error {
	seen := map[*inode]bool{}
	return t.files(t.root, func(x *node) error {
		if x.inode.links > 1 {
			if seen[x.inode] {
				return nil
			}
			seen[x.inode] = true
		}
		e := *x.inode.entry
		e.Path = x.path()
		return each(&e)
	})
}

func (t *Tree) files(d *node, each func(*node) error) error {
	for _, x := range d.dir().children {
		var err error
		switch {
		case x.dir() != nil:
			err = t.files(x, each)
		case x.kind() == layer.File && x.inode.layer != nobody:
			err = each(x)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Wanted returns the contents of layer n that are needed and absent, after a Flush.
func (t *Tree) Wanted(n int) map[layer.Digest]bool {
	wanted := map[layer.Digest]bool{}
	for _, x := range t.pending {
		if x.absent && !x.gone && int(x.inode.layer) == n {
			wanted[x.inode.entry.Digest] = true
		}
	}
	return wanted
}
