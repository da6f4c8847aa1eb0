package rootfs

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
)

// parentOf returns the directory dir for entries in it, in the form of layer.Entry.Path. See resolve.
func (t *Tree) parentOf(dir string, create bool) (*node, error) {
	if t.last.node != nil && t.last.dir == dir {
		return t.last.node, nil
	}
	d, err := t.resolve(t.root, dir, create)
	if err != nil {
		return nil, err
	}
	t.last.dir, t.last.node = dir, d
	return d, nil
}

// resolve follows path from the directory cur the way the kernel would in this root: links are followed, the last too, absolute
// ones from the root, and ".." ends there. What is missing is made if create is set, targets of dangling links as well, as container
// runtimes do, since images hold entries below links whose targets come later. Errors are unix.ENOENT, ENOTDIR, ELOOP,
// ENAMETOOLONG, or wrap ErrInvalid.
func (t *Tree) resolve(cur *node, path string, create bool) (*node, error) {
	links := 0
	for path != "" {
		name := path
		if i := strings.IndexByte(path, '/'); i >= 0 {
			name, path = path[:i], path[i+1:]
		} else {
			path = ""
		}
		if name == "" || name == "." {
			continue
		}
		if name == ".." {
			if cur.up != nil {
				cur = cur.up
			}
			continue
		}
		next := cur.dir().lookup(name)
		switch {
		case next == nil && !create:
			return nil, unix.ENOENT
		case next == nil:
			var err error
			if next, err = t.implicitDir(cur, name); err != nil {
				return nil, err
			}
			cur = next
		case next.dir() != nil:
			cur = next
		case next.kind() != layer.Symlink:
			return nil, unix.ENOTDIR
		default:
			if links++; links > maxLinks {
				return nil, unix.ELOOP
			}
			target := next.inode.entry.Target
			if target[0] == '/' {
				cur = t.root
			}
			path = target + "/" + path
		}
	}
	return cur, nil
}

// implicitDir makes a directory that no layer describes. Its time is a constant, so that the same image always makes the same tree.
func (t *Tree) implicitDir(d *node, name string) (*node, error) {
	if len(name) > layer.MaxName {
		return nil, unix.ENAMETOOLONG
	}
	x, err := t.put(d, name, t.implicit)
	if err == nil {
		t.note(x)
	}
	return x, err
}

// put makes e, what it says, name in d, in place of what is there.
func (t *Tree) put(d *node, name string, e *layer.Entry) (*node, error) {
	if x := d.dir().children[name]; x != nil {
		t.hide(x)
	}
	return t.attach(d, name, &inode{entry: e, layer: int32(t.layer)})
}

// errParent explains what resolve failed with.
func errParent(err error) error {
	if _, ok := err.(unix.Errno); !ok {
		return err
	}
	return fmt.Errorf("%w: its parent is not a directory: %w", layer.ErrInvalid, err)
}
