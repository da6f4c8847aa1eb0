package registry

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
)

// span is a part of a blob on its way through one buffer, which is a ring if the span is longer. All but source and context is
// under the window's lock.
type span struct {
	start, end int64
	have       int64 // the bytes before this one have come
	read       int64 // those before this one are not needed any more
	buf        []byte
	ctx        context.Context //nolint:containedctx // of its fetcher
	cancel     context.CancelFunc
	fetching   bool
	dropped    bool
}

// at returns what is there at a place, up to the end of the buffer.
func (s *span) at(pos int64) []byte {
	i := int((pos - s.start) % int64(len(s.buf)))
	return s.buf[i:min(len(s.buf), i+int(s.have-pos))]
}

// room returns where to put what comes next.
func (s *span) room() []byte {
	size := int64(len(s.buf))
	i := (s.have - s.start) % size
	return s.buf[i:min(size, i+size-(s.have-s.read), i+s.end-s.have)]
}

// wants reports whether b could use one more buffer. What a source can do is learned from one request before there are more.
func (b *Blob) wants() bool {
	return b.err == nil && b.next < b.size && (len(b.spans) == 0 || b.ranged && !b.whole)
}

// grant begins to fetch the next span. The caller holds the lock.
func (b *Blob) grant(buf []byte) {
	s := &span{start: b.next, have: b.next, read: b.next, end: min(b.size, b.next+int64(len(buf))), buf: buf, fetching: true}
	if b.whole {
		s.end = b.size
	}
	b.next = s.end
	b.spans = append(b.spans, s)
	b.window.active++
	b.active++
	s.ctx, s.cancel = context.WithCancel(b.ctx)
	b.fetch.Go(func() { b.run(s) })
}

// drop takes the last span away from b. The caller holds the lock.
func (b *Blob) drop() {
	s := b.spans[len(b.spans)-1]
	b.spans = b.spans[:len(b.spans)-1]
	b.next = max(s.start, min(b.pos, s.end))
	s.dropped = true
	s.cancel()
	if s.fetching {
		b.window.dropping++
		b.cond.Broadcast()
		return
	}
	b.window.give(s.buf)
	b.window.schedule()
}

// stuck reports whether b holds a connection that waits for its reader.
func (b *Blob) stuck() bool {
	return b.whole && len(b.spans) == 1 && b.spans[0].fetching && len(b.spans[0].room()) == 0
}

// run fetches a span, from wherever it can be had, until there is nothing more to try.
func (b *Blob) run(s *span) {
	defer s.cancel()
	w := b.window
	w.mu.Lock()
	search := b.repo.search(b.what, b.skip)
	w.mu.Unlock()
	var err error
	for {
		before := s.have // only this goroutine changes it
		if err = b.fill(s, search.source()); err == nil || s.ctx.Err() != nil {
			break
		}
		if s.have == s.end {
			// Too much was sent, and there is nothing left to ask another source for.
			err = search.end(asFailure(search.source().host(), err))
			break
		}
		if err = search.again(s.ctx, err, s.have > before); err != nil {
			break
		}
		w.mu.Lock()
		b.skip = max(b.skip, len(b.repo.sources)-len(search.sources))
		w.mu.Unlock()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	s.fetching = false
	w.active--
	b.active--
	switch {
	case s.dropped:
		w.dropping--
		w.give(s.buf)
	case err != nil && b.err == nil:
		b.err = cmp.Or(b.ctx.Err(), err)
		b.cancel()
	}
	b.cond.Broadcast()
	w.schedule()
}

// fill makes one request for what is missing of a span.
func (b *Blob) fill(s *span, from *source) error {
	a, err := b.request(s, from)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	end, err := b.begin(s, a)
	if err != nil {
		return err
	}
	b.came(from)
	for s.have < end {
		p := b.await(s)
		if p == nil {
			return context.Canceled
		}
		p = p[:min(int64(len(p)), end-s.have)]
		n, err := a.Body.Read(p)
		b.filled(s, n)
		switch {
		case s.have >= end || err == nil:
		case err == io.EOF: //nolint:errorlint // as io.Reader has it
			return &failure{host: a.host(), again: true, status: http.StatusOK, err: fmt.Errorf("%w: it ended after %d of %d bytes", ErrRegistry, s.have, b.size)}
		default:
			return cut(a.host(), err)
		}
	}
	if s.have < s.end {
		return cut(a.host(), io.ErrUnexpectedEOF) // less than was asked for, as RFC 9110, 15.3.7 allows
	}
	if s.end == b.size && a.ContentLength < 0 {
		if n, _ := io.ReadFull(a.Body, make([]byte, 1)); n > 0 {
			return b.tooLong(a)
		}
	}
	return nil
}

func (b *Blob) tooLong(a *answer) error {
	return mismatch(a.host(), "%s is longer than the %d bytes its manifest says", b.digest, b.size)
}

// await waits for room in the buffer. It returns nil if there is no use in it any more.
func (b *Blob) await(s *span) []byte {
	w := b.window
	w.mu.Lock()
	defer w.mu.Unlock()
	for s.ctx.Err() == nil {
		if p := s.room(); len(p) > 0 {
			return p
		}
		// A connection that waits may be needed elsewhere, and this may be the one: then nobody would end the wait.
		if w.schedule(); s.ctx.Err() == nil {
			b.cond.Wait()
		}
	}
	return nil
}

// filled takes note of n bytes in the buffer.
func (b *Blob) filled(s *span, n int) {
	w := b.window
	w.mu.Lock()
	defer w.mu.Unlock()
	s.have += int64(n)
	if n > 0 && b.waiting && !s.dropped && b.spans[0] == s {
		b.cond.Broadcast()
	}
}
