package registry

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
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

// request asks for the missing part of a span, where the source sent us for an earlier part if it did, or again at the source
// if that is over.
func (b *Blob) request(s *span, from *source) (*answer, error) {
	r := request{path: "blobs/" + b.digest}
	if s.have > 0 || s.end < b.size {
		r.span = fmt.Sprintf("bytes=%d-%d", s.have, s.end-1)
	}
	w := b.window
	w.mu.Lock()
	if b.at.source == from {
		r.at = b.at.url
	}
	w.mu.Unlock()
	a, err := from.get(s.ctx, r)
	if err != nil && r.at != nil && moved(err) {
		w.mu.Lock()
		if b.at.url == r.at {
			b.at = location{}
		}
		r.at = b.at.url // maybe another connection knows better already
		w.mu.Unlock()
		a, err = from.get(s.ctx, r)
	}
	if err != nil {
		if moved(err) {
			w.mu.Lock()
			b.at = location{}
			w.mu.Unlock()
		}
		return nil, err
	}
	if a.at != nil {
		w.mu.Lock()
		b.at = location{from, a.at}
		w.mu.Unlock()
	}
	return a, nil
}

// moved reports whether a place does not serve what it did: a signed redirect that expired, as a rule.
func moved(err error) bool {
	f := asFailure("", err)
	return f.status == 0 || f.status >= 400 && f.status < 500 && f.status != http.StatusTooManyRequests && f.status != http.StatusRequestTimeout
}

// begin judges what an answer says it is. It returns where its bytes end.
func (b *Blob) begin(s *span, a *answer) (end int64, err error) {
	if a.StatusCode == http.StatusPartialContent {
		return b.part(s, a)
	}
	if a.ContentLength > b.size {
		return 0, b.tooLong(a)
	}
	if s.have > 0 || s.end < b.size {
		if err := b.widen(s); err != nil {
			return 0, err
		}
	}
	// A source that knows no ranges starts from the beginning each time. What we have is read once more, and thrown away.
	if n, err := io.CopyN(io.Discard, a.Body, s.have); err != nil {
		return 0, &failure{host: a.host(), again: true, status: http.StatusOK, err: fmt.Errorf("%w: it ended after %d of %d bytes", ErrRegistry, n, b.size)}
	}
	return s.end, nil
}

// part judges a 206, RFC 9110 section 14.4: bytes in the wrong place would be found at the end, by the digest of it all.
func (b *Blob) part(s *span, a *answer) (end int64, err error) {
	said := a.Header.Get("Content-Range")
	bad := &failure{host: a.host(), again: true, status: http.StatusOK, err: fmt.Errorf("%w: it sent the range %q instead of bytes %d-%d/%d", ErrRegistry, oneLine(said), s.have, s.end-1, b.size)}
	rest, ok := strings.CutPrefix(said, "bytes ")
	span, total, ok2 := strings.Cut(rest, "/")
	first, last, ok3 := strings.Cut(span, "-")
	from, err1 := strconv.ParseInt(first, 10, 64)
	to, err2 := strconv.ParseInt(last, 10, 64)
	if !ok || !ok2 || !ok3 || err1 != nil || err2 != nil || from != s.have || to < from || to >= s.end {
		return 0, bad
	}
	if n, err := strconv.ParseInt(total, 10, 64); total != "*" && (err != nil || n != b.size) {
		if n > b.size {
			return 0, b.tooLong(a)
		}
		return 0, bad
	}
	if a.ContentLength >= 0 && a.ContentLength != to+1-from {
		return 0, bad
	}
	w := b.window
	w.mu.Lock()
	defer w.mu.Unlock()
	if !b.ranged {
		b.ranged = true
		w.schedule()
	}
	return to + 1, nil
}

// widen makes s the only span, for all that is left, since its source sends whole blobs only. If there is one before it, that
// comes first, and s is given up.
func (b *Blob) widen(s *span) error {
	w := b.window
	w.mu.Lock()
	defer w.mu.Unlock()
	b.whole = true
	keep := max(1, slices.Index(b.spans, s)) // s goes if it is not the first
	for !s.dropped && len(b.spans) > keep {
		b.drop()
	}
	if s.dropped {
		return context.Canceled
	}
	s.end, b.next = b.size, b.size
	return nil
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
