package inflate

import "encoding/binary"

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
	hist := d.hist
	if hist < 0 {
		hist = 0
	}
	last := s.end - inSlack
	st := more
	for op < windowSize+BlockSize && ip <= last {
		i := ip & (1<<17 - 1)
		bb |= binary.LittleEndian.Uint64(s.buf[i:i+8]) << (nb & 63)
		ip += int((^nb & 63) >> 3)
		nb |= 56
		e := d.lit[bb&(1<<litBits-1)]
		if e&entryLiteral != 0 {
			bb >>= e & 63
			nb -= uint64(e)
			binary.LittleEndian.PutUint32(out[op:op+4], e>>8)
			op += int(e >> 6 & 3)
			e = d.lit[bb&(1<<litBits-1)]
			if e&entryLiteral != 0 {
				bb >>= e & 63
				nb -= uint64(e)
				binary.LittleEndian.PutUint32(out[op:op+4], e>>8)
				op += int(e >> 6 & 3)
				e = d.lit[bb&(1<<litBits-1)]
				if e&entryLiteral != 0 {
					bb >>= e & 63
					nb -= uint64(e)
					binary.LittleEndian.PutUint32(out[op:op+4], e>>8)
					op += int(e >> 6 & 3)
					e = d.lit[bb&(1<<litBits-1)]
					if e&entryLiteral != 0 {
						bb >>= e & 63
						nb -= uint64(e)
						binary.LittleEndian.PutUint32(out[op:op+4], e>>8)
						op += int(e >> 6 & 3)
						continue
					}
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
		length := int(e>>16) + int(bb&(1<<(e&63)-1)>>(e>>8&15))
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
		dist := int(e>>16) + int(bb&(1<<(e&63)-1)>>(e>>8&15))
		bb >>= e & 63
		nb -= uint64(e)
		src := op - dist
		if src < hist {
			st = tooFar
			break
		}
		length &= 511
		if dist >= 16 {
			copy(out[op:op+16], out[src:src+16])
			for n := 16; n < length; n += 16 {
				copy(out[op+n:op+n+16], out[src+n:src+n+16])
			}
		} else if dist >= 8 {
			for n := 0; n < length; n += 8 {
				binary.LittleEndian.PutUint64(out[op+n:op+n+8], binary.LittleEndian.Uint64(out[src+n:src+n+8]))
			}
		} else if dist == 1 {
			v := uint64(out[src]) * 0x0101010101010101
			for n := 0; n < length; n += 8 {
				binary.LittleEndian.PutUint64(out[op+n:op+n+8], v)
			}
		} else {
			for n := 0; n < length; n++ {
				out[op+n] = out[src+n]
			}
		}
		op += length
	}
	d.bits, d.nbits = bb, nb&63
	s.pos = ip
	return op, st
}
