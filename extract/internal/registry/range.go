package registry

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

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
	for tries := 0; err != nil && r.at != nil && moved(err); tries++ {
		w.mu.Lock()
		if b.at.url == r.at {
			b.at = location{}
		}
		r.at = nil
		if b.at.source == from && tries == 0 {
			r.at = b.at.url // another connection knows better already, though it may be late as well
		}
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
