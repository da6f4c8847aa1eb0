package inflate

import (
	"fmt"
	"io"
)

const (
	inSize = 128 << 10
	// inSlack is what one turn of the fast loop may load from the input: three loads of eight bytes, what it skips between, and room to spare.
	inSlack = 64
)

// source is the compressed bytes, through one buffer that the decoder works in.
type source struct {
	r   io.Reader
	buf [inSize + inSlack]byte // the slack is never data: it lets the fast loop load without a check of bounds
	pos int                    // the next byte
	end int                    // after the last one read
	off int64                  // of buf[0] in the stream
	err error                  // of r, after buf[:end]
}

func (s *source) reset(r io.Reader) {
	s.r, s.pos, s.end, s.off, s.err = r, 0, 0, 0, nil
}

func (s *source) unread() []byte { return s.buf[s.pos:s.end] }

// offset is that of the next byte in the stream.
func (s *source) offset() int64 { return s.off + int64(s.pos) }

// want makes n bytes available, n being at most inSlack. It returns io.EOF if the stream ends before the first of them, an
// io.ErrUnexpectedEOF that names the place if it ends later, and an error of the underlying reader wrapped.
func (s *source) want(n int) error {
	for s.end-s.pos < n && s.err == nil {
		s.more()
	}
	switch {
	case s.end-s.pos >= n:
		return nil
	case s.err != io.EOF:
		return s.failure()
	case s.pos == s.end:
		return io.EOF
	}
	return s.truncated()
}

// must is want where the stream may not end.
func (s *source) must(n int) error {
	err := s.want(n)
	if err == io.EOF {
		return s.truncated()
	}
	return err
}

func (s *source) truncated() error {
	return fmt.Errorf("inflating: %w after %d bytes", io.ErrUnexpectedEOF, s.off+int64(s.end))
}

func (s *source) failure() error {
	return fmt.Errorf("reading compressed bytes at %d: %w", s.off+int64(s.end), s.err)
}

// skip passes over n bytes, which must be there.
func (s *source) skip(n int64) error {
	for n > 0 {
		if err := s.must(1); err != nil {
			return err
		}
		m := min(n, int64(s.end-s.pos))
		s.pos += int(m)
		n -= m
	}
	return nil
}

// more reads once, or as often as it takes to learn something.
func (s *source) more() {
	if drop := s.pos - 8; drop > 0 { // the decoder may give eight bytes back
		s.off += int64(drop)
		s.end = copy(s.buf[:], s.buf[drop:s.end])
		s.pos = 8
	}
	for range 100 {
		n, err := s.r.Read(s.buf[s.end:inSize])
		s.end += n
		if err != nil {
			s.err = err
		}
		if n > 0 || err != nil {
			return
		}
	}
	s.err = io.ErrNoProgress
}

// Read implements io.Reader, for a decoder with a buffer of its own.
func (s *source) Read(p []byte) (int, error) {
	if s.pos == s.end && s.err == nil {
		if len(p) >= inSize {
			// As large as our buffer: past it.
			n, err := s.r.Read(p)
			s.off += int64(n)
			s.err = err
			if n > 0 || err != nil {
				return n, s.verdict()
			}
		}
		s.more()
	}
	n := copy(p, s.buf[s.pos:s.end])
	s.pos += n
	if n == 0 {
		return 0, s.verdict()
	}
	return n, nil
}

// verdict is s.err as those may know it who compare errors with ==: a failure must not look like io.EOF.
func (s *source) verdict() error {
	if s.err == nil || s.err == io.EOF {
		return s.err
	}
	return s.failure()
}
