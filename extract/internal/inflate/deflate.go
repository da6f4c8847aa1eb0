package inflate

import (
	"encoding/binary"
	"fmt"
)

// deflate decodes a stream of RFC 1951. It may stop between any two symbols: a block that is handed out may hold a few bytes
// more than BlockSize, so no match is ever cut.
type deflate struct {
	tables
	bits  uint64 // of the input, lowest first; from nbits on, zeros or the bits that follow in the source
	nbits uint64
	hist  int // index of the oldest byte that a match may reach
	state state
	final bool // no block follows this one
	left  int  // of a stored block, in bytes
}

// state is the part of a stream that comes next.
type state int

const (
	header state = iota
	stored
	coded
	done
)

// reset begins with a stream whose first byte will be at index at.

func (d *deflate) reset(at int) {
	d.bits, d.nbits, d.hist, d.state, d.final = 0, 0, at, header, false
}

// slide says that all that was decoded is now n bytes nearer to the beginning of the buffer.
func (d *deflate) slide(n int) { d.hist = max(d.hist-n, 0) }

// need makes n bits available.
func (d *deflate) need(s *source, n uint64) error {
	for d.nbits < n {
		if s.pos == s.end {
			if err := s.must(1); err != nil {
				return err
			}
		}
		d.bits |= uint64(s.buf[s.pos]) << d.nbits
		s.pos++
		d.nbits += 8
	}
	return nil
}

func (d *deflate) take(n uint64) uint64 {
	v := d.bits & (1<<n - 1)
	d.bits >>= n
	d.nbits -= n
	return v
}

// giveBack returns whole bytes to the source, which keeps eight of those that were taken.
func (d *deflate) giveBack(s *source) {
	s.pos -= int(d.nbits >> 3)
	d.nbits &= 7
	d.bits &= 1<<d.nbits - 1
}

func (d *deflate) corrupt(s *source, what string) error {
	return fmt.Errorf("inflating: %w: %s at byte %d", ErrCorrupt, what, s.offset()-int64(d.nbits>>3))
}

// decode decodes into out from at on until it is full or the stream is done.
func (d *deflate) decode(s *source, out *buffer, at int) (int, error) {
	for at < windowSize+BlockSize {
		switch d.state {
		case header:
			if d.final {
				d.giveBack(s)
				d.bits, d.nbits = 0, 0
				d.state = done
				return at, nil
			}
			if err := d.header(s); err != nil {
				return at, err
			}
		case stored:
			n := min(d.left, windowSize+BlockSize-at)
			if n == 0 {
				d.state = header
				continue
			}
			if err := s.must(1); err != nil {
				return at, err
			}
			n = copy(out[at:at+n], s.unread())
			s.pos += n
			at += n
			d.left -= n
		case coded:
			if s.end-s.pos < inSlack {
				d.giveBack(s)
			}
			var st status
			// An error here means that the end is near. It counts once a symbol wants more than there is.
			err := s.must(inSlack)
			if err == nil {
				at, st = d.fast(s, out, at)
			} else {
				at, st = d.step(s, out, at)
			}
			switch st {
			case short:
				return at, err
			case endBlock:
				d.state = header
			case badSymbol:
				return at, d.corrupt(s, "a code of no symbol")
			case badDist:
				return at, d.corrupt(s, "a code of no distance")
			case tooFar:
				return at, d.corrupt(s, "a match from before the beginning")
			}
		case done:
			return at, nil
		}
	}
	return at, nil
}

// step decodes one symbol where the input may end in the middle of it.
func (d *deflate) step(s *source, out *buffer, at int) (int, status) {
	for d.nbits < 56 && s.pos < s.end {
		d.bits |= uint64(s.buf[s.pos]) << d.nbits
		s.pos++
		d.nbits += 8
	}
	e := d.lit[d.bits&(1<<litBits-1)]
	if e&(entryLiteral|entrySub) == entrySub && e&entryOther != 0 {
		e = d.lit[e>>16+uint32(d.bits>>litBits)&(1<<litSub-1)]
	}
	if e&entryLiteral != 0 {
		n, l := int(e>>6&3), uint64(e&63)
		if l > d.nbits {
			n, l = 1, uint64(d.lens[e>>8&255])
		}
		if l > d.nbits {
			return at, short
		}
		d.take(l)
		binary.LittleEndian.PutUint32(out[at:], e>>8)
		return at + n, more
	}
	if uint64(e&63) > d.nbits {
		return at, short
	}
	if e&entryOther != 0 {
		d.take(uint64(e & 63))
		if e&entryEnd != 0 {
			return at, endBlock
		}
		return at, badSymbol
	}
	v := d.take(uint64(e & 63))
	length := int(e>>16) + int(v>>(e>>8&15))
	e = d.dist[d.bits&(1<<distBits-1)]
	if e&distOther == distIsSub {
		e = d.dist[e>>16+uint32(d.bits>>distBits)&(1<<distSub-1)]
	}
	if uint64(e&63) > d.nbits {
		return at, short
	}
	if e&distIsBad != 0 {
		return at, badDist
	}
	v = d.take(uint64(e & 63))
	dist := int(e>>16) + int(v>>(e>>8&15))
	if at-dist < d.hist {
		return at, tooFar
	}
	for i := range length {
		out[at+i] = out[at-dist+i]
	}
	return at + length, more
}
