package inroot

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// maxFile bounds what ReadFile takes into memory, in bytes: the files of an image are as large as its author likes.
const maxFile = 64 << 20

// FS reads the tree below a directory the way a process chrooted there would: links are followed inside it, absolute ones too,
// which os.DirFS follows out and os.Root refuses. Nothing blocks, since FIFOs and the like are opened with O_NONBLOCK.
// It keeps nothing open between calls.
type FS string

var (
	_ fs.ReadFileFS = FS("")
	_ fs.StatFS     = FS("")
	_ fs.ReadDirFS  = FS("")
	_ fs.ReadLinkFS = FS("")
)

// Open implements fs.FS.
func (f FS) Open(name string) (fs.File, error) { return f.open("open", name) }

// ReadFile implements fs.ReadFileFS. What is not a regular file, or is over 64 MiB, is an error.
func (f FS) ReadFile(name string) ([]byte, error) {
	file, err := f.open("read", name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: unix.EINVAL}
	}
	if st.Size() > maxFile {
		return nil, &fs.PathError{Op: "read", Path: name, Err: unix.EFBIG}
	}
	buf := make([]byte, st.Size())
	// The store is written once and never changed, so the size is exact.
	if _, err := file.ReadAt(buf, 0); err != nil && st.Size() > 0 {
		return nil, err
	}
	return buf, nil
}

// ReadDir implements fs.ReadDirFS.
func (f FS) ReadDir(name string) ([]fs.DirEntry, error) {
	file, err := f.open("readdir", name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return file.ReadDir(-1)
}

// Stat implements fs.StatFS; it follows links.
func (f FS) Stat(name string) (fs.FileInfo, error) { return f.stat("stat", name, 0) }

// Lstat implements fs.ReadLinkFS.
func (f FS) Lstat(name string) (fs.FileInfo, error) { return f.stat("lstat", name, unix.O_NOFOLLOW) }

// ReadLink implements fs.ReadLinkFS.
func (f FS) ReadLink(name string) (string, error) {
	fd, err := f.fd("readlink", name, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	target, err := Readlinkat(fd, "")
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: err}
	}
	return target, nil
}

func (f FS) stat(op, name string, flags int) (fs.FileInfo, error) {
	fd, err := f.fd(op, name, unix.O_PATH|flags)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), name)
	defer file.Close()
	return file.Stat()
}

func (f FS) open(op, name string) (*os.File, error) {
	fd, err := f.fd(op, name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

func (f FS) fd(op, name string, flags int) (int, error) {
	if !fs.ValidPath(name) {
		return -1, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	root, err := Open(string(f))
	if err != nil {
		return -1, err
	}
	defer root.Close()
	return root.Openat(name, flags, 0)
}
