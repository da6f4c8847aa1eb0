package inflate

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

func TestCorpora(t *testing.T) {
	t.Parallel()
	for name, plain := range corpora(t, 300<<10) {
		for how, with := range compressors() {
			t.Run(name+"/"+how, func(t *testing.T) {
				t.Parallel()
				blob := compress(t, with, plain)
				got, err := readAll(bytes.NewReader(blob))
				if err != nil || !bytes.Equal(got, plain) {
					t.Errorf("got %d bytes, %v; want %d", len(got), err, len(plain))
				}
				// The file that holds the stream needs not be over where the stream is.
				z := append(blob[10:len(blob):len(blob)], "more"...)
				got, used, err := raw(z)
				if err != nil || !bytes.Equal(got, plain) || used != len(blob)-18 {
					t.Errorf("raw: got %d bytes of %d, %v; want %d of %d", len(got), used, err, len(plain), len(blob)-18)
				}
			})
		}
	}
}

func TestReaders(t *testing.T) {
	t.Parallel()
	plain := sourceTar(t, 300<<10)
	blob := gz(t, plain)
	failure := errors.New("cable cut")
	for _, c := range []struct {
		name string
		r    io.Reader
		want []byte
		err  error
	}{
		{"one byte", iotest.OneByteReader(bytes.NewReader(blob)), plain, nil},
		{"half", iotest.HalfReader(bytes.NewReader(blob)), plain, nil},
		{"data with EOF", iotest.DataErrReader(bytes.NewReader(blob)), plain, nil},
		{"data with EOF, one byte", iotest.DataErrReader(iotest.OneByteReader(bytes.NewReader(blob))), plain, nil},
		{"error at once", iotest.ErrReader(failure), nil, failure},
		{"timeout", iotest.TimeoutReader(iotest.HalfReader(bytes.NewReader(blob))), nil, iotest.ErrTimeout},
		{"error at the end", io.MultiReader(bytes.NewReader(blob), iotest.ErrReader(failure)), plain, failure},
		{"error in the middle", io.MultiReader(bytes.NewReader(blob[:len(blob)/2]), iotest.ErrReader(failure)), nil, failure},
		{"unexpected end below", io.MultiReader(bytes.NewReader(blob), iotest.ErrReader(io.ErrUnexpectedEOF)), plain, io.ErrUnexpectedEOF},
		{"nothing for ever", io.MultiReader(bytes.NewReader(blob[:1000]), idle{}), nil, io.ErrNoProgress},
		{"plain", bytes.NewReader(plain), plain, nil},
		{"plain, one byte", iotest.OneByteReader(bytes.NewReader(plain)), plain, nil},
		{"plain, error at the end", io.MultiReader(bytes.NewReader(plain), iotest.ErrReader(failure)), plain, failure},
		{"plain, unexpected end below", io.MultiReader(bytes.NewReader(plain), iotest.ErrReader(io.ErrUnexpectedEOF)), plain, io.ErrUnexpectedEOF},
		{"plain, nothing for ever", io.MultiReader(bytes.NewReader(plain), idle{}), plain, io.ErrNoProgress},
		{"plain, short", bytes.NewReader([]byte{0x1f}), []byte{0x1f}, nil},
		{"no layer", bytes.NewReader(nil), nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := readAll(c.r)
			if !errors.Is(err, c.err) {
				t.Fatalf("got error %v, want %v", err, c.err)
			}
			if c.want != nil && !bytes.Equal(got, c.want) {
				t.Errorf("got %d bytes, want %d", len(got), len(c.want))
			}
			if !bytes.HasPrefix(plain, got) && c.want == nil {
				t.Error("what preceded the error is wrong")
			}
		})
	}
}

// idle never says that it has nothing.
type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

func TestRead(t *testing.T) {
	t.Parallel()
	plain := sourceTar(t, BlockSize*2)
	z, err := New(bytes.NewReader(gz(t, plain)))
	if err != nil {
		t.Fatal(err)
	}
	if err := iotest.TestReader(z, plain); err != nil {
		t.Error(err)
	}
}

// TestCodes compares with compress/flate on streams with codes that no compressor would choose.
func TestCodes(t *testing.T) {
	t.Parallel()
	whole := 0
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 0))
		var w bitWriter
		made := 0
		for block, n := 0, 1+r.IntN(3); block < n; block++ {
			lit := randomLengths(r, 257+r.IntN(30), 256)
			dist := randomLengths(r, 1+r.IntN(30), -1)
			w.dynamic(block == n-1, lit, dist)
			lc, dc := codes(lit), codes(dist)
			for range r.IntN(3000) {
				s := r.IntN(len(lit))
				if lit[s] == 0 || s == 256 {
					continue
				}
				if s < 256 {
					w.code(lc[s], lit[s])
					made++
					continue
				}
				d := r.IntN(len(dist))
				far := int(distBase[d])+1<<distExtra[d] > made
				if dist[d] == 0 || far && r.IntN(50000) > 0 {
					continue
				}
				made += int(lengthBase[s-257])
				w.code(lc[s], lit[s])
				w.bits(r.Uint64(), int(lengthExtra[s-257]))
				w.code(dc[d], dist[d])
				w.bits(r.Uint64(), int(distExtra[d]))
			}
			w.code(lc[256], lit[256])
		}
		got, used, err := raw(w.b)
		want, wused, werr := stdlibRaw(w.b)
		if (err == nil) != (werr == nil) || !agree(got, want, err) || err == nil && used != wused {
			t.Fatalf("seed %d: got %d bytes of %d, %v; want %d of %d, %v", seed, len(got), used, err, len(want), wused, werr)
		}
		if err == nil {
			whole++
		}
	}
	if whole < 200 {
		t.Errorf("only %d of 400 streams are valid", whole)
	}
}

// randomLengths returns the lengths of a complete code in which must, if it is not negative, has one.
func randomLengths(r *rand.Rand, n, must int) []uint8 {
	lens := []uint8{1, 1}
	if n == 1 {
		return []uint8{1}
	}
	for len(lens) < n && r.IntN(200) > 0 {
		// The deepest are split more often than not, for codes as long as can be.
		i := r.IntN(len(lens))
		if r.IntN(2) == 0 {
			i = len(lens) - 1
		}
		if lens[i] < maxCode {
			lens[i]++
			lens = append(lens, lens[i])
		}
	}
	all := make([]uint8, n)
	copy(all, lens)
	r.Shuffle(n, func(i, j int) { all[i], all[j] = all[j], all[i] })
	for i := 0; must >= 0 && all[must] == 0; i++ {
		all[must], all[i] = all[i], all[must]
	}
	return all
}
