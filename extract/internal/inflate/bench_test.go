package inflate

import (
	"bytes"
	"compress/gzip"
	"context"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"

	kgzip "github.com/klauspost/compress/gzip"
)

var layers = flag.String("layers", "", "directory of gzip files for BenchmarkLayers")

// BenchmarkInflate reports plain bytes.
func BenchmarkInflate(b *testing.B) {
	src := sourceTar(b, 16<<20)
	for _, c := range []struct {
		name string
		blob []byte
	}{
		{"source", gz(b, src)},
		{"binary", gz(b, binaryFile(b, 16<<20))},
		{"compressed", gz(b, gz(b, src))},
		{"zeros", gz(b, make([]byte, 16<<20))},
	} {
		b.Run(c.name, func(b *testing.B) { sideBySide(b, c.blob) })
	}
}

// BenchmarkLayers does the same with files.
func BenchmarkLayers(b *testing.B) {
	if *layers == "" {
		return
	}
	files, err := filepath.Glob(filepath.Join(*layers, "*"))
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range files {
		blob, err := os.ReadFile(f)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(filepath.Base(f), func(b *testing.B) { sideBySide(b, blob) })
	}
}

func sideBySide(b *testing.B, blob []byte) {
	b.Run("ours", func(b *testing.B) {
		z, err := New(bytes.NewReader(nil))
		if err != nil {
			b.Fatal(err)
		}
		defer z.Close()
		for b.Loop() {
			if err := z.Reset(bytes.NewReader(blob)); err != nil {
				b.Fatal(err)
			}
			n := 0
			for {
				block, err := z.Next(context.Background())
				if err == io.EOF {
					break
				}
				if err != nil {
					b.Fatal(err)
				}
				n += len(block.Bytes())
				block.Release()
			}
			b.SetBytes(int64(n))
		}
	})
	b.Run("klauspost", func(b *testing.B) {
		z := new(kgzip.Reader)
		for b.Loop() {
			if err := z.Reset(bytes.NewReader(blob)); err != nil {
				b.Fatal(err)
			}
			n, err := io.Copy(io.Discard, z)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(n)
		}
	})
	b.Run("stdlib", func(b *testing.B) {
		z := new(gzip.Reader)
		for b.Loop() {
			if err := z.Reset(bytes.NewReader(blob)); err != nil {
				b.Fatal(err)
			}
			n, err := io.Copy(io.Discard, z)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(n)
		}
	})
}
