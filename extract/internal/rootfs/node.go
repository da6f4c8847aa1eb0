package rootfs

import (
	"fmt"
	"slices"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
)

// node is a name in a directory.
type node struct {
	name   string
	up     *node // nil for the root
	inode  *inode
	index  int32 // in Tree.names, if its inode has several names
	layer  int   // that has an entry for this name; whiteouts of the same layer spare it
	made   bool  // on disk
	gone   bool  // hidden; what is on disk of it has to go
	absent bool  // the contents, when they were last asked for
}

// inode is what names lead to. The names of a file share it; a directory has one name.
type inode struct {
	entry *layer.Entry // what describes it; a Device is not there, but for links to it
	at    *node        // not of directories: the name that it has on disk, for further ones to link to
	sub   *directory   // of directories
	layer int32        // that entry is of, or nobody
	links int32        // visible names
}

// nobody is the layer of what no layer describes.
const nobody = -1

type directory struct {
	children map[string]*node
	ghosts   []*node // names on disk that have to go
	passed   int     // the last layer that brought something below it
	pruned   int     // the last layer that hid what others have in it: nothing of others can come after that
	depth    int     // 0 for the root
	length   int     // of its path, in bytes
	haunted  bool    // it is listed in Tree.haunted
	dirty    bool    // its attributes on disk are not those of its entry
}

func (x *node) dir() *directory { return x.inode.sub }

func (x *node) kind() layer.Kind { return x.inode.entry.Kind }

// path is where x is, or was, relative to the root.
func (x *node) path() string {
	if x.up == nil {
		return "."
	}
	return join(x.up.path(), x.name)
}

func join(dir, name string) string {
	if dir == "." {
		return name
	}
	return dir + "/" + name
}

// lookup is what has name in d, other than a dropped device.
func (d *directory) lookup(name string) *node {
	if x := d.children[name]; x != nil && x.kind() != layer.Device {
		return x
	}
	return nil
}

// below says whether x is in the directory d, however deep.
func (x *node) below(d *node) bool {
	for x = x.up; x != nil; x = x.up {
		if x == d {
			return true
		}
	}
	return false
}

// attach makes name in d, which must be free, a name of i.
func (t *Tree) attach(d *node, name string, i *inode) (*node, error) {
	length := d.dir().length + 1 + len(name)
	switch {
	case t.nodes >= maxNodes:
		return nil, fmt.Errorf("%w: the image has more than %d names", layer.ErrInvalid, maxNodes)
	case length > layer.MaxPath+1:
		return nil, fmt.Errorf("%w: its path without links has more than %d bytes", layer.ErrInvalid, layer.MaxPath)
	}
	x := &node{name: name, up: d, inode: i, layer: t.layer}
	if i.entry.Kind == layer.Dir {
		depth := d.dir().depth + 1
		if depth > maxDepth {
			return nil, errDepth()
		}
		i.sub = &directory{children: make(map[string]*node), passed: nobody, pruned: nobody, depth: depth, length: length, dirty: !t.opened}
	}
	d.dir().children[name] = x
	t.nodes++
	t.attached++
	if i.links++; i.links == 1 {
		t.count(i, 1)
	}
	switch {
	case i.entry.Kind == layer.Device:
	case t.opened:
		x.made = true
		if i.at == nil {
			i.at = x
		}
	default:
		t.pending = append(t.pending, x)
		t.compact()
	}
	return x, nil
}

func errDepth() error {
	return fmt.Errorf("%w: more than %d directories deep", layer.ErrInvalid, maxDepth)
}

// compact bounds the list of pending nodes by the number of visible ones, however often a layer replaces what it has.
func (t *Tree) compact() {
	if len(t.pending) > 2*t.nodes+1024 {
		t.pending = slices.DeleteFunc(t.pending, func(x *node) bool { return x.gone })
	}
}

func (t *Tree) count(i *inode, sign int64) {
	if i.entry.Kind == layer.File {
		t.stats.Files += sign
		t.stats.Bytes += sign * i.entry.Size
	}
}

// link makes name in d another name of what x is.
func (t *Tree) link(x, d *node, name string) (*node, error) {
	another, err := t.attach(d, name, x.inode)
	if err == nil {
		if t.names[x.inode] == nil {
			t.names[x.inode], x.index = []*node{x}, 0
		}
		another.index = int32(len(t.names[x.inode]))
		t.names[x.inode] = append(t.names[x.inode], another)
	}
	return another, err
}

// hide removes x and all below it.
func (t *Tree) hide(x *node) {
	t.last.node = nil
	delete(x.up.dir().children, x.name)
	t.drop(x)
	if x.made && !t.opened {
		t.haunt(x.up, x)
	}
}

func (t *Tree) drop(x *node) {
	x.gone = true
	t.nodes--
	if x.dir() != nil {
		for _, child := range x.dir().children {
			t.drop(child)
		}
		return
	}
	i := x.inode
	if i.links--; i.links == 0 {
		delete(t.names, i)
		t.count(i, -1)
		return
	}
	rest := t.names[i]
	last := rest[len(rest)-1]
	rest[x.index], last.index = last, x.index
	rest[len(rest)-1] = nil
	t.names[i] = rest[:len(rest)-1]
	switch {
	case i.at != x:
	case rest[0].made:
		i.at = rest[0]
	default:
		t.parked = append(t.parked, i)
	}
}

// haunt notes that x is on disk in d and has to go.
func (t *Tree) haunt(d, x *node) {
	sub := d.dir()
	sub.ghosts = append(sub.ghosts, x)
	if !sub.haunted {
		sub.haunted = true
		t.haunted = append(t.haunted, d)
	}
}

// note makes x one of the current layer, and marks the directories above it as having something of that layer.
func (t *Tree) note(x *node) {
	x.layer = t.layer
	for d := x.up; d != nil && d.dir().passed != t.layer; d = d.up {
		d.dir().passed = t.layer
	}
}
