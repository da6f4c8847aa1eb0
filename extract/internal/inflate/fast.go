package inflate

import (
	"encoding/binary"
	"math/bits"
)

// status is how a piece of decoding ended.
type status int

const (
	more      status = iota // room or input is short
	endBlock                // after the end-of-block symbol
	badSymbol               // a code that stands for nothing
	badDist                 // likewise, for distances
	tooFar                  // a distance to before the beginning
	short                   // the input ends in the middle of a symbol
)

const (
	litMask  = 1<<litBits - 1
	distMask = 1<<distBits - 1
	inMask   = inSize - 1
	// reach is what a copy may touch from its beginning on: a length as it fits its mask, and a whole step more.
	reach = 512 + 32
)

// fast decodes symbols while there is plenty of input and the block is not full. At least inSlack bytes must be unread.
//
// Everything here serves one chain: bits, to entry, to how many bits remain, to the next entry. A refill tops the bits up to 56
// or more with a single load that may overlap what is already there; a match with all its extra bits takes 48 at most, three
// entries of literals 36, so that one refill is enough for either. The next entry is looked up before a match is copied,
// for the processor to have it when it guessed the end of the copy wrong. Entries are shift counts as they are, as shifts look
// at six bits only, and what nb holds above its lowest six bits is of no meaning.
//
// The masks and constant lengths let the compiler see of most indices that they are within bounds.
func (d *deflate) fast(s *source, out *buffer, at int) (int, status) {
	bb, nb := d.bits, d.nbits
	ip, op := s.pos, at
	hist := max(d.hist, 0)
	_ = out[0]
	// Two refills of up to seven bytes are made in a turn, and one before the first.
	last := s.end - inSlack + 16
	st := more

	i := ip & inMask
	bb |= binary.LittleEndian.Uint64(s.buf[i:i+8]) << (nb & 63)
	ip += int((^nb & 63) >> 3)
	nb |= 56
	e := d.lit[bb&litMask]
	for uint(op) < windowSize+BlockSize && ip <= last {
		if e&entryLiteral != 0 {
			bb >>= e & 63
			nb -= uint64(e)
			// Rotated, not shifted: with a top byte known to be zero the compiler makes three stores of one.
			binary.LittleEndian.PutUint32(out[op:op+4], bits.RotateLeft32(e, -8))
			op += int(e >> 6 & 3)
			e = d.lit[bb&litMask]
			if e&entryLiteral != 0 {
				bb >>= e & 63
				nb -= uint64(e)
				binary.LittleEndian.PutUint32(out[op:op+4], bits.RotateLeft32(e, -8))
				op += int(e >> 6 & 3)
				e = d.lit[bb&litMask]
				if e&entryLiteral != 0 {
					bb >>= e & 63
					nb -= uint64(e)
					binary.LittleEndian.PutUint32(out[op:op+4], bits.RotateLeft32(e, -8))
					op += int(e >> 6 & 3)
					i := ip & inMask
					bb |= binary.LittleEndian.Uint64(s.buf[i:i+8]) << (nb & 63)
					ip += int((^nb & 63) >> 3)
					nb |= 56
					e = d.lit[bb&litMask]
					continue
				}
			}
			i := ip & inMask
			bb |= binary.LittleEndian.Uint64(s.buf[i:i+8]) << (nb & 63)
			ip += int((^nb & 63) >> 3)
			nb |= 56
		}
		if e&entryOther != 0 {
			if e&entrySub != 0 {
				e = d.lit[e>>16+uint32(bb>>litBits)&(1<<litSub-1)]
				if e&entryLiteral != 0 {
					bb >>= e & 63
					nb -= uint64(e)
					out[op] = byte(e >> 8)
					op++
					i := ip & inMask
					bb |= binary.LittleEndian.Uint64(s.buf[i:i+8]) << (nb & 63)
					ip += int((^nb & 63) >> 3)
					nb |= 56
					e = d.lit[bb&litMask]
					continue
				}
			}
			if e&entryOther != 0 {
				bb >>= e & 63
				nb -= uint64(e)
				st = badSymbol
				if e&entryEnd != 0 {
					st = endBlock
				}
				break
			}
		}
		length := int(e>>16) + int(bb&(1<<(e&63)-1)>>(e>>8&63))
		bb >>= e & 63
		nb -= uint64(e)
		e = d.dist[bb&distMask]
		if e&distOther != 0 {
			if e&distIsSub != 0 {
				e = d.dist[e>>16+uint32(bb>>distBits)&(1<<distSub-1)]
			}
			if e&distIsBad != 0 {
				st = badDist
				break
			}
		}
		dist := int(e>>16) + int(bb&(1<<(e&63)-1)>>(e>>8&63))
		bb >>= e & 63
		nb -= uint64(e)
		src := op - dist
		if src < hist || src >= op {
			st = tooFar
			break
		}
		i := ip & inMask
		bb |= binary.LittleEndian.Uint64(s.buf[i:i+8]) << (nb & 63)
		ip += int((^nb & 63) >> 3)
		nb |= 56
		e = d.lit[bb&litMask]

		length &= 511
		to, from := out[op:op+reach], out[src:src+reach]
		switch {
		case dist >= 16:
			copy(to[:16], from[:16])
			copy(to[16:32], from[16:32])
			for n := 32; n < length; n += 32 {
				copy(to[n:n+16], from[n:n+16])
				copy(to[n+16:n+32], from[n+16:n+32])
			}
		case dist >= 8:
			for n := 0; n < length; n += 8 {
				binary.LittleEndian.PutUint64(to[n:n+8], binary.LittleEndian.Uint64(from[n:n+8]))
			}
		case dist == 1:
			v := uint64(from[0]) * 0x0101010101010101
			for n := 0; n < length; n += 8 {
				binary.LittleEndian.PutUint64(to[n:n+8], v)
			}
		default:
			// Of each word only the first dist bytes are right; the next one, dist bytes further, mends the rest.
			for n := 0; n < length; n += dist {
				binary.LittleEndian.PutUint64(to[n:n+8], binary.LittleEndian.Uint64(from[n:n+8]))
			}
		}
		op += length
	}
	d.bits, d.nbits = bb, nb&63
	s.pos = ip
	return op, st
}
