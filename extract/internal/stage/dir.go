package stage

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
)

// dir is where the contents of one layer are put aside, by number.
type dir struct {
	fd      int
	budget  *Budget
	dropped atomic.Int64 // attributes that files did not get
}

// openDir opens the directory path, which it makes if need be, mode 0700.
func (s *Stage) openDir(path string) (*dir, error) {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	// Files would inherit entries that no image asked for: acl(5). Most directories have no default ACL, many file systems none at all.
	_ = unix.Fremovexattr(fd, "system.posix_acl_default")
	return &dir{fd: fd, budget: s.budget}, nil
}

func (d *dir) Close() error { return unix.Close(d.fd) }

func numbered(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

// create makes the file number n for e, open for writing. Attributes that later writes would change are finish's.
func (d *dir) create(n uint32, e *layer.Entry) (int, error) { return d.createAs(numbered(n), e) }

func (d *dir) createAs(name string, e *layer.Entry) (int, error) {
	flags := unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	return unix.Openat(d.fd, name, flags, e.Mode&0o777)
}

// finish gives the file its attributes, in this order: chown(2) clears mode bits, and times come after contents.
func (d *dir) finish(fd int, n uint32, e *layer.Entry) error { return d.finishAs(fd, numbered(n), e) }

func (d *dir) finishAs(fd int, name string, e *layer.Entry) error {
	if err := d.apply(fd, e); err != nil {
		return err
	}
	ts := unix.Timespec{Sec: e.MTime.Sec, Nsec: int64(e.MTime.Nsec)}
	if err := unix.UtimesNanoAt(d.fd, name, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("setting its time: %w", err)
	}
	return nil
}

// apply sets owner, attributes and mode of the file fd, which this process has just made, as far as they are not what it has
// already: each costs a journalled inode, and there are tens of thousands. What a new file has depends on the umask, on a
// set-group-ID bit, mount option or default ACL of its directory, so it is asked. Attributes that the file system does not keep,
// or has no room for, are taken out of e.
func (d *dir) apply(fd int, e *layer.Entry) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	chown := st.Uid != e.UID || st.Gid != e.GID
	if chown {
		if err := unix.Fchown(fd, int(e.UID), int(e.GID)); err != nil {
			return fmt.Errorf("setting owner %d:%d: %w", e.UID, e.GID, err)
		}
	}
	if len(e.Xattrs) > 0 {
		if err := d.applyXattrs(fd, e); err != nil {
			return err
		}
	}
	if chown || st.Mode&0o7777 != e.Mode {
		if err := unix.Fchmod(fd, e.Mode); err != nil {
			return fmt.Errorf("setting mode %o: %w", e.Mode, err)
		}
	}
	return nil
}

// roomForXattrs is more than the attributes of one inode can take, in bytes: XATTR_SIZE_MAX of linux/limits.h, many times.
const roomForXattrs = 1 << 20

func (d *dir) applyXattrs(fd int, e *layer.Entry) error {
	kept := make([]layer.Xattr, 0, len(e.Xattrs))
	for _, x := range e.Xattrs {
		err := unix.Fsetxattr(fd, x.Name, []byte(x.Value), 0)
		if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
			// It is what ext4 says, too, when it has one block for all attributes of an inode and that is full.
			if full := d.budget.Fits(roomForXattrs); full != nil {
				return fmt.Errorf("setting attribute %.200q: %w", x.Name, full)
			}
		}
		switch {
		case err == nil:
			kept = append(kept, x)
		case errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT),
			errors.Is(err, unix.E2BIG), errors.Is(err, unix.ERANGE):
			d.dropped.Add(1)
		default:
			return fmt.Errorf("setting attribute %.200q: %w", x.Name, err)
		}
	}
	e.Xattrs = kept
	return nil
}
