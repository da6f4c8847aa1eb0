package layer_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

// benchEntries is about as many as the real image has, in paths about as long.
func benchEntries(o ...Option) []Entry {
	var entries []Entry
	for d := range 600 {
		dir := fmt.Sprintf("usr/src/yarn-project/node_modules/@scope%d/package-%d/dest", d%20, d)
		entries = append(entries, Dir(dir, o...))
		for f := range 100 {
			entries = append(entries, File(fmt.Sprintf("%s/module_%d.d.ts", dir, f), "", o...))
		}
	}
	return entries
}

func BenchmarkScan(b *testing.B) {
	for name, o := range map[string]Option{"ustar": MTime(time.Unix(1_700_000_000, 0)), "pax": MTime(Time)} {
		raw := Layer(b, benchEntries(o)...)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s := layer.NewScanner(bytes.NewReader(raw))
				for {
					if _, _, err := s.Next(); err == io.EOF {
						break
					} else if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

func BenchmarkList(b *testing.B) {
	entries, _, dropped, err := scan(bytes.NewReader(Layer(b, benchEntries()...)))
	if err != nil {
		b.Fatal(err)
	}
	for i := range entries {
		// As hard to compress as a real digest.
		for j := range entries[i].Digest {
			entries[i].Digest[j] = byte(i >> (j % 16) * j)
		}
		entries[i].Staged = uint32(i + 1)
		if entries[i].Kind != layer.File {
			entries[i].Staged = 0
		}
	}
	var list bytes.Buffer
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			list.Reset()
			w := layer.NewWriter(&list, "sha256:x", layer.Key{1})
			for i := range entries {
				if err := w.Write(&entries[i]); err != nil {
					b.Fatal(err)
				}
			}
			if err := w.Close(dropped); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(list.Len())/float64(len(entries)), "bytes/entry")
	})
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r, err := layer.NewReader(bytes.NewReader(list.Bytes()))
			if err != nil {
				b.Fatal(err)
			}
			for {
				if _, err := r.Next(); err == io.EOF {
					break
				} else if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
