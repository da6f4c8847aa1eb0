package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// maxBlob keeps the arithmetic of ranges far from overflowing, in bytes.
const maxBlob = 1 << 50

var errClosed = errors.New("read after Close")

// Blob reads one blob in order. Its methods are for one goroutine.
type Blob struct {
	repo   *Repository
	window *window
	what   string
	digest string
	size   int64
	ctx    context.Context //nolint:containedctx // of the requests that are made until Close
	cancel context.CancelFunc
	detach func() bool
	fetch  sync.WaitGroup
	cond   *sync.Cond // with the window's lock, which all below is under

	pos     int64   // of the reader
	next    int64   // the first byte that no span has
	spans   []*span // from pos to next, without gaps
	ranged  bool    // the source does ranges
	whole   bool    // the source does not: one span for all that is left
	active  int     // spans being fetched, or being checked after the reader had them
	skip    int     // sources that do not have it
	waiting bool    // the reader is
	pinned  bool    // the reader is in the first span's buffer
	idle    int64   // bytes that other readers had since this one came by
	err     error
	at      location
	from    []string // hosts that sent something
	mirror  bool     // one of them is not the registry
}

// location is where a source redirected to for this blob.
type location struct {
	source *source
	url    *url.URL
}

// Blob returns a reader of size bytes named digest, from offset on. It fails only for what no registry could have; all that
// happens on the way is an error of Read. Fetching begins at once, and goes on as far ahead of the reader as the buffers of the
// repository allow, which are 16 MiB for all blobs. Read may be called from several goroutines for several blobs, in any order.
// Of blobs that are in WriteTo there may be no more than twelve.
//
// A size other than that of the blob is an error: ErrDigest if the blob is longer, ErrRegistry if it ends before.
// The reader must be closed before the repository.
func (r *Repository) Blob(ctx context.Context, digest string, size, offset int64) (*Blob, error) {
	switch {
	case !validDigest.MatchString(digest):
		return nil, fmt.Errorf("asking for the blob %s: %w: not a sha256 digest", oneLine(digest), ErrUnknown)
	case size < 0 || size > maxBlob || offset < 0 || offset > size:
		return nil, fmt.Errorf("asking for the blob %s: %w: it cannot have %d bytes, read from %d", digest, ErrDigest, size, offset)
	}
	b := &Blob{repo: r, window: r.window, what: "the blob " + digest, digest: digest, size: size, pos: offset, next: offset}
	b.ctx, b.cancel = context.WithCancel(ctx)
	b.cond = sync.NewCond(&r.window.mu)
	b.detach = context.AfterFunc(ctx, func() { b.fail(ctx.Err()) })
	r.window.add(b)
	return b, nil
}

// Read implements io.Reader. Errors are sticky.
func (b *Blob) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	data, err := b.peek()
	if err != nil {
		return 0, err
	}
	n := copy(p, data)
	b.advance(n)
	return n, nil
}

// WriteTo implements io.WriterTo: what is written to w is not copied before.
func (b *Blob) WriteTo(w io.Writer) (total int64, err error) {
	for {
		data, err := b.peek()
		if err == io.EOF { //nolint:errorlint // as io.Reader has it
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err := w.Write(data)
		b.advance(n)
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
}

// peek returns what is there of the bytes to read next, as soon as there is something, and pins it until advance.
func (b *Blob) peek() ([]byte, error) {
	w := b.window
	w.mu.Lock()
	defer w.mu.Unlock()
	for b.err == nil {
		if b.pos == b.size && b.active == 0 {
			return nil, io.EOF
		}
		if len(b.spans) > 0 {
			if data := b.spans[0].at(b.pos); len(data) > 0 {
				b.pinned = true
				return data, nil
			}
		}
		b.waiting = true
		w.schedule()
		b.cond.Wait()
		b.waiting = false
	}
	return nil, b.err
}

// advance is called when n bytes of what peek returned were used.
func (b *Blob) advance(n int) {
	w := b.window
	w.mu.Lock()
	defer w.mu.Unlock()
	b.pinned = false
	b.pos += int64(n)
	for _, other := range w.blobs {
		other.idle += int64(n)
	}
	b.idle = 0
	s := b.spans[0]
	s.read = b.pos
	if b.pos == s.end {
		b.spans = b.spans[1:]
		w.give(s.buf)
		w.schedule()
	} else if s.end-s.start > int64(len(s.buf)) {
		b.cond.Broadcast() // its fetcher may wait for room
	}
}

// Source names the hosts that the bytes so far came from.
func (b *Blob) Source() string {
	b.window.mu.Lock()
	defer b.window.mu.Unlock()
	return strings.Join(b.from, ", ")
}

// Mirrored reports whether a mirror sent some of it. If the digest is wrong then, Repository.Origin may have the right bytes.
func (b *Blob) Mirrored() bool {
	b.window.mu.Lock()
	defer b.window.mu.Unlock()
	return b.mirror
}

func (b *Blob) came(s *source) {
	b.window.mu.Lock()
	defer b.window.mu.Unlock()
	if !slices.Contains(b.from, s.host()) {
		b.from = append(b.from, s.host())
	}
	b.mirror = b.mirror || s != b.repo.sources[len(b.repo.sources)-1]
}

// fail ends the blob, for the first reason there is.
func (b *Blob) fail(err error) {
	w := b.window
	w.mu.Lock()
	defer w.mu.Unlock()
	if b.err == nil {
		b.err = err
	}
	b.cancel()
	b.cond.Broadcast()
	w.schedule()
}

// Close ends all requests for the blob, waits until they are over, and frees its buffers.
func (b *Blob) Close() error {
	b.detach()
	b.fail(errClosed)
	b.fetch.Wait()
	w := b.window
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range b.spans {
		w.give(s.buf)
	}
	b.spans = nil
	w.blobs = slices.DeleteFunc(w.blobs, func(other *Blob) bool { return other == b })
	w.schedule()
	return nil
}
