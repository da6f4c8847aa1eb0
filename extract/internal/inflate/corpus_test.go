package inflate

import (
	"archive/tar"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"go/build"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	kgzip "github.com/klauspost/compress/gzip"
)

// sourceTar is a layer: an archive of size bytes or little more, of the tree that this Go was built from.
func sourceTar(tb testing.TB, size int) []byte {
	tb.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	root := filepath.Join(build.Default.GOROOT, "src")
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		if buf.Len() >= size {
			return fs.SkipAll
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(b)), Mode: 0o644}); err != nil {
			return err
		}
		_, err = w.Write(b)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	if buf.Len() < size {
		tb.Fatalf("%s has only %d bytes of files", root, buf.Len())
	}
	return buf.Bytes()
}

// binary is the beginning of the machine code of this test.
func binaryFile(tb testing.TB, size int) []byte {
	tb.Helper()
	path, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return b[:min(size, len(b))]
}

func random(size int) []byte {
	b := make([]byte, size)
	r := rand.NewChaCha8([32]byte{})
	r.Read(b)
	return b
}

// periodic repeats patterns of every short length: matches of small distances.
func periodic(size int) []byte {
	r := random(64)
	var b []byte
	for n := 1; len(b) < size; n = n%40 + 1 {
		b = append(b, bytes.Repeat(r[:n], 700/n)...)
	}
	return b[:size]
}

// skewed has bytes of very unequal frequency: codes from one bit to fifteen.
func skewed(size int) []byte {
	b := random(size)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(r.ExpFloat64() * 1.2)
		if r.IntN(2000) == 0 {
			b[i] = byte(r.IntN(256))
		}
	}
	return b
}

func corpora(tb testing.TB, size int) map[string][]byte {
	src := sourceTar(tb, size)
	mixed := append(append(append([]byte{}, src[:size/3]...), random(size/3)...), make([]byte, size/3)...)
	return map[string][]byte{
		"empty":    {},
		"byte":     {'x'},
		"source":   src,
		"binary":   binaryFile(tb, size),
		"random":   random(size),
		"zeros":    make([]byte, size),
		"periodic": periodic(size),
		"skewed":   skewed(size),
		"mixed":    mixed,
		"window":   append(random(windowSize), random(windowSize)...),
		"block":    src[:BlockSize],
		"over":     src[:BlockSize+1],
	}
}

// compressors are all ways of writing gzip that are at hand.
func compressors() map[string]func(io.Writer) io.WriteCloser {
	m := map[string]func(io.Writer) io.WriteCloser{}
	for l := gzip.HuffmanOnly; l <= gzip.BestCompression; l++ {
		m[fmt.Sprintf("stdlib %d", l)] = func(w io.Writer) io.WriteCloser {
			z, err := gzip.NewWriterLevel(w, l)
			if err != nil {
				panic(err)
			}
			return z
		}
	}
	for l := kgzip.StatelessCompression; l <= kgzip.BestCompression; l++ {
		m[fmt.Sprintf("klauspost %d", l)] = func(w io.Writer) io.WriteCloser {
			z, err := kgzip.NewWriterLevel(w, l)
			if err != nil {
				panic(err)
			}
			return z
		}
	}
	return m
}

func compress(tb testing.TB, with func(io.Writer) io.WriteCloser, plain []byte) []byte {
	tb.Helper()
	var buf bytes.Buffer
	w := with(&buf)
	if _, err := w.Write(plain); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

// gz compresses as most layers are.
func gz(tb testing.TB, plain []byte) []byte {
	tb.Helper()
	return compress(tb, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }, plain)
}

// readAll reads blocks to the end, and returns what preceded the error.
func readAll(r io.Reader) ([]byte, error) {
	z, err := New(r)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	return rest(z)
}

func rest(z *Reader) ([]byte, error) {
	var out []byte
	for {
		b, err := z.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, b.Bytes()...)
		b.Release()
	}
}

// stdlib is what compress/gzip makes of the same bytes.
func stdlib(b []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// stdlibRaw is what compress/flate makes of them, and how many of them it used.
func stdlibRaw(b []byte) (plain []byte, used int, err error) {
	r := bytes.NewReader(b)
	plain, err = io.ReadAll(flate.NewReader(r))
	return plain, len(b) - r.Len(), err
}

// raw decodes a bare DEFLATE stream, as gzip's fill does what is in a member.
func raw(b []byte) (plain []byte, used int, err error) {
	var s source
	var d deflate
	s.reset(bytes.NewReader(b))
	d.reset(windowSize)
	out := new(buffer)
	for {
		at, err := d.decode(&s, out, windowSize)
		plain = append(plain, out[windowSize:at]...)
		if err != nil || d.state == done {
			return plain, int(s.offset()), err
		}
		copy(out[:windowSize], out[at-windowSize:at])
		d.slide(at - windowSize)
	}
}
