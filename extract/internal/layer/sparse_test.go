package layer_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
)

// block is a ustar header, as POSIX has it, and its data: archive/tar writes none of what is hostile.
func block(typeflag byte, name string, size int64, data string) []byte {
	h := make([]byte, 512)
	copy(h, name)
	copy(h[100:], "0000644\x000000000\x000000000\x00")
	copy(h[124:], fmt.Sprintf("%011o\x0000000000000\x00        %c", size, typeflag))
	copy(h[257:], "ustar\x0000")
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return append(h, data+strings.Repeat("\x00", (512-len(data)%512)%512)...)
}

// TestScanSparseMap reads maps of holes that are larger than anything (CVE-2025-58183), or wrong. None takes much memory.
func TestScanSparseMap(t *testing.T) {
	records := func(pairs ...string) string {
		var s strings.Builder
		for _, pair := range pairs {
			n := len(pair) + 3
			for len(fmt.Sprintf("%d %s\n", n, pair)) != n {
				n++
			}
			fmt.Fprintf(&s, "%d %s\n", n, pair)
		}
		return s.String()
	}
	v1 := records("GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=f", "GNU.sparse.realsize=100")
	endless := strings.Repeat("1\n", 32<<20)
	for name, raw := range map[string][]byte{
		"CVE-2025-58183, a map as large as a file": append(block('x', "x", int64(len(v1)), v1), block('0', "f", int64(len(endless))+10, "99999999\n"+endless)...),
		"a map cut short":                          append(block('x', "x", int64(len(v1)), v1), block('0', "f", 512, "9\n0\n1\n")...),
		"holes out of order":                       append(block('x', "x", int64(len(v1)), v1), block('0', "f", 512, "2\n50\n10\n20\n10\n")...),
		"larger than the file":                     append(block('x', "x", int64(len(v1)), v1), block('0', "f", 512, "1\n99\n10\n")...),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			s := layer.NewScanner(bytes.NewReader(raw))
			_, body, err := s.Next()
			if err == nil {
				_, err = io.Copy(io.Discard, body)
			}
			runtime.ReadMemStats(&after)
			if !errors.Is(err, layer.ErrInvalid) {
				t.Errorf("got %v, want ErrInvalid", err)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 16<<20 {
				t.Errorf("it took %d bytes of memory", grown)
			}
		})
	}
}
