package inflate

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// Flags of a member's header (RFC 1952, section 2.3.1).
const (
	flagHeaderCRC = 1 << 1
	flagExtra     = 1 << 2
	flagName      = 1 << 3
	flagComment   = 1 << 4
	flagReserved  = 7 << 5
)

// gzipFormat is the format of layers of RFC 1952: members, one after another.
//
// What follows the last member must be nothing, or zero bytes up to the end, with which tapes and sectors are padded: gzip(1)
// takes those in silence. Go's compress/gzip refuses them. Other bytes gzip(1) ignores with a warning and Go refuses; here
// they are refused, as nobody would read a warning, and so is a member after zero bytes, which gzip(1) would lose.
// Reserved flags are refused as the RFC demands and gzip(1) does, though Go ignores them.
type gzipFormat struct {
	src   *source
	flate deflate
	stage stage
	crc   uint32 // of the member so far; of its header before
	size  uint32 // likewise, modulo 2^32
	prev  *Block // the block before, whose end is the window
	end   int    // of what was decoded into it
}

// stage is the part of a member that comes next.
type stage int

const (
	memberFirst stage = iota // as memberNext, but it must be there
	memberNext
	memberBody
	memberTrailer
)

func (g *gzipFormat) reset(s *source) {
	g.src, g.stage, g.prev = s, memberFirst, nil
}

func (g *gzipFormat) fill(b *Block) error {
	if g.prev != nil {
		copy(b.buf[:windowSize], g.prev.buf[g.end-windowSize:g.end])
		g.flate.slide(g.end - windowSize)
	}
	at, err := g.members(&b.buf)
	b.data = b.buf[windowSize:at]
	g.prev, g.end = b, at
	return err
}

// members decodes until the block is full, and returns where what was decoded ends.
func (g *gzipFormat) members(out *buffer) (int, error) {
	at := windowSize
	for {
		switch g.stage {
		case memberFirst, memberNext:
			if g.stage == memberNext {
				if err := g.between(); err != nil {
					return at, err
				}
			}
			if err := g.header(); err != nil {
				return at, err
			}
			g.flate.reset(at)
			g.crc, g.size = 0, 0
			g.stage = memberBody
		case memberBody:
			from := at
			var err error
			at, err = g.flate.decode(g.src, out, at)
			g.crc = crc32.Update(g.crc, crc32.IEEETable, out[from:at])
			g.size += uint32(at - from)
			if err != nil || g.flate.state != done {
				return at, err
			}
			g.stage = memberTrailer
		case memberTrailer:
			if err := g.trailer(); err != nil {
				return at, err
			}
			g.stage = memberNext
		}
	}
}

// between returns nil if a member follows, and io.EOF at the end.
func (g *gzipFormat) between() error {
	s := g.src
	zeros := false
	for {
		if err := s.want(1); err != nil {
			return err
		}
		rest := bytes.TrimLeft(s.unread(), "\x00")
		zeros = zeros || len(rest) < len(s.unread())
		s.pos = s.end - len(rest)
		switch {
		case len(rest) == 0:
			continue
		case zeros:
			return fmt.Errorf("inflating: %w: something after the padding at byte %d", ErrCorrupt, s.offset())
		case rest[0] != 0x1f:
			return fmt.Errorf("inflating: %w: something after the last gzip member at byte %d", ErrCorrupt, s.offset())
		}
		return nil
	}
}

func (g *gzipFormat) header() error {
	s := g.src
	if err := g.want(10); err != nil {
		return err
	}
	h := s.unread()
	flags := h[3]
	switch {
	case h[0] != 0x1f || h[1] != 0x8b:
		return g.corrupt("magic number")
	case h[2] != 8:
		return g.corrupt("compression method")
	case flags&flagReserved != 0:
		return g.corrupt("reserved flags")
	}
	g.crc = 0
	g.pass(10)
	if flags&flagExtra != 0 {
		if err := g.want(2); err != nil {
			return err
		}
		n := int(binary.LittleEndian.Uint16(s.unread()))
		g.pass(2)
		for n > 0 {
			if err := g.want(1); err != nil {
				return err
			}
			m := min(n, len(s.unread()))
			g.pass(m)
			n -= m
		}
	}
	for _, f := range [...]byte{flagName, flagComment} {
		if flags&f == 0 {
			continue
		}
		if err := g.text(); err != nil {
			return err
		}
	}
	if flags&flagHeaderCRC != 0 {
		if err := g.want(2); err != nil {
			return err
		}
		if binary.LittleEndian.Uint16(s.unread()) != uint16(g.crc) {
			return g.corrupt("checksum of the header")
		}
		s.pos += 2
	}
	return nil
}

// text passes over a string and the zero byte that ends it.
func (g *gzipFormat) text() error {
	for {
		if err := g.want(1); err != nil {
			return err
		}
		if i := bytes.IndexByte(g.src.unread(), 0); i >= 0 {
			g.pass(i + 1)
			return nil
		}
		g.pass(len(g.src.unread()))
	}
}

func (g *gzipFormat) trailer() error {
	if err := g.want(8); err != nil {
		return err
	}
	t := g.src.unread()
	if binary.LittleEndian.Uint32(t) != g.crc {
		return g.corrupt("checksum")
	}
	if binary.LittleEndian.Uint32(t[4:]) != g.size {
		return g.corrupt("size")
	}
	g.src.pos += 8
	return nil
}

// pass goes over n bytes of a header.
func (g *gzipFormat) pass(n int) {
	g.crc = crc32.Update(g.crc, crc32.IEEETable, g.src.unread()[:n])
	g.src.pos += n
}

// want is that of the source, but that the end is always unexpected.
func (g *gzipFormat) want(n int) error { return g.src.must(n) }

func (g *gzipFormat) corrupt(what string) error {
	return fmt.Errorf("inflating: %w: wrong %s of the gzip member at byte %d", ErrCorrupt, what, g.src.offset())
}
