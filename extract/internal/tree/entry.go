package tree

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/inroot"
)

// entry applies one entry of a layer.
func (t *Tree) entry(ctx context.Context, hdr *tar.Header, body io.Reader) error {
	if hdr.Typeflag == tar.TypeXGlobalHeader {
		return nil // POSIX pax: it describes later entries; no builder uses it for more than a comment
	}
	path, err := clean(hdr.Name)
	if err != nil {
		return err
	}
	a, err := t.attrsOf(hdr)
	if err != nil {
		return err
	}
	if path == "." {
		// CVE-2021-29136: a root that turns into a link would redirect everything after it.
		if hdr.Typeflag != tar.TypeDir {
			return fmt.Errorf("%w: the root must stay a directory", ErrInvalid)
		}
		t.dirs["."] = a.mtime
		return t.withRoot(func(fd int) error { return errors.Join(clearXattrs(fd), t.set(fd, a)) })
	}
	dir, name := split(path)
	if err := checkWhiteout(dir, name, hdr.Typeflag); err != nil {
		return err
	}
	if hidden, ok := strings.CutPrefix(name, whiteoutPrefix); ok {
		return t.whiteout(dir, hidden)
	}
	p, err := t.parentOf(dir, true)
	if err != nil {
		return err
	}
	real := join(p.real, name)
	switch hdr.Typeflag {
	case tar.TypeDir:
		err = t.directory(p, name, real, a)
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		err = t.file(ctx, p, name, real, a, body)
	case tar.TypeSymlink:
		err = t.symlink(p, name, real, hdr.Linkname, a)
	case tar.TypeLink:
		err = t.link(p, name, real, hdr.Linkname)
	case tar.TypeFifo:
		err = t.fifo(p, name, real, a)
	case tar.TypeChar, tar.TypeBlock:
		// It still hides what lower layers have there.
		t.stats.Dropped.Devices++
		err = t.remove(p.fd, name, real)
		t.devices[real] = true
		return err
	default:
		return fmt.Errorf("%w: entries of type %q are not supported", ErrInvalid, hdr.Typeflag)
	}
	if err == nil {
		t.note(real)
	}
	return err
}

// clean turns a name from a layer into a path relative to the root, "." for the root itself. Leading slashes and "." mean the
// root, as with every runtime; ".." is refused, since no builder writes it and its meaning would depend on links.
func clean(name string) (string, error) {
	if strings.IndexByte(name, 0) >= 0 {
		return "", fmt.Errorf("%w: NUL in the name", ErrInvalid)
	}
	if len(name) > maxPathBytes {
		return "", fmt.Errorf("%w: the name has %d bytes, more than %d", ErrInvalid, len(name), maxPathBytes)
	}
	var parts []string
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "" || part == ".":
		case part == "..":
			return "", fmt.Errorf("%w: '..' in the name", ErrInvalid)
		case len(part) > maxNameBytes:
			return "", fmt.Errorf("%w: a component of the name has %d bytes, more than %d", ErrInvalid, len(part), maxNameBytes)
		default:
			parts = append(parts, part)
		}
	}
	if name == "" {
		return "", fmt.Errorf("%w: empty name", ErrInvalid)
	}
	if len(parts) == 0 {
		return ".", nil
	}
	return strings.Join(parts, "/"), nil
}

// split cuts a clean path that is not the root.
func split(path string) (dir, name string) {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i], path[i+1:]
	}
	return ".", path
}

// make calls f, which must fail with EEXIST rather than touch what is there, and removes that first if there is something.
func (t *Tree) make(p parent, name, real string, f func() error) error {
	err := f()
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	if err := t.remove(p.fd, name, real); err != nil {
		return err
	}
	return f()
}

func (t *Tree) directory(p parent, name, real string, a attrs) error {
	err := unix.Mkdirat(p.fd, name, 0o700)
	if errors.Is(err, unix.EEXIST) {
		// Only a directory may stay; a link to one is replaced like anything else.
		var fd int
		if fd, err = unix.Openat(p.fd, name, dirFlags, 0); err == nil {
			err = clearXattrs(fd)
			unix.Close(fd)
		} else if err = t.remove(p.fd, name, real); err == nil {
			err = unix.Mkdirat(p.fd, name, 0o700)
		}
	}
	if err != nil {
		return err
	}
	t.dirs[real] = a.mtime
	return t.setDir(p.fd, name, a)
}

func (t *Tree) file(ctx context.Context, p parent, name, real string, a attrs, body io.Reader) error {
	fd := -1
	err := t.make(p, name, real, func() (err error) {
		fd, err = unix.Openat(p.fd, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		return err
	})
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	n, err := io.CopyBuffer(&fdWriter{ctx, fd}, body, t.buf)
	t.stats.Written += n
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: its contents are cut short: %w", ErrInvalid, err)
	}
	if err != nil {
		return err
	}
	if err := t.set(fd, a); err != nil {
		return err
	}
	return unix.UtimesNanoAt(p.fd, name, timespecs(a.mtime), unix.AT_SYMLINK_NOFOLLOW)
}

func (t *Tree) symlink(p parent, name, real, target string, a attrs) error {
	if target == "" || len(target) > maxPathBytes || strings.IndexByte(target, 0) >= 0 {
		return fmt.Errorf("%w: the target %s of the symbolic link is empty, too long or holds NUL", ErrInvalid, quote(target))
	}
	if err := t.make(p, name, real, func() error { return unix.Symlinkat(target, p.fd, name) }); err != nil {
		return err
	}
	if err := unix.Fchownat(p.fd, name, a.uid, a.gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	t.stats.Dropped.Xattrs += int64(len(a.xattrs)) // links cannot have user.* attributes, see xattr(7)
	return unix.UtimesNanoAt(p.fd, name, timespecs(a.mtime), unix.AT_SYMLINK_NOFOLLOW)
}

// link makes a hard link. Both ends are resolved in the root and neither last component is followed, so a link to a symbolic
// link is one to the link itself. The entry's own owner, mode and time are ignored: they would alter the earlier file.
func (t *Tree) link(p parent, name, real, linkname string) error {
	path, err := clean(linkname)
	if err != nil {
		return fmt.Errorf("resolving the hard link's target %s: %w", quote(linkname), err)
	}
	dir, base := split(path)
	dirfd, err := t.root.Openat(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return linkError(linkname, bare(err))
	}
	defer unix.Close(dirfd)
	var target, here unix.Stat_t
	if err := unix.Fstatat(dirfd, base, &target, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		if errors.Is(err, unix.ENOENT) && t.wasDevice(dirfd, base) {
			t.stats.Dropped.Devices++
			err := t.remove(p.fd, name, real)
			t.devices[real] = true
			return err
		}
		return linkError(linkname, err)
	}
	if target.Mode&unix.S_IFMT == unix.S_IFDIR {
		return linkError(linkname, unix.EISDIR)
	}
	// A second entry for the same link must not unlink what it is about to link to.
	if unix.Fstatat(p.fd, name, &here, unix.AT_SYMLINK_NOFOLLOW) == nil && here.Dev == target.Dev && here.Ino == target.Ino {
		return nil
	}
	err = t.make(p, name, real, func() error { return unix.Linkat(dirfd, base, p.fd, name, 0) })
	if errors.Is(err, unix.ENOENT) {
		return linkError(linkname, err)
	}
	return err
}

func linkError(target string, err error) error {
	return fmt.Errorf("%w: linking to %s: %w", ErrInvalid, quote(target), err)
}

func (t *Tree) wasDevice(dirfd int, name string) bool {
	real, err := t.root.RealDir(dirfd)
	return err == nil && t.devices[join(real, name)]
}

func (t *Tree) fifo(p parent, name, real string, a attrs) error {
	if err := t.make(p, name, real, func() error { return unix.Mkfifoat(p.fd, name, 0o600) }); err != nil {
		return err
	}
	// O_RDWR does not wait for the other end, see fifo(7).
	fd, err := unix.Openat(p.fd, name, unix.O_RDWR|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	t.stats.Dropped.Xattrs += int64(len(a.xattrs))
	a.xattrs = nil
	if err := t.set(fd, a); err != nil {
		return err
	}
	return unix.UtimesNanoAt(p.fd, name, timespecs(a.mtime), unix.AT_SYMLINK_NOFOLLOW)
}

// AddEmpty makes an empty file, or directory, with mode and owned by root, where path leads to nothing yet, and says whether it did.
// Unlike entries of layers, path follows links to its end: it is what a mount will be put on. Times of parents do not change.
func (t *Tree) AddEmpty(path string, dir bool, mode fs.FileMode) (bool, error) {
	path, err := clean(path)
	if err != nil {
		return false, err
	}
	for range 40 {
		fd, err := t.root.Openat(path, unix.O_PATH, 0)
		if err == nil {
			var st unix.Stat_t
			err = unix.Fstat(fd, &st)
			unix.Close(fd)
			if err == nil && dir != (st.Mode&unix.S_IFMT == unix.S_IFDIR) {
				return false, fmt.Errorf("the image has something of another type there (mode %o)", st.Mode)
			}
			return false, err
		}
		if !errors.Is(err, unix.ENOENT) {
			return false, err
		}
		above, name := split(path)
		p, err := t.parentOf(above, true)
		if err != nil {
			return false, err
		}
		if err = t.empty(p, name, dir, mode); !errors.Is(err, unix.EEXIST) {
			return err == nil, err
		}
		target, err := inroot.Readlinkat(p.fd, name)
		if err != nil {
			return false, err
		}
		if path = p.real + "/" + target; strings.HasPrefix(target, "/") {
			path = strings.TrimLeft(target, "/")
		}
	}
	return false, unix.ELOOP
}

func (t *Tree) empty(p parent, name string, dir bool, mode fs.FileMode) error {
	a := attrs{mode: uint32(mode.Perm()), mtime: epoch}
	if dir {
		if err := unix.Mkdirat(p.fd, name, 0o700); err != nil {
			return err
		}
		t.dirs[join(p.real, name)] = epoch
		return t.setDir(p.fd, name, a)
	}
	fd, err := unix.Openat(p.fd, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := t.set(fd, a); err != nil {
		return err
	}
	return unix.UtimesNanoAt(p.fd, name, timespecs(epoch), unix.AT_SYMLINK_NOFOLLOW)
}
