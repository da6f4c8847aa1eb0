package rootfs

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
)

// setNew gives what fd has open, which this program just made, its owner, extended attributes and mode, in this order: chown(2) clears
// mode bits, and a mode without write permission must not come before what it would forbid.
func (t *Tree) setNew(fd int, a *layer.Attrs) error {
	// What root makes is root's; the directories that it is in pass on no other group, see New.
	if a.UID != 0 || a.GID != 0 {
		if err := unix.Fchown(fd, int(a.UID), int(a.GID)); err != nil {
			return fmt.Errorf("setting owner %d:%d: %w", a.UID, a.GID, err)
		}
	}
	for _, x := range a.Xattrs {
		err := unix.Fsetxattr(fd, x.Name, []byte(x.Value), 0)
		switch {
		case errors.Is(err, unix.ENOTSUP), noRoom(fd, err):
			t.stats.Dropped.Xattrs++
		case err != nil:
			return fmt.Errorf("setting attribute %s: %w", layer.Quote(x.Name), err)
		}
	}
	if err := unix.Fchmod(fd, a.Mode); err != nil {
		return fmt.Errorf("setting mode %o: %w", a.Mode, err)
	}
	return nil
}

// noRoom says whether err means that an inode has no room for an attribute, rather than the file system. ext4 gives all of them a
// block, and says ENOSPC for what exceeds it; E2BIG and ERANGE are others' words, see setxattr(2).
func noRoom(fd int, err error) bool {
	switch {
	case errors.Is(err, unix.E2BIG), errors.Is(err, unix.ERANGE):
		return true
	case !errors.Is(err, unix.ENOSPC):
		return false
	}
	var st unix.Statfs_t
	return unix.Fstatfs(fd, &st) == nil && st.Bavail > 0
}

// set is setNew for what had attributes before.
func (t *Tree) set(fd int, a *layer.Attrs) error {
	if err := clearXattrs(fd); err != nil {
		return err
	}
	if err := unix.Fchown(fd, 0, 0); err != nil {
		return fmt.Errorf("setting owner 0:0: %w", err)
	}
	return t.setNew(fd, a)
}

// setDir sets all attributes of the open directory fd.
func (t *Tree) setDir(fd int, a *layer.Attrs) error {
	set := t.setNew
	if t.opened {
		set = t.set
	}
	if err := set(fd, a); err != nil {
		return err
	}
	return setTime(fd, ".", a, 0)
}

// setTime sets both times; images record no access times worth keeping.
func setTime(dirfd int, name string, a *layer.Attrs, flags int) error {
	ts := unix.Timespec{Sec: a.MTime.Sec, Nsec: int64(a.MTime.Nsec)}
	if err := unix.UtimesNanoAt(dirfd, name, []unix.Timespec{ts, ts}, flags); err != nil {
		return fmt.Errorf("setting the time: %w", err)
	}
	return nil
}

func clearXattrs(fd int) error {
	names, err := listXattrs(fd)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := unix.Fremovexattr(fd, name); err != nil {
			return fmt.Errorf("removing attribute %s: %w", layer.Quote(name), err)
		}
	}
	return nil
}

// counted says whether an attribute is part of a file: what images can say, and what gives rights. Hosts add others to whatever they
// like, such as security.selinux.
func counted(name string) bool {
	return strings.HasPrefix(name, "user.") || name == "security.capability" || strings.HasPrefix(name, "system.posix_acl_")
}

// listXattrs returns the names of the attributes that count; there are none where the file system has none.
func listXattrs(fd int) ([]string, error) {
	var buf []byte
	n, err := unix.Flistxattr(fd, nil)
	if n > 0 {
		buf = make([]byte, layer.MaxXattrs) // XATTR_LIST_MAX
		n, err = unix.Flistxattr(fd, buf)
	}
	if errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing attributes: %w", err)
	}
	var names []string
	for name := range strings.SplitSeq(string(buf[:n]), "\x00") {
		if counted(name) {
			names = append(names, name)
		}
	}
	return names, nil
}
