package rootfs

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
)

// Damage is one difference between a tree and what is on disk.
type Damage struct {
	Path        string // relative to the root, without links
	What        string // is wrong, for people: "missing", "mode 0644, not 0600"
	Layer       int    // that brought it, by number; -1 for what no layer did
	ContentLost bool   // it takes the contents of a file to repair it, which are the layer's
	fix         fix
	blocked     bool // something of another type has the name
	node        *node
}

// fix is what puts a damage right.
type fix uint8

const (
	fixRemove fix = iota // nothing should have the name
	fixAttrs             // its attributes are set where it is: whoever shares the inode expects the same ones
	fixName              // the name is made anew
	fixInode             // all its names are made anew, of a new inode
)

// Check compares what is on disk with the tree and reports each difference, in no certain order and one at a time: what is missing,
// extra, of another type, size, owner or mode, has another time, other attributes or another link's target, contents of another
// digest, and names of one file that lead to two. It reads every file, each inode once, on all processors, and changes nothing.
// Digests are under key. Times are compared to the nanosecond, if they are within the 32 bits of seconds that every file system keeps.
func (t *Tree) Check(ctx context.Context, key layer.Key, report func(Damage)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	k := &checker{
		t: t, ctx: ctx, key: key, report: report, groups: make(map[*inode]*group),
		jobs: make(chan job, 32), seen: make([]byte, layer.MaxPath+1),
	}
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(k.work)
	}
	err := k.root()
	if err != nil {
		cancel()
	}
	close(k.jobs)
	workers.Wait()
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("checking: %w", err)
	}
	k.regroup()
	return nil
}

type checker struct {
	t      *Tree
	ctx    context.Context
	key    layer.Key
	mu     sync.Mutex // held while report runs
	report func(Damage)
	groups map[*inode]*group // of inodes with several names
	jobs   chan job
	seen   []byte
}

// group is what was seen of the names of one inode.
type group struct {
	first *node // on disk and of the right type
	ino   uint64
	lost  []Damage
}

func (k *checker) found(x *node, f fix, what string) Damage {
	d := Damage{Path: x.path(), What: what, Layer: nobody, fix: f, node: x}
	if x.inode != nil {
		d.Layer = int(x.inode.layer)
		d.ContentLost = f == fixInode && x.kind() == layer.File && d.Layer != nobody
	}
	return d
}

func (k *checker) tell(d Damage) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.report(d)
}

func (k *checker) root() error {
	var st unix.Stat_t
	if err := unix.Fstat(k.t.rootfd, &st); err != nil {
		return err
	}
	fd, err := unix.Openat(k.t.rootfd, ".", dirFlags, 0) // its own offset
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return k.directory(k.t.root, fd, &st)
}

// directory checks d, which fd has open, and all below it.
func (k *checker) directory(d *node, fd int, st *unix.Stat_t) error {
	if err := k.ctx.Err(); err != nil {
		return err
	}
	if err := k.attrs(d, fd, st); err != nil {
		return err
	}
	names, err := readNames(fd)
	if err != nil {
		return fmt.Errorf("%s: %w", layer.Quote(d.path()), err)
	}
	slices.Sort(names)
	sub := d.dir()
	for _, name := range names {
		x := sub.lookup(name)
		if x == nil {
			k.tell(k.found(&node{name: name, up: d}, fixRemove, "nothing should be here"))
			continue
		}
		if err := k.node(x, fd); err != nil {
			return err
		}
	}
	for name, x := range sub.children {
		if _, ok := slices.BinarySearch(names, name); !ok {
			k.missing(x, "missing", false)
		}
	}
	return nil
}

// missing reports x, and all below it. blocked says that something else has the name.
func (k *checker) missing(x *node, what string, blocked bool) {
	switch {
	case x.kind() == layer.Device:
	case x.dir() != nil:
		d := k.found(x, fixName, what)
		d.blocked = blocked
		k.tell(d)
		for _, child := range x.dir().children {
			k.missing(child, "missing", false)
		}
	default:
		d := k.found(x, fixInode, what)
		d.blocked = blocked
		if g := k.group(x); g != nil {
			g.lost = append(g.lost, d)
			return
		}
		k.tell(d)
	}
}

// group is nil for inodes with one name.
func (k *checker) group(x *node) *group {
	if x.inode.links < 2 {
		return nil
	}
	g := k.groups[x.inode]
	if g == nil {
		g = new(group)
		k.groups[x.inode] = g
	}
	return g
}

// regroup reports names that are lost, now that it is known whether another name of their inode is left to link to.
func (k *checker) regroup() {
	for i, g := range k.groups {
		i.at = g.first
		for _, d := range g.lost {
			if g.first != nil {
				d.fix, d.ContentLost = fixName, false
			}
			k.tell(d)
		}
	}
}

func typeName(mode uint32) string {
	switch mode {
	case unix.S_IFREG:
		return "a file"
	case unix.S_IFDIR:
		return "a directory"
	case unix.S_IFLNK:
		return "a symbolic link"
	case unix.S_IFIFO:
		return "a FIFO"
	case unix.S_IFSOCK:
		return "a socket"
	default:
		return "a device"
	}
}

func fileType(k layer.Kind) uint32 {
	switch k {
	case layer.Dir:
		return unix.S_IFDIR
	case layer.Symlink:
		return unix.S_IFLNK
	case layer.Fifo:
		return unix.S_IFIFO
	default:
		return unix.S_IFREG
	}
}

// node checks x, which is in the open directory dirfd.
func (k *checker) node(x *node, dirfd int) error {
	var st unix.Stat_t
	switch err := unix.Fstatat(dirfd, x.name, &st, unix.AT_SYMLINK_NOFOLLOW); {
	case errors.Is(err, unix.ENOENT):
		k.missing(x, "missing", false)
		return nil
	case err != nil:
		k.missing(x, "it cannot be read: "+err.Error(), true)
		return nil
	}
	if have, want := st.Mode&unix.S_IFMT, fileType(x.kind()); have != want {
		k.missing(x, fmt.Sprintf("%s, not %s", typeName(have), typeName(want)), true)
		return nil
	}
	if g := k.group(x); g != nil {
		if g.first != nil {
			if st.Ino != g.ino {
				k.tell(k.found(x, fixName, "not the same file as "+layer.Quote(g.first.path())))
			}
			return nil
		}
		g.first, g.ino = x, st.Ino
	}
	switch x.kind() {
	case layer.Dir:
		fd, err := unix.Openat(dirfd, x.name, dirFlags, 0)
		if err != nil {
			return fmt.Errorf("%s: %w", layer.Quote(x.path()), err)
		}
		defer unix.Close(fd)
		return k.directory(x, fd, &st)
	case layer.Symlink:
		n, err := unix.Readlinkat(dirfd, x.name, k.seen)
		if err != nil {
			return fmt.Errorf("%s: %w", layer.Quote(x.path()), err)
		}
		if target := string(k.seen[:n]); target != x.inode.entry.Target {
			k.tell(k.found(x, fixInode, fmt.Sprintf("it leads to %s, not to %s", layer.Quote(target), layer.Quote(x.inode.entry.Target))))
			return nil
		}
		return k.attrs(x, -1, &st)
	case layer.Fifo:
		return k.attrs(x, -1, &st)
	}
	return k.file(x, dirfd, &st)
}

// attrs compares owner, mode, time and, unless fd is -1, extended attributes.
func (k *checker) attrs(x *node, fd int, st *unix.Stat_t) error {
	a := &x.inode.entry.Attrs
	var wrong []string
	if have := st.Mode & 0o7777; have != a.Mode && x.kind() != layer.Symlink {
		wrong = append(wrong, fmt.Sprintf("mode %04o, not %04o", have, a.Mode))
	}
	if st.Uid != a.UID || st.Gid != a.GID {
		wrong = append(wrong, fmt.Sprintf("owner %d:%d, not %d:%d", st.Uid, st.Gid, a.UID, a.GID))
	}
	if have := (layer.Time{Sec: st.Mtim.Sec, Nsec: uint32(st.Mtim.Nsec)}); have != a.MTime && a.MTime.Sec == int64(int32(a.MTime.Sec)) {
		wrong = append(wrong, fmt.Sprintf("time %d.%09d, not %d.%09d", have.Sec, have.Nsec, a.MTime.Sec, a.MTime.Nsec))
	}
	if fd >= 0 {
		same, err := sameXattrs(fd, a.Xattrs)
		if err != nil {
			return fmt.Errorf("%s: %w", layer.Quote(x.path()), err)
		}
		if !same {
			wrong = append(wrong, "other extended attributes")
		}
	}
	if len(wrong) > 0 {
		k.tell(k.found(x, fixAttrs, strings.Join(wrong, "; ")))
	}
	return nil
}

// sameXattrs says whether what fd has open has exactly want of user's attributes. Where the file system has none, there is nothing
// to compare, and where an inode may have no room for all of want, some may be missing.
func sameXattrs(fd int, want []layer.Xattr) (bool, error) {
	names, err := listXattrs(fd)
	if err != nil {
		return false, err
	}
	missing, size := 0, 0
	for _, x := range want {
		size += xattrHeader + len(x.Name) + len(x.Value)
		value := make([]byte, len(x.Value)+1)
		n, err := unix.Fgetxattr(fd, x.Name, value)
		switch {
		case errors.Is(err, unix.ENOTSUP):
			return true, nil
		case errors.Is(err, unix.ENODATA):
			missing++
		case err != nil || string(value[:n]) != x.Value:
			return false, nil //nolint:nilerr // it has another value
		}
	}
	if len(names) != len(want)-missing {
		return false, nil
	}
	return missing == 0 || crowded(fd, size), nil
}

// xattrHeader is what ext4 writes beside an attribute's name and value, in bytes.
const xattrHeader = 16

// crowded says whether a file system may refuse to give one inode so many bytes of attributes. Those that have the least room give
// it a block; the half of it leaves room for padding and what else they write.
func crowded(fd, size int) bool {
	var st unix.Statfs_t
	return unix.Fstatfs(fd, &st) == nil && int64(size) > st.Bsize/2
}
