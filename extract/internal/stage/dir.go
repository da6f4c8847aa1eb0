package stage

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
)

// dir is where the contents of one layer are put aside, by number.
type dir struct {
	fd    int
	umask uint32
}

// openDir opens the directory path, which it makes if need be, mode 0700.
func openDir(path string) (*dir, error) {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return &dir{fd: fd}, nil
}

// learnUmask finds out what the process's umask takes away. It cannot be read without setting it for all threads.
func (d *dir) learnUmask() error {
	fd, err := unix.Openat(d.fd, "umask", unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC, 0o777)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	d.umask = 0o777 &^ st.Mode
	return unix.Unlinkat(d.fd, "umask", 0)
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
	if err := apply(fd, e, d.umask); err != nil {
		return err
	}
	ts := unix.Timespec{Sec: e.MTime.Sec, Nsec: int64(e.MTime.Nsec)}
	if err := unix.UtimesNanoAt(d.fd, name, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("setting its time: %w", err)
	}
	return nil
}

// apply sets owner, attributes and mode of the file fd, which this process has just made with the mode of e, as far as they
// are not what a new file has anyway: each costs a journalled inode, and there are tens of thousands. Attributes that the file
// system has no room for are taken out of e.
func apply(fd int, e *layer.Entry, umask uint32) error {
	chown := int(e.UID) != os.Geteuid() || int(e.GID) != os.Getegid()
	if chown {
		if err := unix.Fchown(fd, int(e.UID), int(e.GID)); err != nil {
			return fmt.Errorf("setting owner %d:%d: %w", e.UID, e.GID, err)
		}
	}
	for _, x := range e.Xattrs {
		err := unix.Fsetxattr(fd, x.Name, []byte(x.Value), 0)
		if errors.Is(err, unix.ENOTSUP) {
			e.Xattrs = nil
			break
		}
		if err != nil {
			return fmt.Errorf("setting attribute %q: %w", x.Name, err)
		}
	}
	if chown || e.Mode&umask != 0 || e.Mode&^0o777 != 0 {
		if err := unix.Fchmod(fd, e.Mode); err != nil {
			return fmt.Errorf("setting mode %o: %w", e.Mode, err)
		}
	}
	return nil
}
