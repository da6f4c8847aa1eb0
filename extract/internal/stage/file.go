package stage

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
)

// store puts a small file aside, unless another version has it.
func (r *reader) store(w *worker, e *layer.Entry, number uint32, contents []byte) error {
	e.Digest = r.s.key.Of(contents)
	if r.wanted != nil && !r.wanted(e.Digest) {
		return nil
	}
	// What is wanted is wanted because what is here did not do.
	if r.wanted == nil {
		equal := func(fd int) bool { return equals(fd, 0, contents, w.scratch) }
		if shared, err := r.share(w, e, number, equal); shared || err != nil {
			return err
		}
	}
	if err := r.s.budget.Take(e.Size); err != nil {
		return err
	}
	f, err := w.create(r.dir, number, e)
	if err != nil {
		return space(err)
	}
	defer unix.Close(f.fd)
	if err := writeAll(f.fd, contents); err != nil {
		return space(err)
	}
	r.s.written.Add(e.Size)
	return space(r.dir.finish(f, e))
}

// share makes do with a file that is here already, if there is one that equal finds the same, opened for reading. The index knows what
// a file was when it was made: what a disk made of it since must not spread to the versions after it.
func (r *reader) share(w *worker, e *layer.Entry, number uint32, equal func(fd int) bool) (bool, error) {
	p, how := r.s.index.find(e.Digest, e.Path, e.Attrs)
	if how == none || how == clone && !r.s.clones.Load() {
		return false, nil
	}
	from, err := r.s.index.open(p)
	if err != nil {
		return false, nil
	}
	defer unix.Close(from)
	if !equal(from) {
		return false, nil
	}
	exact := how == link && p.mtime == e.MTime
	if !exact && r.s.clones.Load() {
		if cloned, err := r.clone(w, from, e, number); cloned || err != nil {
			return cloned, err
		}
	}
	if how != link || !hasXattrs(from, e.Xattrs, w.scratch) {
		return false, nil
	}
	e.MTime = p.mtime
	r.s.shared.Add(e.Size)
	return true, nil
}

// clone makes a file of its own that shares its blocks with the file from: ioctl_ficlone(2).
func (r *reader) clone(w *worker, from int, e *layer.Entry, number uint32) (bool, error) {
	f, err := w.create(r.dir, number, e)
	if err != nil {
		return false, space(err)
	}
	defer unix.Close(f.fd)
	if err := unix.IoctlFileClone(f.fd, from); err != nil {
		if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EXDEV) || errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EINVAL) {
			r.s.clones.Store(false)
		}
		e.Staged = 0
		return false, f.discard()
	}
	r.s.shared.Add(e.Size)
	return true, space(r.dir.finish(f, e))
}

func writeAll(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := unix.Write(fd, b)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// space makes ErrSpace of the errors that mean it.
func space(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrSpace, err)
	}
	return err
}
