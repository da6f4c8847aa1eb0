package inflate

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"testing"
)

// TestStreams compares with compress/flate on streams that are made to be on the border of what is valid.
func TestStreams(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		write func(w *bitWriter)
		want  string
		err   error
	}{
		{"nothing", func(*bitWriter) {}, "", io.ErrUnexpectedEOF},
		{"fixed, empty", func(w *bitWriter) { w.block(true, 1).fixed(256) }, "", nil},
		{"fixed, literals", func(w *bitWriter) { w.block(true, 1).fixed('a').fixed(200).fixed(256) }, "a\xc8", nil},
		{"fixed, no end", func(w *bitWriter) { w.block(true, 1).fixed('a').fixed('b') }, "ab", io.ErrUnexpectedEOF},
		{"fixed, symbol 286", func(w *bitWriter) { w.block(true, 1).fixed('a').fixed(286).bits(0, 100) }, "a", ErrCorrupt},
		{"fixed, symbol 287", func(w *bitWriter) { w.block(true, 1).fixed('a').fixed(287) }, "a", ErrCorrupt},
		{"fixed, distance 29", func(w *bitWriter) { w.block(true, 1).fixed('a').fixed(257).code(29, 5).bits(0, 13) }, "a", ErrCorrupt},
		{"fixed, distance 30", func(w *bitWriter) { w.block(true, 1).fixed('a').fixed(257).code(30, 5) }, "a", ErrCorrupt},
		{"fixed, distance 31", func(w *bitWriter) { w.block(true, 1).fixed('a').fixed(257).code(31, 5).bits(0, 600) }, "a", ErrCorrupt},
		{"match of nothing", func(w *bitWriter) { w.block(true, 1).fixed(257).code(0, 5).fixed(256) }, "", ErrCorrupt},
		{"match of all", func(w *bitWriter) { w.block(true, 1).fixed('a').fixed('b').fixed(258).code(1, 5).fixed(256) }, "ababab", nil},
		{"match of too much", func(w *bitWriter) { w.block(true, 1).fixed('a').fixed('b').fixed(258).code(2, 5).fixed(256) }, "ab", ErrCorrupt},
		{"match into the block before", func(w *bitWriter) {
			w.block(false, 1).fixed('a').fixed('b').fixed(256).block(true, 1).fixed(257).code(1, 5).fixed(256)
		}, "ababa", nil},
		{"258 in two ways", func(w *bitWriter) {
			w.block(true, 1).fixed('a').fixed(284).bits(31, 5).code(0, 5).fixed(285).code(0, 5).fixed(256)
		}, string(bytes.Repeat([]byte{'a'}, 1+258+258)), nil},
		{"stored", func(w *bitWriter) { w.block(true, 0).bits(0, 5).bits(2, 16).bits(0xfffd, 16).bits('x'|'y'<<8, 16) }, "xy", nil},
		{"stored, padding of ones", func(w *bitWriter) { w.block(true, 0).bits(31, 5).bits(0, 16).bits(0xffff, 16) }, "", nil},
		{"stored, short", func(w *bitWriter) { w.block(true, 0).bits(0, 5).bits(2, 16).bits(0xfffd, 16).bits('x', 8) }, "x", io.ErrUnexpectedEOF},
		{"stored, wrong complement", func(w *bitWriter) { w.block(true, 0).bits(0, 5).bits(2, 16).bits(0xfffe, 16).bits(0, 16) }, "", ErrCorrupt},
		{"stored, twice", func(w *bitWriter) {
			w.block(false, 0).bits(0, 5).bits(1, 16).bits(0xfffe, 16).bits('x', 8)
			w.block(true, 0).bits(0, 5).bits(1, 16).bits(0xfffe, 16).bits('y', 8)
		}, "xy", nil},
		{"fixed, then stored, then fixed", func(w *bitWriter) {
			w.block(false, 1).fixed('a').fixed(256).block(false, 0)
			w.bits(0, (8-w.n%8)%8).bits(1, 16).bits(0xfffe, 16).bits('b', 8)
			w.block(true, 1).fixed(257).code(1, 5).fixed(256)
		}, "ababa", nil},
		{"type 3", func(w *bitWriter) { w.block(true, 3).bits(0, 500) }, "", ErrCorrupt},
		{"287 literals", func(w *bitWriter) { w.head(true, 287, 1).bits(0, 2000) }, "", ErrCorrupt},
		{"31 distances", func(w *bitWriter) { w.head(true, 257, 31).bits(0, 2000) }, "", ErrCorrupt},
		{"no code for lengths", func(w *bitWriter) { w.block(true, 2).bits(0, 14).bits(0, 12).bits(0, 200) }, "", ErrCorrupt},
		{"one code for lengths", func(w *bitWriter) { w.block(true, 2).bits(0, 14).bits(1<<6, 12).bits(0, 4000) }, "", ErrCorrupt},
		{"over-subscribed code for lengths", func(w *bitWriter) { w.block(true, 2).bits(0, 14).bits(0o1111, 12).bits(0, 200) }, "", ErrCorrupt},
		{"incomplete code for lengths", func(w *bitWriter) { w.block(true, 2).bits(0, 14).bits(0o0222, 12).bits(0, 200) }, "", ErrCorrupt},
		{"repeat of nothing", func(w *bitWriter) { w.block(true, 2).bits(0, 14).bits(0o1001, 12).bits(0xff, 200) }, "", ErrCorrupt},
		{"repeat past the end", func(w *bitWriter) {
			w.block(true, 2).bits(0, 14).bits(0o1100, 12).bits(^uint64(0), 64).bits(^uint64(0), 64)
		}, "", ErrCorrupt},
		{"no end of block", func(w *bitWriter) {
			w.dynamic(true, lensOf(257, map[int]uint8{'a': 1, 'b': 1}), []uint8{1}).bits(0, 200)
		}, "", ErrCorrupt},
		{"only an end of block", func(w *bitWriter) { w.dynamic(true, lensOf(257, map[int]uint8{256: 1}), []uint8{0}).bits(0, 1) }, "", nil},
		{"only an end of block, and not that", func(w *bitWriter) { w.dynamic(true, lensOf(257, map[int]uint8{256: 1}), []uint8{0}).bits(1, 600) }, "", ErrCorrupt},
		{"only an end of block, of two bits", func(w *bitWriter) { w.dynamic(true, lensOf(257, map[int]uint8{256: 2}), []uint8{0}).bits(0, 600) }, "", ErrCorrupt},
		{"incomplete literals", func(w *bitWriter) {
			w.dynamic(true, lensOf(257, map[int]uint8{'a': 2, 256: 1}), []uint8{0}).bits(0, 600)
		}, "", ErrCorrupt},
		{"over-subscribed literals", func(w *bitWriter) {
			w.dynamic(true, lensOf(257, map[int]uint8{'a': 1, 'b': 1, 256: 1}), []uint8{0}).bits(0, 600)
		}, "", ErrCorrupt},
		{"no distance, not used", func(w *bitWriter) {
			w.dynamic(true, lensOf(258, map[int]uint8{'a': 1, 256: 2, 257: 2}), []uint8{0}).bits(0, 1).code(2, 2)
		}, "a", nil},
		{"no distance, used", func(w *bitWriter) {
			w.dynamic(true, lensOf(258, map[int]uint8{'a': 1, 256: 2, 257: 2}), []uint8{0}).bits(0, 1).code(3, 2).bits(0, 600)
		}, "a", ErrCorrupt},
		{"one distance of one bit", func(w *bitWriter) {
			w.dynamic(true, lensOf(258, map[int]uint8{'a': 1, 256: 2, 257: 2}), []uint8{1}).bits(0, 1).code(3, 2).bits(0, 1).code(2, 2)
		}, "aaaa", nil},
		{"one distance of one bit, the other one", func(w *bitWriter) {
			w.dynamic(true, lensOf(258, map[int]uint8{'a': 1, 256: 2, 257: 2}), []uint8{1}).bits(0, 1).code(3, 2).bits(1, 1).bits(0, 600)
		}, "a", ErrCorrupt},
		{"one distance of two bits", func(w *bitWriter) {
			w.dynamic(true, lensOf(258, map[int]uint8{'a': 1, 256: 2, 257: 2}), []uint8{2}).bits(0, 1).code(2, 2)
		}, "", ErrCorrupt},
		{"incomplete distances", func(w *bitWriter) {
			w.dynamic(true, lensOf(257, map[int]uint8{'a': 1, 256: 1}), []uint8{2, 2, 2}).bits(0, 1).bits(1, 1)
		}, "", ErrCorrupt},
		{"over-subscribed distances", func(w *bitWriter) {
			w.dynamic(true, lensOf(257, map[int]uint8{'a': 1, 256: 1}), []uint8{1, 1, 1}).bits(0, 1).bits(1, 1)
		}, "", ErrCorrupt},
		{"one of two literals of an entry cut off", func(w *bitWriter) {
			// An odd number of bits is left of the last byte, where entries hold two literals of a bit each.
			w.block(false, 1).fixed(200).fixed(256)
			w.dynamic(true, lensOf(257, map[int]uint8{'a': 1, 'b': 2, 256: 2}), []uint8{0})
		}, "\xc8aaa", io.ErrUnexpectedEOF},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var w bitWriter
			c.write(&w)
			got, used, err := raw(w.b)
			want, wused, werr := stdlibRaw(w.b)
			if (err == nil) != (werr == nil) || !agree(got, want, err) || err == nil && used != wused {
				t.Errorf("got %q of %d, %v; compress/flate says %q of %d, %v", got, used, err, want, wused, werr)
			}
			if !errors.Is(err, c.err) || string(got) != c.want {
				t.Errorf("got %q, %v; want %q, %v", got, err, c.want, c.err)
			}
		})
	}
}

// agree reports whether the bytes are the same, as far as they go where an error ends them: compress/flate may stop a little
// earlier, as it never looks at fewer bits than the code of an end of block has, or later, where no block can end.
func agree(got, want []byte, err error) bool {
	if err == nil {
		return bytes.Equal(got, want)
	}
	return bytes.HasPrefix(got, want) || bytes.HasPrefix(want, got)
}

// small is a stream of several kinds of blocks.
func small(t *testing.T) (blob, plain []byte) {
	t.Helper()
	plain = append(sourceTar(t, 3000)[:3000], random(200)...)
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	z.Name, z.Comment, z.Extra = "name", "comment", []byte("extra")
	for _, part := range [][]byte{plain[:10], plain[10:2500], plain[2500:]} {
		if _, err := z.Write(part); err != nil {
			t.Fatal(err)
		}
		if err := z.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes(), plain
}

func TestTruncations(t *testing.T) {
	t.Parallel()
	blob, plain := small(t)
	z, err := New(bytes.NewReader(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for n := 2; n < len(blob); n++ {
		if err := z.Reset(bytes.NewReader(blob[:n])); err != nil {
			t.Fatal(err)
		}
		got, err := rest(z)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("after %d bytes: got %v", n, err)
		}
		want, _ := stdlib(blob[:n])
		if !bytes.HasPrefix(plain, got) || len(got) < len(want) {
			t.Fatalf("after %d bytes: got %d right bytes, where compress/gzip gets %d", n, len(got), len(want))
		}
	}
}

func TestBitFlips(t *testing.T) {
	t.Parallel()
	blob, _ := small(t)
	z, err := New(bytes.NewReader(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for i := 16; i < len(blob)*8; i++ { // the magic number decides on the format, so it is not part of this
		b := bytes.Clone(blob)
		b[i/8] ^= 1 << (i % 8)
		if err := z.Reset(bytes.NewReader(b)); err != nil {
			t.Fatal(err)
		}
		got, err := rest(z)
		want, werr := stdlib(b)
		if reserved := i/8 == 3 && i%8 >= 5; reserved {
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("bit %d, a reserved flag: got %v", i, err)
			}
			continue
		}
		if (err == nil) != (werr == nil) || err == nil && !bytes.Equal(got, want) {
			t.Errorf("bit %d: got %d bytes, %v; compress/gzip says %d, %v", i, len(got), err, len(want), werr)
		}
		if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("bit %d: got %v, which is neither of the two errors that bytes can have", i, err)
		}
	}
}
