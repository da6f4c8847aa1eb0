package inflate

import (
	"encoding/binary"
	"fmt"
)

// deflate decodes RFC 1951.
type deflate struct {
	tables
	bits  uint64 // of the input, lowest first; from nbits on, zeros or the bits that follow in the source
	nbits uint64
	hist  int // index of the oldest byte that a match may reach
	state state
	final bool
	left  int // of a stored block
}

type state int

const (
	header state = iota
	stored
	coded
	done
)

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
			st := more
			if s.end-s.pos < inSlack {
				d.giveBack(s)
			}
			err := s.must(inSlack)
			if err == nil {
				at, st = d.fast(s, out, at)
			} else {
				if at, st = d.step(s, out, at); st == short {
					return at, err
				}
			}
			switch st {
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

var order = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

func (d *deflate) header(s *source) error {
	if err := d.need(s, 3); err != nil {
		return err
	}
	d.final = d.take(1) == 1
	switch d.take(2) {
	case 0:
		d.giveBack(s)
		d.bits, d.nbits = 0, 0
		if err := s.must(4); err != nil {
			return err
		}
		v := binary.LittleEndian.Uint32(s.buf[s.pos:])
		s.pos += 4
		if uint16(v) != ^uint16(v>>16) {
			return d.corrupt(s, "length of a stored block")
		}
		d.left = int(uint16(v))
		d.state = stored
		return nil
	case 1:
		d.state = coded
		if !d.fixed {
			for i := range 288 {
				switch {
				case i < 144:
					d.lens[i] = 8
				case i < 256:
					d.lens[i] = 9
				case i < 280:
					d.lens[i] = 7
				default:
					d.lens[i] = 8
				}
			}
			for i := 288; i < 320; i++ {
				d.lens[i] = 5
			}
			d.buildLit(d.lens[:288])
			d.buildDist(d.lens[288:])
			d.fixed = true
		}
		return nil
	case 2:
		return d.dynamic(s)
	}
	return d.corrupt(s, "block type 3")
}

func (d *deflate) dynamic(s *source) error {
	d.fixed = false
	if err := d.need(s, 14); err != nil {
		return err
	}
	nlit := int(d.take(5)) + 257
	ndist := int(d.take(5)) + 1
	nlen := int(d.take(4)) + 4
	if nlit > 286 || ndist > 30 {
		return d.corrupt(s, "too many codes")
	}
	var lens [19]uint8
	for i := range nlen {
		if err := d.need(s, 3); err != nil {
			return err
		}
		lens[order[i]] = uint8(d.take(3))
	}
	ok, _ := d.assign(lens[:])
	if !ok {
		return d.corrupt(s, "code lengths code")
	}
	var pre [128]uint8
	for l := 1; l <= 7; l++ {
		for i := d.start[l]; i < d.start[l+1]; i++ {
			for k := int(d.code[i]); k < 128; k += 1 << l {
				pre[k] = uint8(d.rank[i])<<3 | uint8(l)
			}
		}
	}
	total := nlit + ndist
	for i := 0; i < total; {
		// As at the end of input there may be fewer bits than a code of seven and its seven extra ones, ask for the true need.
		e := pre[d.bits&127]
		for uint64(e&7) > d.nbits || e == 0 {
			if e == 0 && d.nbits >= 7 {
				return d.corrupt(s, "code lengths code")
			}
			if err := d.need(s, d.nbits+1); err != nil {
				return err
			}
			e = pre[d.bits&127]
		}
		d.take(uint64(e & 7))
		sym := e >> 3
		if sym < 16 {
			d.lens[i] = sym
			i++
			continue
		}
		var v uint8
		var n, x int
		switch sym {
		case 16:
			if i == 0 {
				return d.corrupt(s, "repeat of nothing")
			}
			v = d.lens[i-1]
			n, x = 3, 2
		case 17:
			n, x = 3, 3
		default:
			n, x = 11, 7
		}
		if err := d.need(s, uint64(x)); err != nil {
			return err
		}
		n += int(d.take(uint64(x)))
		if n > total-i {
			return d.corrupt(s, "repeat past the end")
		}
		for range n {
			d.lens[i] = v
			i++
		}
	}
	if d.lens[256] == 0 {
		return d.corrupt(s, "no end of block")
	}
	// buildLit must not see distances.
	var dl [32]uint8
	copy(dl[:], d.lens[nlit:total])
	if !d.buildLit(d.lens[:nlit]) {
		return d.corrupt(s, "literal code")
	}
	if !d.buildDist(dl[:ndist]) {
		return d.corrupt(s, "distance code")
	}
	d.state = coded
	return nil
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
