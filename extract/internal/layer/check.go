package layer

import (
	"fmt"
	"math"
	"strings"
)

// Caps on what one entry may hold, and on their number; real images stay far below.
const (
	MaxEntries = 1 << 20  // entries of one layer
	MaxPath    = 4095     // bytes of a path or a link's target: PATH_MAX without its NUL
	MaxName    = 255      // bytes of one component: NAME_MAX
	MaxXattrs  = 64 << 10 // bytes of names and values of one entry's extended attributes: XATTR_LIST_MAX, XATTR_SIZE_MAX
	MaxText    = 64 << 20 // bytes of what Entry.Text counts, of one layer: all of it may have to be in memory at once
)

const (
	userXattr    = "user."
	maxXattrName = 255 // XATTR_NAME_MAX
	modeBits     = 0o1777
)

// described says whether entries of kind k have attributes.
func (k Kind) described() bool { return k == File || k == Dir || k == Symlink || k == Fifo }

// xattrOverhead is what an extended attribute takes in memory beside its bytes: two strings' headers, and what allocators round up.
const xattrOverhead = 64

// Text is what e takes in memory beyond a fixed size, in bytes: its path, its target and its extended attributes.
func (e *Entry) Text() int64 {
	n := len(e.Path) + len(e.Target)
	for _, x := range e.Xattrs {
		n += len(x.Name) + len(x.Value) + xattrOverhead
	}
	return int64(n)
}

func errText() error {
	return fmt.Errorf("%w: over %d MiB of names, links and extended attributes", ErrInvalid, MaxText>>20)
}

// Check says what is wrong with e, if it is not as a Scanner would return it. Whoever takes entries from elsewhere relies on
// nothing until it did. Errors wrap ErrInvalid.
func (e *Entry) Check() error {
	if e.Kind < File || e.Kind > Opaque {
		return fmt.Errorf("%w: there are no entries of kind %d", ErrInvalid, e.Kind)
	}
	if !isClean(e.Path) {
		return fmt.Errorf("%w: %s is not a clean path", ErrInvalid, Quote(e.Path))
	}
	if e.Path == "." && e.Kind != Dir && e.Kind != Opaque {
		return errRoot()
	}
	switch e.Kind {
	case Symlink:
		if err := checkSymlink(e.Target); err != nil {
			return err
		}
	case Link:
		if !isClean(e.Target) {
			return fmt.Errorf("%w: the target %s is not a clean path", ErrInvalid, Quote(e.Target))
		}
	case File:
		if e.Size < 0 {
			return fmt.Errorf("%w: %d is not a size", ErrInvalid, e.Size)
		}
	}
	if !e.Kind.described() {
		return nil
	}
	return e.Attrs.check(e.Kind)
}

func (a *Attrs) check(kind Kind) error {
	switch {
	case a.UID == math.MaxUint32 || a.GID == math.MaxUint32:
		return fmt.Errorf("%w: %d:%d is not an owner", ErrInvalid, a.UID, a.GID)
	case a.Mode&^modeBits != 0:
		return fmt.Errorf("%w: %o is not a mode", ErrInvalid, a.Mode)
	case a.MTime.Nsec >= 1e9:
		return fmt.Errorf("%w: %d nanoseconds in a time", ErrInvalid, a.MTime.Nsec)
	case len(a.Xattrs) > 0 && kind != File && kind != Dir:
		return fmt.Errorf("%w: extended attributes on what cannot have them", ErrInvalid)
	}
	total, last := 0, ""
	for _, x := range a.Xattrs {
		total += len(x.Name) + len(x.Value)
		if x.Name <= last || !validXattr(x.Name) || total > MaxXattrs {
			return fmt.Errorf("%w: the extended attributes are out of order, too large or none of user's", ErrInvalid)
		}
		last = x.Name
	}
	return nil
}

// validXattr says whether name is one that the kernel takes, see xattr(7).
func validXattr(name string) bool {
	return strings.HasPrefix(name, userXattr) && len(name) > len(userXattr) && len(name) <= maxXattrName && strings.IndexByte(name, 0) < 0
}

func checkSymlink(target string) error {
	if target == "" || len(target) > MaxPath || strings.IndexByte(target, 0) >= 0 {
		return fmt.Errorf("%w: the target %s of the symbolic link is empty, too long or holds NUL", ErrInvalid, Quote(target))
	}
	return nil
}

// errRoot refuses what CVE-2021-29136 was: a root that turns into a link would redirect everything after it.
func errRoot() error { return fmt.Errorf("%w: the root must stay a directory", ErrInvalid) }

// isClean says whether path is in the form of Entry.Path.
func isClean(path string) bool {
	if path == "." {
		return true
	}
	if len(path) > MaxPath || strings.IndexByte(path, 0) >= 0 {
		return false
	}
	for {
		i := strings.IndexByte(path, '/')
		part := path
		if i >= 0 {
			part = path[:i]
		}
		if part == "" || part == "." || part == ".." || len(part) > MaxName {
			return false
		}
		if i < 0 {
			return true
		}
		path = path[i+1:]
	}
}

// clean turns a name from an archive into the form of Entry.Path. Leading slashes and "." mean the root, as with every runtime;
// ".." is refused, since no builder writes it and its meaning would depend on links.
func clean(name string) (string, error) {
	switch {
	case strings.IndexByte(name, 0) >= 0:
		return "", fmt.Errorf("%w: NUL in the name", ErrInvalid)
	case len(name) > MaxPath:
		return "", fmt.Errorf("%w: the name has %d bytes, more than %d", ErrInvalid, len(name), MaxPath)
	case name == "":
		return "", fmt.Errorf("%w: empty name", ErrInvalid)
	}
	// Nearly all names need no new string.
	if short := strings.TrimSuffix(strings.TrimPrefix(name, "./"), "/"); isClean(short) {
		return short, nil
	}
	var parts []string
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "" || part == ".":
		case part == "..":
			return "", fmt.Errorf("%w: '..' in the name", ErrInvalid)
		case len(part) > MaxName:
			return "", fmt.Errorf("%w: a component of the name has %d bytes, more than %d", ErrInvalid, len(part), MaxName)
		default:
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return ".", nil
	}
	return strings.Join(parts, "/"), nil
}

// Split cuts a path in the form of Entry.Path, other than the root's, into its directory and its last component.
func Split(path string) (dir, name string) {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i], path[i+1:]
	}
	return ".", path
}

// Quote makes a name from a layer fit for an error message: whole, but neither long nor able to drive a terminal.
func Quote(name string) string {
	if len(name) > 200 {
		name = name[:200] + "..."
	}
	return fmt.Sprintf("%q", name)
}
