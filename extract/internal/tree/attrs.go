package tree

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	dirFlags    = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	xattrRecord = "SCHILY.xattr." // how star, GNU tar, BSD tar and every image builder put attributes in PAX records
	setID       = unix.S_ISUID | unix.S_ISGID
)

// attrs is what an entry says about the inode it makes.
type attrs struct {
	uid, gid int
	mode     uint32 // permissions and sticky bit
	mtime    time.Time
	xattrs   map[string]string
}

// attrsOf reads the attributes of an entry and counts those that are dropped.
func (t *Tree) attrsOf(hdr *tar.Header) (attrs, error) {
	// chown(2) takes 2^32-1 as "leave it", which is root here.
	for _, id := range []int{hdr.Uid, hdr.Gid} {
		if id < 0 || int64(id) >= math.MaxUint32 {
			return attrs{}, fmt.Errorf("%w: %d is not an owner", ErrInvalid, id)
		}
	}
	a := attrs{uid: hdr.Uid, gid: hdr.Gid, mode: uint32(hdr.Mode) & 0o1777, mtime: hdr.ModTime}
	if hdr.Typeflag == tar.TypeLink {
		return a, nil
	}
	if hdr.Mode&setID != 0 && hdr.Typeflag != tar.TypeSymlink {
		t.stats.Dropped.SetIDBits++
	}
	total := 0
	for record, value := range hdr.PAXRecords {
		name, ok := strings.CutPrefix(record, xattrRecord)
		if !ok {
			continue
		}
		if total += len(name) + len(value); total > maxXattr || strings.IndexByte(name, 0) >= 0 {
			return attrs{}, fmt.Errorf("%w: over %d bytes of extended attributes, or NUL in one's name", ErrInvalid, maxXattr)
		}
		switch {
		case name == "security.capability":
			t.stats.Dropped.FileCapabilities++
		case !strings.HasPrefix(name, "user."):
			t.stats.Dropped.Xattrs++
		default:
			if a.xattrs == nil {
				a.xattrs = make(map[string]string)
			}
			a.xattrs[name] = value
		}
	}
	return a, nil
}

// set applies owner, attributes and mode to what fd has open, in this order: chown(2) clears mode bits, and a mode without
// write permission must not come before what it would forbid. The time is the caller's, after the contents.
func (t *Tree) set(fd int, a attrs) error {
	if err := unix.Fchown(fd, a.uid, a.gid); err != nil {
		return fmt.Errorf("setting owner %d:%d: %w", a.uid, a.gid, err)
	}
	for name, value := range a.xattrs {
		err := unix.Fsetxattr(fd, name, []byte(value), 0)
		switch {
		case errors.Is(err, unix.ENOTSUP):
			t.stats.Dropped.Xattrs++
		case err != nil:
			return fmt.Errorf("setting attribute %s: %w", quote(name), err)
		}
	}
	if err := unix.Fchmod(fd, a.mode); err != nil {
		return fmt.Errorf("setting mode %o: %w", a.mode, err)
	}
	return nil
}

// setDir is set for the directory name in dirfd.
func (t *Tree) setDir(dirfd int, name string, a attrs) error {
	fd, err := unix.Openat(dirfd, name, dirFlags, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return t.set(fd, a)
}

// clearXattrs drops what a lower layer's entry for the same directory set: an entry replaces all attributes.
func clearXattrs(fd int) error {
	buf := make([]byte, maxXattr) // XATTR_LIST_MAX
	n, err := unix.Flistxattr(fd, buf)
	if errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("listing attributes: %w", err)
	}
	for name := range strings.SplitSeq(string(buf[:n]), "\x00") {
		if !strings.HasPrefix(name, "user.") {
			continue
		}
		if err := unix.Fremovexattr(fd, name); err != nil {
			return fmt.Errorf("removing attribute %s: %w", quote(name), err)
		}
	}
	return nil
}

// timespecs gives both times of utimensat(2); images record no access times worth keeping.
func timespecs(mtime time.Time) []unix.Timespec {
	ts := unix.Timespec{Sec: mtime.Unix(), Nsec: int64(mtime.Nanosecond())}
	return []unix.Timespec{ts, ts}
}

// fdWriter writes to a descriptor without the poller that os.File would bring to each of many small files.
type fdWriter struct {
	ctx context.Context
	fd  int
}

func (w *fdWriter) Write(b []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	done := 0
	for done < len(b) {
		n, err := unix.Write(w.fd, b[done:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}
