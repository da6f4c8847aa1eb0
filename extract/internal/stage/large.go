package stage

import (
	"fmt"
	"hash"
	"io"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
)

// large is a file that comes in pieces. While it is the same as a file of that size that is here, nothing is written.
type large struct {
	r      *reader
	p      *pending
	number uint32
	pieces chan []byte

	worker *worker
	hash   hash.Hash
	size   int64

	here []int // candidates that it may still be the same as, open
	file file  // what is being written; its fd is -1 as long as nothing is
}

// large hands a file to a worker, piece by piece.
func (r *reader) large(p *pending, body io.Reader) error {
	if p.entry.Sparse {
		if err := r.claim(p.entry.Size); err != nil {
			return err
		}
	}
	// What smaller files hold must not wait for this one.
	r.flush()
	p.done = make(chan struct{})
	l := &large{r: r, p: p, number: r.directory(p.entry), pieces: make(chan []byte, 2), hash: r.s.key.Hash(), file: file{fd: -1}}
	if err := r.send(p); err != nil {
		return err
	}
	r.s.jobs <- l
	defer close(l.pieces)
	for left := p.entry.Size; left > 0; {
		buf, err := r.buffer()
		if err != nil {
			return err
		}
		buf = buf[:min(left, bufferSize)]
		if _, err := io.ReadFull(body, buf); err != nil {
			r.s.free <- buf
			return shortBody(err)
		}
		left -= int64(len(buf))
		l.pieces <- buf
	}
	return nil
}

// run writes the file, as a worker.
func (l *large) run(w *worker) {
	l.worker = w
	err := l.r.ctx.Err()
	if err == nil {
		l.candidates()
	}
	for buf := range l.pieces {
		if err == nil {
			if err = l.piece(buf); err != nil {
				// The rest need not be downloaded. What follows a cut is no cause: the reader knows why it was.
				l.r.fail(l.p.entry, space(err))
			}
		}
		l.r.s.free <- buf
	}
	if err == nil {
		err = l.finish()
	}
	for _, fd := range append(l.here, l.file.fd) {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	l.p.err = space(err)
	close(l.p.done)
}

func (l *large) candidates() {
	if l.r.wanted != nil || l.p.entry.Sparse {
		return
	}
	for _, p := range l.r.s.index.sized(l.p.entry.Size) {
		if fd, err := l.r.s.index.open(p); err == nil {
			l.here = append(l.here, fd)
		}
	}
}

func (l *large) piece(b []byte) error {
	if err := l.r.ctx.Err(); err != nil {
		return err
	}
	l.hash.Write(b)
	if err := l.compare(b); err != nil {
		return err
	}
	if len(l.here) == 0 {
		if err := l.write(b); err != nil {
			return err
		}
	}
	l.size += int64(len(b))
	return nil
}

// compare drops the candidates that go on in another way than b. From the last of them it takes what it had in common.
func (l *large) compare(b []byte) error {
	for i := len(l.here) - 1; i >= 0; i-- {
		if equals(l.here[i], l.size, b, l.worker.scratch) {
			continue
		}
		fd := l.here[i]
		l.here = slices.Delete(l.here, i, i+1)
		var err error
		if len(l.here) == 0 {
			err = l.begin(fd)
		}
		unix.Close(fd)
		if err != nil {
			return err
		}
	}
	return nil
}

// begin starts a file of its own with what it has in common with the candidate fd.
func (l *large) begin(fd int) error {
	if l.size == 0 {
		return nil
	}
	if err := l.create(); err != nil {
		return err
	}
	if err := l.r.s.budget.take(l.size); err != nil {
		return err
	}
	l.r.s.written.Add(l.size)
	return copyRange(fd, l.file.fd, l.size)
}

func (l *large) create() (err error) {
	l.file, err = l.worker.create(l.r.dir, l.number, l.p.entry)
	return err
}

func (l *large) write(b []byte) error {
	if l.file.fd < 0 {
		if err := l.create(); err != nil {
			return err
		}
	}
	if l.p.entry.Sparse {
		return l.writeSparse(b)
	}
	if err := l.r.s.budget.take(int64(len(b))); err != nil {
		return err
	}
	l.r.s.written.Add(int64(len(b)))
	return writeAll(l.file.fd, b)
}

// finish decides what the file is, now that all of it is known.
func (l *large) finish() error {
	e := l.p.entry
	if l.size != e.Size {
		return fmt.Errorf("%w: its contents are cut short: %w", layer.ErrInvalid, io.ErrUnexpectedEOF)
	}
	l.hash.Sum(e.Digest[:0])
	if l.r.wanted != nil && !l.r.wanted(e.Digest) {
		return l.discard()
	}
	if len(l.here) > 0 {
		// What the index finds need not be the one that was compared.
		equal := func(fd int) bool { return equalFiles(l.here[0], fd, e.Size, l.worker.scratch) }
		shared, err := l.r.share(l.worker, e, l.number, equal)
		if shared || err != nil {
			return err
		}
		// The same contents, but nothing that can be linked or cloned.
		if err := l.begin(l.here[0]); err != nil {
			return err
		}
	}
	if e.Sparse {
		if err := unix.Ftruncate(l.file.fd, e.Size); err != nil {
			return err
		}
	}
	return l.r.dir.finish(l.file, e)
}

func (l *large) discard() error {
	if l.file.fd < 0 {
		return nil
	}
	l.p.entry.Staged = 0
	return l.file.discard()
}
