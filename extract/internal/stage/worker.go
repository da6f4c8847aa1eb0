package stage

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
)

// worker is what one goroutine of the pool has of its own.
type worker struct {
	scratch []byte // scratchSize bytes for comparing
	at      spot
}

func newWorker() *worker { return &worker{scratch: make([]byte, scratchSize)} }

func (w *worker) run(jobs <-chan job) error {
	for j := range jobs {
		j.run(w)
	}
	return w.at.leave()
}

// spot is the numbered directory that the last file was in. It stays open, since files come by directory.
type spot struct {
	d      *dir // nil if there is none
	number uint32
	fd     int
}

func (s *spot) leave() error {
	if s.d == nil {
		return nil
	}
	s.d = nil
	return unix.Close(s.fd)
}

// enter opens a numbered directory of d.
func (s *spot) enter(d *dir, number uint32) error {
	if s.d == d && s.number == number {
		return nil
	}
	if err := s.leave(); err != nil {
		return err
	}
	fd, err := unix.Openat(d.fd, numbered(number), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err == nil {
		*s = spot{d, number, fd}
	}
	return err
}

// enter makes the directory, mode 0700, for the first file in it.
func (w *worker) enter(d *dir, number uint32) error {
	for {
		err := w.at.enter(d, number)
		if !errors.Is(err, unix.ENOENT) {
			return err
		}
		if err := unix.Mkdirat(d.fd, numbered(number), 0o700); err != nil && !errors.Is(err, unix.EEXIST) {
			return err
		}
	}
}

// create makes a file for e, open for writing, in the numbered directory of d under the last name of its path, and says so in e. The
// name is one component of a clean path, and new in a directory that nothing but files of this layer are in. An archive can hold a
// path twice, though, and file systems refuse names: such a file gets a number.
func (w *worker) create(d *dir, number uint32, e *layer.Entry) (file, error) {
	if err := w.enter(d, number); err != nil {
		return file{}, err
	}
	_, name := layer.Split(e.Path)
	f, err := create(w.at.fd, name, e)
	if err == nil {
		e.Staged = number
		return f, nil
	}
	if !refused(err) {
		return f, err
	}
	alone := d.alone.Add(1)
	if f, err = create(d.fd, aloneName(alone), e); err == nil {
		e.Staged = alone | layer.Alone
	}
	return f, err
}

func refused(err error) bool {
	return errors.Is(err, unix.EEXIST) || errors.Is(err, unix.ENAMETOOLONG) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EILSEQ)
}
