package tree

import (
	"archive/tar"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	whiteoutPrefix = ".wh."     // OCI image specification, layer.md, "Whiteouts"
	opaque         = ".wh..opq" // what follows the prefix in ".wh..wh..opq"
)

// checkWhiteout refuses names that only look like whiteouts. A ".wh." alone would name its own directory, ".wh..." the parent.
func checkWhiteout(dir, name string, typeflag byte) error {
	for part := range strings.SplitSeq(dir, "/") {
		if strings.HasPrefix(part, whiteoutPrefix) {
			return fmt.Errorf("%w: a whiteout is not a directory", ErrInvalid)
		}
	}
	hidden, ok := strings.CutPrefix(name, whiteoutPrefix)
	switch {
	case !ok:
		return nil
	case typeflag != tar.TypeReg && typeflag != tar.TypeLink:
		return fmt.Errorf("%w: a whiteout is a file, not of type %q", ErrInvalid, typeflag)
	case hidden == opaque:
		return nil
	case hidden == "" || hidden == "." || hidden == ".." || strings.HasPrefix(hidden, whiteoutPrefix):
		return fmt.Errorf("%w: not a valid whiteout", ErrInvalid)
	}
	return nil
}

// whiteout hides hidden in dir, or everything in dir if it is opaque, as far as lower layers brought it. Whiteouts and entries
// of one layer come in any order, so what this layer brought stays, and so does what it needs above it.
func (t *Tree) whiteout(dir, hidden string) error {
	p, err := t.parentOf(dir, false)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil // nothing there to hide
	}
	if err != nil {
		return err
	}
	if hidden == opaque {
		fd, err := unix.Openat(p.fd, ".", dirFlags, 0)
		if err != nil {
			return err
		}
		return t.pruneAll(fd, p.real)
	}
	return t.prune(p.fd, hidden, join(p.real, hidden))
}

// pruneAll prunes what is in the open directory fd and closes it.
func (t *Tree) pruneAll(fd int, real string) error {
	return eachName(fd, func(name string) error { return t.prune(fd, name, join(real, name)) })
}

func (t *Tree) prune(dirfd int, name, real string) error {
	from, known := t.layer[real]
	if !known {
		return t.remove(dirfd, name, real)
	}
	fd, err := unix.Openat(dirfd, name, dirFlags, 0)
	switch {
	case err != nil && from == own:
		return nil // not a directory, and this layer's
	case err != nil:
		return t.remove(dirfd, name, real)
	}
	if err := t.pruneAll(fd, real); err != nil {
		return err
	}
	if from == passed {
		return t.resetDir(dirfd, name, real)
	}
	return nil
}

// remove unlinks name, with everything below it if it is a directory; real is its path. Nothing there is no error.
func (t *Tree) remove(dirfd int, name, real string) error {
	t.stale = true
	delete(t.layer, real)
	delete(t.devices, real)
	err := unix.Unlinkat(dirfd, name, 0)
	if err == nil || errors.Is(err, unix.ENOENT) {
		return nil
	}
	fd, operr := unix.Openat(dirfd, name, dirFlags, 0)
	if operr != nil {
		return fmt.Errorf("unlinking what is there: %w", err)
	}
	delete(t.dirs, real)
	err = eachName(fd, func(child string) error { return t.remove(fd, child, join(real, child)) })
	if err != nil {
		return err
	}
	if err := unix.Unlinkat(dirfd, name, unix.AT_REMOVEDIR); err != nil {
		return fmt.Errorf("removing the directory there: %w", err)
	}
	return nil
}

// eachName calls f with what is in the open directory fd, then closes it. All names are read first, as f changes the directory.
func eachName(fd int, f func(name string) error) error {
	dir := os.NewFile(uintptr(fd), "")
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := f(name); err != nil {
			return err
		}
	}
	return nil
}
