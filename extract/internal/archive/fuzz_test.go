package archive

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"testing"
)

// FuzzOpen reads anything. Whatever it is, errors say whose fault they are, and what is read is what its digest says.
func FuzzOpen(f *testing.F) {
	small := []picture{{names: []string{"it/it:1"}, layers: []string{"a", "b", "a"}}, {names: []string{"it/it:2"}, layers: []string{"c"}}}
	for _, members := range forms {
		plain := pack(f, members(f, small...)...)
		for _, compress := range packings {
			f.Add(compress(f, plain))
		}
	}
	for _, name := range []string{byDocker, byContainerd, exported} {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		const room = 1 << 20
		a, err := Read(context.Background(), bytes.NewReader(b), Options{TempDir: dir, MaxBytes: room})
		inPlace, errInPlace := newFrom(b)
		if errInPlace == nil {
			defer inPlace.Close()
			// In place, nothing is compressed, and nothing looks at the beginning.
			if err != nil && compression(b) == none && !errors.Is(err, ErrTooLarge) && checkHead(b[:min(headSize, len(b))]) == nil {
				t.Errorf("in place it opens, otherwise: %v", err)
			}
		}
		if err != nil {
			checkFault(t, err)
			return
		}
		defer a.Close()
		images := a.Images()
		if len(images) == 0 || len(images) > maxImages {
			t.Fatalf("%d images", len(images))
		}
		for _, im := range images {
			if err := checkDigest(im.Digest); err != nil || im.Size < 0 {
				t.Errorf("%+v: %v", im, err)
			}
		}
		if _, err := walk(a); err != nil {
			checkFault(t, err)
		}
		if p, ok := a.members.(*packed); ok {
			for _, name := range p.names() {
				if r, size, err := p.open(name); err == nil {
					if n, err := io.Copy(io.Discard, r); err != nil || n != size {
						t.Errorf("%q: %d of %d bytes, %v", name, n, size, err)
					}
				}
			}
		}
	})
}

func checkFault(t *testing.T, err error) {
	t.Helper()
	oneSentence(t, err)
	if !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrMissing) && !errors.Is(err, ErrTooLarge) {
		t.Errorf("whose fault is it? %v", err)
	}
}
