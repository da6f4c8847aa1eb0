package tree_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io/fs"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
	"github.com/aztec-spartan/aztec-spartan/extract/internal/tree"
)

// FuzzApply applies two layers of any bytes. Whatever they are, nothing beside the root changes, what is made holds no set-id
// bit and no device, and errors are the layer's.
func FuzzApply(f *testing.F) {
	for _, seed := range [][]Entry{
		{},
		{Dir("d", Mode(0o2775)), File("d/f", "x", Mode(0o4755), Xattr("user.a", "b")), Symlink("l", "/d"), Link("h", "d/f"), Node(tar.TypeFifo, "p"), Node(tar.TypeChar, "c")},
		{Symlink("l", "../victim"), File("l/f", "evil"), Whiteout("l/f"), Opaque("l"), Link("h", "l/f"), Dir("l")},
		{Whiteout("d"), Opaque("d"), Opaque(""), File("d/new", "2"), File("d", "3")},
		{Symlink("a", "b"), Symlink("b", "a"), File("a/f", ""), File("x/y/z/.wh.f", "")},
	} {
		raw, err := Write(seed...)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, raw)
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		// A sparse header of a few bytes may ask for a file of exabytes; bounding what is written is the store's concern.
		for _, raw := range [][]byte{first, second} {
			tr := tar.NewReader(bytes.NewReader(raw))
			for hdr, err := tr.Next(); err == nil; hdr, err = tr.Next() {
				if hdr.Size > 1<<20 {
					return
				}
			}
		}
		root, victim := outside(t)
		before := List(t, victim)
		b, err := tree.Open(root)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		for _, raw := range [][]byte{first, second} {
			if err = b.Apply(context.Background(), bytes.NewReader(raw)); err != nil {
				break
			}
		}
		if err == nil {
			err = b.Finish()
		}
		if errors.Is(err, fs.ErrPermission) && !errors.Is(err, tree.ErrInvalid) || errors.Is(err, unix.EBADF) {
			t.Errorf("unexpected error: %v", err)
		}
		if diff := cmp.Diff(before, List(t, victim)); diff != "" {
			t.Errorf("outside the root something changed:\n%s", diff)
		}
		for path, l := range List(t, root) {
			if l.Mode&0o6000 != 0 || l.Type == "c" || l.Type == "b" {
				t.Errorf("%s is %s", path, l)
			}
		}
	})
}
