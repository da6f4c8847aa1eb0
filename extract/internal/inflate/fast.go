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
	short                   // the input ends in the middle of a symbol
	tooFar                  // a distance to before the beginning
)

func (d *deflate) fast(s *source, out *buffer, at int) (int, status) {
	bb, nb := d.bits, d.nbits
	ip := s.pos
	op := at
	hist := max(d.hist, 0)
	_ = out[0]
	last := s.end - inSlack
	st := more
	if ip > last {
		return at, st
	}
	i := ip & (1<<17 - 1)
	bb |= binary.LittleEndian.Uint64(s.buf[i:i+8]) << (nb & 63)
	ip += int((^nb & 63) >> 3)
	nb |= 56
	e := d.lit[bb&(1<<litBits-1)]
	for uint(op) < windowSize+BlockSize && ip <= last {
		if e&entryLiteral != 0 {
			bb >>= e & 63
			nb -= uint64(e)
			binary.LittleEndian.PutUint32(out[op:op+4], bits.RotateLeft32(e, -8))
			op += int(e >> 6 & 3)
			e = d.lit[bb&(1<<litBits-1)]

			if e&entryLiteral != 0 {
				bb >>= e & 63
				nb -= uint64(e)
				binary.LittleEndian.PutUint32(out[op:op+4], bits.RotateLeft32(e, -8))
				op += int(e >> 6 & 3)
				e = d.lit[bb&(1<<litBits-1)]

				if e&entryLiteral != 0 {
					bb >>= e & 63
					nb -= uint64(e)
					binary.LittleEndian.PutUint32(out[op:op+4], bits.RotateLeft32(e, -8))
					op += int(e >> 6 & 3)
					i := ip & (1<<17 - 1)
					bb |= binary.LittleEndian.Uint64(s.buf[i:i+8]) << (nb & 63)
					ip += int((^nb & 63) >> 3)
					nb |= 56
					e = d.lit[bb&(1<<litBits-1)]

					continue
				}
			}
			i := ip & (1<<17 - 1)
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
					i := ip & (1<<17 - 1)
					bb |= binary.LittleEndian.Uint64(s.buf[i:i+8]) << (nb & 63)
					ip += int((^nb & 63) >> 3)
					nb |= 56
					e = d.lit[bb&(1<<litBits-1)]

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
		e = d.dist[bb&(1<<distBits-1)]
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
		i := ip & (1<<17 - 1)
		bb |= binary.LittleEndian.Uint64(s.buf[i:i+8]) << (nb & 63)
		ip += int((^nb & 63) >> 3)
		nb |= 56
		e = d.lit[bb&(1<<litBits-1)]

		length &= 511
		if uint(op) >= windowSize+BlockSize+64 {
			break // cannot be; spares checks of bounds
		}
		src := op - dist
		if src < hist || src >= op {
			st = tooFar
			break
		}
		if dist >= 16 {
			copy(out[op:op+16], out[src:src+16])
			copy(out[op+16:op+32], out[src+16:src+32])
			if length > 32 {
				to, from := out[op:op+544], out[src:src+544]
				for n := 32; n < length; n += 32 {
					copy(to[n:n+16], from[n:n+16])
					copy(to[n+16:n+32], from[n+16:n+32])
				}
			}
		} else if dist >= 8 {
			to, from := out[op:op+544], out[src:src+544]
			for n := 0; n < length; n += 8 {
				binary.LittleEndian.PutUint64(to[n:n+8], binary.LittleEndian.Uint64(from[n:n+8]))
			}
		} else if dist == 1 {
			to := out[op : op+544]
			v := uint64(out[src]) * 0x0101010101010101
			for n := 0; n < length; n += 8 {
				binary.LittleEndian.PutUint64(to[n:n+8], v)
			}
		} else {
			to, from := out[op:op+544], out[src:src+544]
			for n := 0; n < length; n++ {
				to[n] = from[n]
			}
		}
		op += length
	}
	d.bits, d.nbits = bb, nb&63
	s.pos = ip
	return op, st
}
