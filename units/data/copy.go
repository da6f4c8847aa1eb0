package data

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Method is how stores are kept.
type Method string

// The methods.
const (
	Clone Method = "clone" // files share their blocks until one is written to (FICLONE)
	Copy  Method = "copy"  // holes stay holes
)

// chunk is how much is copied between two looks at the context.
const chunk = 64 << 20

// Clones reports whether the file system can clone, by trying it with files
// that have no name, where it has such, so that it is in nobody's way.
func (d *Dir) Clones() (can bool, err error) {
	can, err = d.clonesNameless()
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.ENOENT) {
		return can, err
	}
	if err := d.makeSaved(); err != nil {
		return false, err
	}
	const one, two = SavedDir + "/probe" + partial, SavedDir + "/probe-2" + partial
	defer func() {
		err = errors.Join(err, d.root.RemoveAll(one), d.root.RemoveAll(two))
		_ = d.root.Remove(SavedDir) // it may hold sets
	}()
	if err := d.root.WriteFile(one, make([]byte, 4096), 0o600); err != nil {
		return false, fmt.Errorf("trying to clone a file: %w", err)
	}
	from, err := d.root.Open(one)
	if err != nil {
		return false, err
	}
	defer from.Close()
	to, err := d.root.OpenFile(two, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return false, err
	}
	defer to.Close()
	return unix.IoctlFileClone(int(to.Fd()), int(from.Fd())) == nil, nil
}

// clonesNameless fails as open(2) does with O_TMPFILE where the file system or
// the kernel has no such files.
func (d *Dir) clonesNameless() (bool, error) {
	dir, err := d.root.Open(".")
	if err != nil {
		return false, err
	}
	defer dir.Close()
	var fds [2]int
	for i := range fds {
		if fds[i], err = unix.Openat(int(dir.Fd()), ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600); err != nil {
			return false, fmt.Errorf("trying to clone a file: %w", err)
		}
		defer unix.Close(fds[i])
	}
	if _, err := unix.Write(fds[0], make([]byte, 4096)); err != nil {
		return false, fmt.Errorf("trying to clone a file: %w", err)
	}
	return unix.IoctlFileClone(fds[1], fds[0]) == nil, nil
}

// makeSaved makes the place of the sets. Other users may have made something
// of its name, if they are the node's.
func (d *Dir) makeSaved() error {
	err := d.root.Mkdir(SavedDir, 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("making a place for data to keep: %w", err)
	}
	info, err := d.root.Lstat(SavedDir)
	if err != nil {
		return err
	}
	if st, ok := statOf(info); !info.IsDir() || ok && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s in the data directory is not what keeps data, or not of the user who is to: remove it", SavedDir)
	}
	return nil
}

// Save keeps the stores in place as the set of a generation. The node must not
// run. When it fails, or ctx ends, nothing is kept.
func (d *Dir) Save(ctx context.Context, generation int, m Method) (err error) {
	if err := d.makeSaved(); err != nil {
		return err
	}
	set := setOf(generation)
	defer func() {
		if err != nil {
			_ = d.root.RemoveAll(set + partial)
			_ = d.root.Remove(SavedDir)
			err = fmt.Errorf("keeping the data of generation %d: %w", generation, err)
		}
	}()
	live, err := d.live()
	if err != nil {
		return err
	}
	if err := d.remove(set); err != nil { // of an earlier roll from that generation
		return err
	}
	if err := d.root.Mkdir(set+partial, 0o700); err != nil {
		return err
	}
	d.step()
	for _, name := range live {
		if err := d.copyTree(ctx, name, set+partial+"/"+name, m); err != nil {
			return err
		}
		d.step()
	}
	if err := d.sync(set + partial); err != nil {
		return err
	}
	if err := d.root.Rename(set+partial, set); err != nil {
		return err
	}
	d.step()
	return errors.Join(d.sync(SavedDir), d.sync(".")) // SavedDir itself may be new
}

func (d *Dir) copyTree(ctx context.Context, from, to string, m Method) error {
	info, err := d.root.Lstat(from)
	if err != nil {
		return err
	}
	switch {
	case info.Mode().IsRegular():
		err = d.copyFile(ctx, from, to, info, m)
	case info.Mode()&fs.ModeSymlink != 0:
		var target string
		if target, err = d.root.Readlink(from); err == nil {
			err = d.root.Symlink(target, to)
		}
	case info.IsDir():
		if err = d.root.Mkdir(to, 0o700); err != nil {
			return err
		}
		names, nerr := d.names(from)
		if nerr != nil {
			return nerr
		}
		for _, name := range names {
			if err := d.copyTree(ctx, from+"/"+name, to+"/"+name, m); err != nil {
				return err
			}
		}
		err = d.sync(to)
	default: // a socket, which says nothing once its process is gone
		return nil
	}
	if err != nil {
		return err
	}
	return d.attributes(to, info)
}

// attributes gives a copy the owner, mode and times of what it was made of.
func (d *Dir) attributes(name string, info fs.FileInfo) error {
	st, ok := statOf(info)
	if !ok {
		return errors.New("the owner of a file is not known")
	}
	if err := d.root.Lchown(name, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return nil
	}
	if err := d.root.Chmod(name, info.Mode()); err != nil {
		return err
	}
	return d.root.Chtimes(name, info.ModTime(), info.ModTime())
}

func (d *Dir) copyFile(ctx context.Context, from, to string, info fs.FileInfo, m Method) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	in, err := d.root.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := d.root.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err == nil {
			err = out.Sync()
		}
		if cerr := out.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", from, err)
		}
	}()
	if m == Clone {
		return unix.IoctlFileClone(int(out.Fd()), int(in.Fd()))
	}
	return copySparse(ctx, out, in, info.Size())
}

// copySparse copies what is no hole. Stores of the node are mapped files with
// large ones.
func copySparse(ctx context.Context, out, in *os.File, size int64) error {
	for at := int64(0); at < size; {
		start, err := in.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, syscall.ENXIO) {
			break // the rest is a hole
		}
		if err != nil {
			return err
		}
		end, err := in.Seek(start, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		for at = start; at < end; {
			if err := ctx.Err(); err != nil {
				return err
			}
			n := min(end-at, chunk)
			if _, err := in.Seek(at, io.SeekStart); err != nil {
				return err
			}
			if _, err := out.Seek(at, io.SeekStart); err != nil {
				return err
			}
			if _, err := io.CopyN(out, in, n); err != nil {
				return err
			}
			at += n
		}
	}
	return out.Truncate(size)
}

func statOf(info fs.FileInfo) (*syscall.Stat_t, bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	return st, ok
}
