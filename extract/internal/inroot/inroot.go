// Package inroot resolves paths inside a directory as a process chrooted there would.
//
// Absolute symbolic links and ".." are legitimate in a root file system and dangerous outside it, so the kernel, not this
// program, does the resolving: every path goes through openat2(2) with RESOLVE_IN_ROOT, which needs Linux 5.6. Textual checks
// of paths are never enough, because an earlier entry of an archive can turn any parent into a link.
package inroot

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// maxTries bounds the retries of openat2(2), which answers EAGAIN for ".." while anything on the machine is being renamed.
const maxTries = 1000

// ErrKernel says that the kernel has no openat2(2) (it came with Linux 5.6), or that a filter forbids it.
var ErrKernel = errors.New("this kernel cannot resolve paths inside a root (openat2 needs Linux 5.6)")

// Root is an open directory that paths are resolved in. It is safe for concurrent use until it is closed.
type Root struct{ fd int }

// Open opens dir as a root. The path to dir itself is trusted.
func Open(dir string) (*Root, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	return &Root{fd: fd}, nil
}

// Close releases the directory.
func (r *Root) Close() error { return unix.Close(r.fd) }

// Openat opens path in the root with flags of open(2) and resolve flags of openat2(2) on top of RESOLVE_IN_ROOT.
// The caller closes the descriptor. Errors are *fs.PathError.
func (r *Root) Openat(path string, flags int, resolve uint64) (int, error) {
	how := unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC),
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS | resolve,
	}
	if path == "" {
		path = "."
	}
	for try := 0; ; try++ {
		fd, err := unix.Openat2(r.fd, path, &how)
		switch {
		case err == nil:
			return fd, nil
		case (errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR)) && try < maxTries:
			continue
		case errors.Is(err, unix.ENOSYS):
			return -1, fmt.Errorf("%w: %w", ErrKernel, err)
		}
		return -1, &fs.PathError{Op: "open", Path: path, Err: err}
	}
}

// Readlinkat returns the target of the link name in the open directory dir, or of the open link dir if name is empty.
func Readlinkat(dir int, name string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(dir, name, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}
