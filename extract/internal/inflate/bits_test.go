package inflate

import "math/bits"

// bitWriter writes DEFLATE by hand.
type bitWriter struct {
	b []byte
	n int // bits
}

// bits writes the lowest n bits of v, lowest first.
func (w *bitWriter) bits(v uint64, n int) *bitWriter {
	for i := range n {
		if w.n%8 == 0 {
			w.b = append(w.b, 0)
		}
		w.b[w.n/8] |= byte(v>>i&1) << (w.n % 8)
		w.n++
	}
	return w
}

// code writes a code of n bits, highest first.
func (w *bitWriter) code(c uint16, n uint8) *bitWriter {
	return w.bits(uint64(bits.Reverse16(c)>>(16-n)), int(n))
}

// block writes the header of a block.
func (w *bitWriter) block(final bool, kind uint64) *bitWriter {
	v := kind << 1
	if final {
		v |= 1
	}
	return w.bits(v, 3)
}

// head writes what precedes the lengths of a dynamic block, where all lengths of 0 to 15 have a code of 4 bits.
func (w *bitWriter) head(final bool, nlit, ndist int) *bitWriter {
	w.block(final, 2).bits(uint64(nlit-257), 5).bits(uint64(ndist-1), 5).bits(19-4, 4)
	for _, s := range order {
		n := uint64(4)
		if s > 15 {
			n = 0
		}
		w.bits(n, 3)
	}
	return w
}

// dynamic writes the header of a block with those codes.
func (w *bitWriter) dynamic(final bool, lit, dist []uint8) *bitWriter {
	w.head(final, len(lit), len(dist))
	for _, l := range lit {
		w.code(uint16(l), 4)
	}
	for _, l := range dist {
		w.code(uint16(l), 4)
	}
	return w
}

// fixed writes a literal or length of the fixed code.
func (w *bitWriter) fixed(s int) *bitWriter {
	switch {
	case s < 144:
		return w.code(uint16(0x30+s), 8)
	case s < 256:
		return w.code(uint16(0x190+s-144), 9)
	case s < 280:
		return w.code(uint16(s-256), 7)
	}
	return w.code(uint16(0xc0+s-280), 8)
}

// codes are those of RFC 1951, section 3.2.2.
func codes(lens []uint8) []uint16 {
	out := make([]uint16, len(lens))
	code := uint16(0)
	for l := uint8(1); l <= maxCode; l++ {
		for i, n := range lens {
			if n == l {
				out[i] = code
				code++
			}
		}
		code <<= 1
	}
	return out
}

// lensOf returns n lengths, of which only some are not zero.
func lensOf(n int, some map[int]uint8) []uint8 {
	lens := make([]uint8, n)
	for i, l := range some {
		lens[i] = l
	}
	return lens
}
