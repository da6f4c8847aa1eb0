package inflate

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// FuzzInflate decodes bare DEFLATE as compress/flate does: the same bytes, of as many, and the same verdict.
func FuzzInflate(f *testing.F) {
	blob := gz(f, sourceTar(f, 4000)[:4000])
	f.Add(blob[10:])
	blob = gz(f, periodic(3000))
	f.Add(blob[10:])
	f.Fuzz(func(t *testing.T, b []byte) {
		want, wused, werr := stdlibRaw(b)
		got, used, err := raw(b)
		if (err == nil) != (werr == nil) || !agree(got, want, err) || err == nil && used != wused {
			t.Errorf("got %d bytes of %d, %v; compress/flate says %d of %d, %v", len(got), used, err, len(want), wused, werr)
		}
	})
}

// FuzzLayer reads layers of all formats. For gzip the verdict is that of compress/gzip, apart from what gzipFormat says.
func FuzzLayer(f *testing.F) {
	plain := append(sourceTar(f, 4000)[:4000], periodic(1000)...)
	blob := gz(f, plain)
	f.Add(plain)
	f.Add(blob)
	f.Add(append(blob[:len(blob):len(blob)], blob...))
	f.Add(append(blob[:len(blob):len(blob)], 0, 0, 0))
	f.Add(zst(f, plain))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := readAll(bytes.NewReader(b))
		if !bytes.HasPrefix(b, []byte{0x1f, 0x8b}) {
			if !isZstd(b) && (err != nil || !bytes.Equal(got, b)) {
				t.Errorf("got %d bytes, %v; want the %d as they are", len(got), err, len(b))
			}
			return
		}
		want, werr := stdlib(b)
		switch {
		case err == nil && werr == nil:
			if !bytes.Equal(got, want) {
				t.Errorf("got %d bytes, want %d", len(got), len(want))
			}
		case err == nil:
			want, werr := stdlib(bytes.TrimRight(b, "\x00"))
			for n := 0; werr != nil && n < 8; n++ { // zeros that are no padding, but of the trailer
				want, werr = stdlib(append(bytes.TrimRight(b, "\x00"), make([]byte, n+1)...))
			}
			if werr != nil && !longText(werr) || werr == nil && !bytes.Equal(got, want) {
				t.Errorf("accepted %d bytes, where compress/gzip says %v", len(got), werr)
			}
		case werr == nil:
			if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "reserved flags") {
				t.Errorf("got %v, where compress/gzip accepts", err)
			}
		}
	})
}

// longText says whether compress/gzip may have refused no more than a name of over 512 bytes.
func longText(err error) bool { return strings.Contains(err.Error(), "invalid header") }
