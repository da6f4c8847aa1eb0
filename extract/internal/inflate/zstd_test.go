package inflate

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
)

func zst(tb testing.TB, plain []byte, opts ...zstd.EOption) []byte {
	tb.Helper()
	return compress(tb, func(w io.Writer) io.WriteCloser {
		z, err := zstd.NewWriter(w, append(opts, zstd.WithEncoderConcurrency(1))...)
		if err != nil {
			panic(err)
		}
		return z
	}, plain)
}

var skippable = []byte{0x5a, 0x2a, 0x4d, 0x18, 5, 0, 0, 0, 'h', 'e', 'l', 'l', 'o'}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestZstd(t *testing.T) {
	t.Parallel()
	plain := sourceTar(t, BlockSize*2)
	frame := zst(t, plain)
	failure := errors.New("cable cut")
	wide := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 16 << 3, 1, 0, 0}                    // an empty frame with a window of 64 MiB
	single := []byte{0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 4, 1, 0, 0}            // 64 MiB in a single segment
	middle := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 14 << 3, 1, 0, 0}                  // 16 MiB
	bad := append(bytes.Clone(frame[:len(frame)-1]), frame[len(frame)-1]^1)        // of another checksum
	reserved := append([]byte{0x28, 0xb5, 0x2f, 0xfd, frame[4] | 8}, frame[5:]...) // bit of the header
	for _, c := range []struct {
		name string
		r    io.Reader
		want []byte
		err  error
	}{
		{"frame", bytes.NewReader(frame), plain, nil},
		{"one byte", iotest.OneByteReader(bytes.NewReader(frame)), plain, nil},
		{"data with EOF", iotest.DataErrReader(bytes.NewReader(frame)), plain, nil},
		{"two frames", bytes.NewReader(join(frame, frame)), join(plain, plain), nil},
		{"skippable ones around", bytes.NewReader(join(skippable, skippable, frame, skippable, frame, skippable)), join(plain, plain), nil},
		{"skippable ones only", bytes.NewReader(join(skippable, skippable)), nil, nil},
		{"skippable, cut", bytes.NewReader(skippable[:10]), nil, io.ErrUnexpectedEOF},
		{"skippable, cut in its size", bytes.NewReader(skippable[:6]), nil, io.ErrUnexpectedEOF},
		{"skippable at the end, cut", bytes.NewReader(join(frame, skippable[:10])), plain, io.ErrUnexpectedEOF},
		{"skippable of 4 GiB", bytes.NewReader([]byte{0x50, 0x2a, 0x4d, 0x18, 255, 255, 255, 255, 0}), nil, io.ErrUnexpectedEOF},
		{"junk at the end", bytes.NewReader(join(frame, []byte("junk"))), plain, ErrCorrupt},
		{"little junk at the end", bytes.NewReader(join(frame, []byte("j"))), plain, io.ErrUnexpectedEOF},
		{"zeros at the end", bytes.NewReader(join(frame, make([]byte, 512))), plain, ErrCorrupt},
		{"checksum", bytes.NewReader(bad), nil, ErrCorrupt},
		{"reserved bit", bytes.NewReader(reserved), nil, ErrCorrupt},
		{"wide window", bytes.NewReader(wide), nil, ErrWindow},
		{"wide single segment", bytes.NewReader(single), nil, ErrWindow},
		{"window of 16 MiB", bytes.NewReader(middle), nil, nil},
		{"wider than the first", bytes.NewReader(join(frame, middle)), plain, ErrWindow},
		{"wide single segment second", bytes.NewReader(join(frame, single)), plain, ErrWindow},
		{"error at the end", io.MultiReader(bytes.NewReader(frame), iotest.ErrReader(failure)), plain, failure},
		{"error in the middle", io.MultiReader(bytes.NewReader(frame[:len(frame)/2]), iotest.ErrReader(failure)), nil, failure},
		{"error in the header", io.MultiReader(bytes.NewReader(frame[:5]), iotest.ErrReader(failure)), nil, failure},
		{"error in what is skipped", io.MultiReader(bytes.NewReader(join(frame, skippable[:10])), iotest.ErrReader(failure)), plain, failure},
		{"unexpected end below", io.MultiReader(bytes.NewReader(frame), iotest.ErrReader(io.ErrUnexpectedEOF)), plain, io.ErrUnexpectedEOF},
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
			if c.want == nil && !bytes.HasPrefix(plain, got) {
				t.Error("what preceded the error is wrong")
			}
		})
	}
}

func TestZstdTruncations(t *testing.T) {
	t.Parallel()
	blob := join(zst(t, sourceTar(t, 3000)[:3000]), skippable)
	edge := len(blob) - len(skippable)
	for n := 4; n < len(blob); n++ {
		_, err := readAll(bytes.NewReader(blob[:n]))
		if n != edge && !errors.Is(err, io.ErrUnexpectedEOF) || n == edge && err != nil {
			t.Errorf("after %d bytes of %d: got %v", n, len(blob), err)
		}
	}
}

func TestZstdLevels(t *testing.T) {
	t.Parallel()
	for name, plain := range corpora(t, 300<<10) {
		for l := zstd.SpeedFastest; l <= zstd.SpeedBestCompression; l++ {
			t.Run(name+"/"+l.String(), func(t *testing.T) {
				t.Parallel()
				z, err := New(bytes.NewReader(zst(t, plain, zstd.WithEncoderLevel(l))))
				if err != nil {
					t.Fatal(err)
				}
				defer z.Close()
				if w := z.Window(); len(plain) > 0 && (w == 0 || w > usualWindow) {
					t.Errorf("a window of %d bytes", w)
				}
				got, err := rest(z)
				if err != nil || !bytes.Equal(got, plain) {
					t.Errorf("got %d bytes, %v; want %d", len(got), err, len(plain))
				}
			})
		}
	}
}
