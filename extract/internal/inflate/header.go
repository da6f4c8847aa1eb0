package inflate

import "encoding/binary"

// order is that in which the lengths of the codes for lengths come (RFC 1951, section 3.2.7).
var order = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// header reads that of a block, and makes its tables.
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
			return d.corrupt(s, "a wrong length of a stored block")
		}
		d.left = int(uint16(v))
		d.state = stored
		return nil
	case 1:
		d.state = coded
		if !d.fixed {
			d.buildFixed()
		}
		return nil
	case 2:
		return d.dynamic(s)
	}
	return d.corrupt(s, "a block of type 3")
}

// dynamic reads the codes of a block. What it refuses is what zlib's inflate.c refuses; compress/flate lets some of it pass, but
// only where no block can end: without a code for its end, or with a code for lengths of which a single one is used.
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
	if !d.assign(lens[:]) {
		return d.corrupt(s, "over-subscribed or incomplete code for lengths")
	}
	var pre [128]uint8 // symbol in bits 3-7, bits of its code in bits 0-2
	for l := 1; l <= 7; l++ {
		for i := d.start[l]; i < d.start[l+1]; i++ {
			for k := int(d.code[i]); k < 128; k += 1 << l {
				pre[k] = uint8(d.rank[i])<<3 | uint8(l)
			}
		}
	}
	n := nlit + ndist
	if err := d.lengths(s, &pre, n); err != nil {
		return err
	}
	if d.lens[256] == 0 {
		return d.corrupt(s, "no code for the end of the block")
	}
	if !d.buildLit(d.lens[:nlit]) {
		return d.corrupt(s, "over-subscribed or incomplete literal code")
	}
	if !d.buildDist(d.lens[nlit:n]) {
		return d.corrupt(s, "over-subscribed or incomplete distance code")
	}
	d.state = coded
	return nil
}

// lengths reads total lengths of codes, with the code in pre.
func (d *deflate) lengths(s *source, pre *[128]uint8, total int) error {
	for i := 0; i < total; {
		// One bit more at a time, as the stream may end right after the last code.
		e := pre[d.bits&127]
		for uint64(e&7) > d.nbits || e == 0 {
			if e == 0 && d.nbits >= 7 {
				return d.corrupt(s, "a code of no length")
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
				return d.corrupt(s, "a length that repeats nothing")
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
			return d.corrupt(s, "a length that repeats too often")
		}
		for range n {
			d.lens[i] = v
			i++
		}
	}
	return nil
}
