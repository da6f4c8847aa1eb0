package stage

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
)

// pending is an entry whose contents may still be in work.
type pending struct {
	entry *layer.Entry
	done  chan struct{}
	err   error // set before done is closed
}

// ready is the done of what never waits.
func ready() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// reader reads one layer.
type reader struct {
	s       *Stage
	ctx     context.Context
	cancel  context.CancelCauseFunc
	dir     *dir
	wanted  func(layer.Digest) bool
	scanner *layer.Scanner
	out     chan *pending
	numbers map[string]uint32 // of directories, by path
	last    string            // a directory
	number  uint32            // its
	claimed int64             // bytes of sparse files
	batch   *batch
}

// batch is a buffer with the contents of small files.
type batch struct {
	r     *reader
	buf   []byte
	files []small
}

type small struct {
	p      *pending
	number uint32 // of its directory
	from   int
}

// run reads the archive to its end.
func (r *reader) run() error {
	defer r.flush()
	never := ready()
	for {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		e, body, err := r.scanner.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		p := &pending{entry: e}
		switch {
		case e.Kind != layer.File || e.Size == 0:
			p.done = never
			if err := r.send(p); err != nil {
				return err
			}
			continue
		case e.Size > bufferSize || e.Sparse:
			err = r.large(p, body)
		default:
			err = r.small(p, body)
		}
		if err != nil {
			return fmt.Errorf("entry %.200q: %w", e.Path, err)
		}
	}
}

func (r *reader) send(p *pending) error {
	select {
	case r.out <- p:
		return nil
	default:
	}
	// The consumer may be waiting for what the batch holds.
	r.flush()
	select {
	case r.out <- p:
		return nil
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

// small adds a file that fits a buffer to the batch.
func (r *reader) small(p *pending, body io.Reader) error {
	size := int(p.entry.Size)
	if r.batch != nil && len(r.batch.buf)+size > bufferSize {
		r.flush()
	}
	if r.batch == nil {
		buf, err := r.buffer()
		if err != nil {
			return err
		}
		r.batch = &batch{r: r, buf: buf}
	}
	from := len(r.batch.buf)
	buf := r.batch.buf[:from+size]
	if _, err := io.ReadFull(body, buf[from:]); err != nil {
		return shortBody(err)
	}
	r.batch.buf = buf
	p.done = make(chan struct{})
	r.batch.files = append(r.batch.files, small{p: p, number: r.directory(p.entry), from: from})
	return r.send(p)
}

// directory is the number of the directory that the contents of e belong in.
func (r *reader) directory(e *layer.Entry) uint32 {
	dir, _ := layer.Split(e.Path)
	if r.number != 0 && r.last == dir {
		return r.number
	}
	n, ok := r.numbers[dir]
	if !ok {
		n = uint32(len(r.numbers) + 1)
		r.numbers[dir] = n
	}
	r.last, r.number = dir, n
	return n
}

// flush gives the batch to a worker.
func (r *reader) flush() {
	if r.batch == nil {
		return
	}
	r.s.jobs <- r.batch
	r.batch = nil
}

// fail ends the reading because of e. Only the first cause counts.
func (r *reader) fail(e *layer.Entry, err error) {
	r.cancel(fmt.Errorf("entry %.200q: %w", e.Path, err))
}

func (r *reader) buffer() ([]byte, error) {
	if err := r.ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case buf := <-r.s.free:
		return buf[:0], nil
	case <-r.ctx.Done():
		return nil, r.ctx.Err()
	}
}

func shortBody(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: its contents are cut short: %w", layer.ErrInvalid, io.ErrUnexpectedEOF)
	}
	return err
}

// run writes the files of the batch, as a worker.
func (b *batch) run(w *worker) {
	for _, f := range b.files {
		f.p.err = b.r.ctx.Err()
		if f.p.err == nil {
			f.p.err = b.r.store(w, f.p.entry, f.number, b.buf[f.from:f.from+int(f.p.entry.Size)])
			if f.p.err != nil {
				b.r.fail(f.p.entry, f.p.err)
			}
		}
		close(f.p.done)
	}
	b.r.s.free <- b.buf
}
