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

// dir is where the contents of one layer are put aside: files by the last name of their path, in numbered directories, one for each
// directory of the layer, and files whose name is taken, or not to be had, by number.
type dir struct {
	fd      int
	kept    bool // what is here stays here, and is linked
	budget  *Budget
	alone   atomic.Uint32 // number of the last file of its own
	dropped atomic.Int64  // attributes that files did not get
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
	// Files and directories would inherit entries that no image asked for: acl(5). Most directories have no default ACL, many file
	// systems none at all. Nor do they inherit a group or the set-group-ID bit, see mkdir(2).
	_ = unix.Fremovexattr(fd, "system.posix_acl_default")
	if err := errors.Join(unix.Fchown(fd, 0, 0), unix.Fchmod(fd, 0o700)); err != nil {
		return nil, errors.Join(fmt.Errorf("preparing %s: %w", path, err), unix.Close(fd))
	}
	return &dir{fd: fd, budget: s.budget}, nil
}

func (d *dir) Close() error { return unix.Close(d.fd) }

// numbered is the name of a directory, aloneName that of a file of its own.
func numbered(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

func aloneName(n uint32) string { return "f" + numbered(n) }

// file is one in the making.
type file struct {
	fd, dirfd int
	name      string
}

// create makes name in dirfd for e, open for writing. Attributes that later writes would change are finish's.
func create(dirfd int, name string, e *layer.Entry) (file, error) {
	flags := unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(dirfd, name, flags, e.Mode&0o777)
	return file{fd, dirfd, name}, err
}

// finish gives the file its attributes, in this order: chown(2) clears mode bits, and times come after contents.
func (d *dir) finish(f file, e *layer.Entry) error {
	if err := d.apply(f.fd, e); err != nil {
		return err
	}
	ts := unix.Timespec{Sec: e.MTime.Sec, Nsec: int64(e.MTime.Nsec)}
	if err := unix.UtimesNanoAt(f.dirfd, f.name, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("setting its time: %w", err)
	}
	return nil
}

func (f file) discard() error { return unix.Unlinkat(f.dirfd, f.name, 0) }

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
