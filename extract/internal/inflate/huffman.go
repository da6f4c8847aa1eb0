package inflate

import "math/bits"

const (
	litBits  = 12 // of 16 KiB, half of a usual L1 cache; 11 and 10 are slower, and entries of three literals no faster
	distBits = 9
	maxCode  = 15 // bits of a code (RFC 1951, section 3.2.7)
	litSub   = maxCode - litBits
	distSub  = maxCode - distBits
	maxLit   = 288
	maxDist  = 32
)

// An entry of the literal/length table is
//   - 1 or 2 literals: their count in bits 6-7, themselves from bit 8 on, first one lowest;
//   - a length: bits 6-7 and 12 clear, the bits of the code in bits 8-11, the base from bit 16 on;
//   - anything else: bits 6-7 clear, bit 12 set, and one of the flags below.
//
// In all of them bits 0-5 are how many bits to consume, extra bits included: a shift takes the entry as its count as it is.
// An entry of the distance table is like a length, with bit 6 set for a subtable and bit 7 for no code at all.
const (
	entryLiteral = 3 << 6
	entryOther   = 1 << 12
	entryEnd     = 1 << 13
	entrySub     = 1 << 14
	entryBad     = 1 << 15
	distOther    = 3 << 6
	distIsSub    = 1 << 6
	distIsBad    = 1 << 7
)

// tables are those of a block.
type tables struct {
	lit   [1<<litBits + maxLit/2<<litSub]uint32
	dist  [1<<distBits + maxDist/2<<distSub]uint32
	lens  [maxLit + maxDist]uint8 // of the codes, in bits
	rank  [maxLit]uint16          // symbols by length, then value
	code  [maxLit]uint16          // of those, bits reversed
	start [maxCode + 2]int        // where a length begins in rank
	fixed bool                    // lit and dist are those of buildFixed
}

// Lengths and distances (RFC 1951, section 3.2.5).
var (
	lengthBase = [32]uint16{
		3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31,
		35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
	}
	lengthExtra = [32]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase    = [32]uint16{
		1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769,
		1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577,
	}
	distExtra = [32]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
)

// assign gives every symbol its code: canonical, sorted into t.rank and t.code. It reports whether the set of lengths is one that
// can be used: complete, or a single code of one bit (RFC 1951, section 3.2.7, on distances), or none at all.
func (t *tables) assign(lens []uint8) bool {
	var count [maxCode + 1]int
	for _, l := range lens {
		count[l&15]++
	}
	left := 1
	at := 0
	var next [maxCode + 2]int
	var first [maxCode + 2]uint32
	code := uint32(0)
	for l := 1; l <= maxCode; l++ {
		left = left<<1 - count[l]
		if left < 0 {
			return false
		}
		code <<= 1
		first[l] = code
		code += uint32(count[l])
		t.start[l], next[l] = at, at
		at += count[l]
	}
	t.start[maxCode+1] = at
	if left > 0 && at > 0 && (at > 1 || count[1] != 1) {
		return false
	}
	for s, l := range lens {
		if l &= 15; l > 0 {
			i := next[l]
			next[l]++
			t.rank[i] = uint16(s)
			t.code[i] = bits.Reverse16(uint16(first[l])) >> (16 - l)
			first[l]++
		}
	}
	return true
}

func litEntry(sym, l uint32) uint32 {
	switch {
	case sym < 256:
		return 1<<6 | sym<<8 | l
	case sym == 256:
		return entryOther | entryEnd | l
	case sym > 285:
		return entryOther | entryBad | l
	}
	s := (sym - 257) & 31
	return uint32(lengthBase[s])<<16 | l<<8 | (l + uint32(lengthExtra[s]))
}

// buildLit makes the literal/length table. It grows bit by bit: with every bit more, what is there is doubled, and then the codes
// of that length overwrite what no shorter code has claimed. So the cost is that of the codes and of a few copies.
//
// Where codes are longer than litBits, their first litBits bits are the place of a subtable. At least two codes share such a
// beginning, the set being complete, so there are at most maxLit/2 subtables.
func (t *tables) buildLit(lens []uint8) bool {
	if !t.assign(lens) {
		return false
	}
	t.lit[0] = entryOther | entryBad
	var lits [maxCode + 2]int // where the literals of a length end
	for l := 1; l <= maxCode; l++ {
		i := t.start[l]
		for i < t.start[l+1] && t.rank[i] < 256 {
			i++
		}
		lits[l] = i
	}
	size := 1
	for l := 1; l <= litBits; l++ {
		copy(t.lit[size:2*size], t.lit[:size])
		size *= 2
		for i := t.start[l]; i < t.start[l+1]; i++ {
			t.lit[t.code[i]&litMask] = litEntry(uint32(t.rank[i]), uint32(l))
		}
		t.pairs(l, &lits)
	}
	next := uint32(1 << litBits)
	for i := t.start[litBits+1]; i < t.start[maxCode+1]; i++ {
		l := uint32(litBits + 1)
		for i >= t.start[l+1] {
			l++
		}
		c := uint32(t.code[i])
		p := &t.lit[c&litMask]
		if *p&(entryOther|entrySub) != entryOther|entrySub {
			*p = entryOther | entrySub | next<<16
			next += 1 << litSub
		}
		sub := t.lit[*p>>16:][:1<<litSub]
		e := litEntry(uint32(t.rank[i]), l)
		for k := c >> litBits; k < 1<<litSub; k += 1 << (l - litBits) {
			sub[k] = e
		}
	}
	return true
}

// pairs lets entries of l bits hold two literals whose codes have as many together. There are at most 1<<l of them.
func (t *tables) pairs(l int, lits *[maxCode + 2]int) {
	for la := 1; la < l; la++ {
		second := t.rank[t.start[l-la]:lits[l-la]]
		codes := t.code[t.start[l-la]:][:len(second)]
		if len(second) == 0 {
			continue
		}
		for i := t.start[la]; i < lits[la]; i++ {
			e := 2<<6 | uint32(t.rank[i])<<8 | uint32(l)
			for j, b := range second {
				t.lit[(t.code[i]|codes[j]<<(la&15))&litMask] = e | uint32(b)<<16
			}
		}
	}
}

func distEntry(sym, l uint32) uint32 {
	if sym > 29 {
		return distIsBad | l
	}
	s := sym & 31
	return uint32(distBase[s])<<16 | l<<8 | (l + uint32(distExtra[s]))
}

// buildDist makes the table of distances, as buildLit does its own.
func (t *tables) buildDist(lens []uint8) bool {
	if !t.assign(lens) {
		return false
	}
	t.dist[0] = distIsBad
	size := 1
	for l := 1; l <= distBits; l++ {
		copy(t.dist[size:2*size], t.dist[:size])
		size *= 2
		for i := t.start[l]; i < t.start[l+1]; i++ {
			t.dist[t.code[i]&distMask] = distEntry(uint32(t.rank[i]), uint32(l))
		}
	}
	next := uint32(1 << distBits)
	for i := t.start[distBits+1]; i < t.start[maxCode+1]; i++ {
		l := uint32(distBits + 1)
		for i >= t.start[l+1] {
			l++
		}
		c := uint32(t.code[i])
		p := &t.dist[c&distMask]
		if *p&distOther != distIsSub {
			*p = distIsSub | next<<16
			next += 1 << distSub
		}
		sub := t.dist[*p>>16:][:1<<distSub]
		e := distEntry(uint32(t.rank[i]), l)
		for k := c >> distBits; k < 1<<distSub; k += 1 << (l - distBits) {
			sub[k] = e
		}
	}
	return true
}

// buildFixed makes both tables for the codes of section 3.2.6.
func (t *tables) buildFixed() {
	for i := range t.lens {
		switch {
		case i < 144, i >= 280 && i < maxLit:
			t.lens[i] = 8
		case i < 256:
			t.lens[i] = 9
		case i < 280:
			t.lens[i] = 7
		default:
			t.lens[i] = 5
		}
	}
	t.buildLit(t.lens[:maxLit])
	t.buildDist(t.lens[maxLit:])
	t.fixed = true
}
