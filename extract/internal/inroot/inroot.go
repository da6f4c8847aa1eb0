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
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// maxLinks is the number of dangling links followed while making a path, the same limit as path_resolution(7) has.
	maxLinks = 40
	// maxTries bounds the retries of openat2(2), which answers EAGAIN for ".." while anything on the machine is being renamed.
	maxTries = 1000
)

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

// RealDir returns the path of the directory fd below the root, without a leading slash and without links, "." for the root.
func (r *Root) RealDir(fd int) (string, error) {
	base, err := procPath(r.fd)
	if err != nil {
		return "", err
	}
	path, err := procPath(fd)
	if err != nil {
		return "", err
	}
	if path == base {
		return ".", nil
	}
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(base, "/")+"/")
	if !ok {
		return "", fmt.Errorf("%s is not below %s", path, base)
	}
	return rest, nil
}

func procPath(fd int) (string, error) {
	link := fmt.Sprintf("/proc/self/fd/%d", fd)
	buf := make([]byte, unix.PathMax+1)
	n, err := unix.Readlink(link, buf)
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: link, Err: err}
	}
	if n == len(buf) {
		return "", &fs.PathError{Op: "readlink", Path: link, Err: unix.ENAMETOOLONG}
	}
	return string(buf[:n]), nil
}

// OpenDir opens the directory path for use as a parent (O_PATH). Missing components are made by mkdir, which gets an open
// directory and a name in it. Links that lead nowhere yet are followed too and their targets made, as container runtimes do,
// since images hold entries below links whose targets come later. The caller closes the descriptor.
func (r *Root) OpenDir(path string, mkdir func(dirfd int, name string) error) (int, error) {
	cur, links := ".", 0
	for todo := split(path); len(todo) > 0; {
		name := todo[0]
		next := cur + "/" + name
		todo = todo[1:]
		if r.isDir(next) {
			cur = next
			continue
		}
		target, err := r.makeDir(cur, name, mkdir)
		if err != nil {
			return -1, &fs.PathError{Op: "mkdir", Path: next, Err: err}
		}
		if target == "" {
			cur = next
			continue
		}
		if links++; links > maxLinks {
			return -1, &fs.PathError{Op: "mkdir", Path: path, Err: unix.ELOOP}
		}
		if strings.HasPrefix(target, "/") {
			cur = "."
		}
		todo = append(split(target), todo...)
	}
	return r.Openat(cur, unix.O_PATH|unix.O_DIRECTORY, 0)
}

// makeDir makes name in dir, or returns the target of the link that has that name already.
func (r *Root) makeDir(dir, name string, mkdir func(int, string) error) (target string, err error) {
	fd, err := r.Openat(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	err = mkdir(fd, name)
	if !errors.Is(err, unix.EEXIST) {
		return "", err
	}
	if target, err = Readlinkat(fd, name); err != nil {
		return "", unix.ENOTDIR
	}
	return target, nil
}

func (r *Root) isDir(path string) bool {
	fd, err := r.Openat(path, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

func split(path string) []string {
	var parts []string
	for p := range strings.SplitSeq(path, "/") {
		if p != "" && p != "." {
			parts = append(parts, p)
		}
	}
	return parts
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
