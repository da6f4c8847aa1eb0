package extract_test

import (
	"archive/tar"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aztec-spartan/aztec-spartan/extract"
	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

// noise is what no compression makes smaller.
func noise(seed int64, n int) string {
	b := make([]byte, n)
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], uint64(seed))
	rand.NewChaCha8(key).Read(b) // never fails
	return string(b)
}

// varied is an image of three layers with something of everything, and files both below and above the size that is held in memory.
func varied(t testing.TB) []layer {
	return []layer{
		{tar: tarOf(
			t, Dir("."), Dir("bin"), File("bin/tool", noise(1, 5000), Mode(0o755)), Link("bin/alias", "bin/tool"), File("big", noise(2, 600<<10)),
			Symlink("lib", "usr/lib"), Dir("usr"), Dir("usr/lib"), File("usr/lib/a", "a"), File("gone", "gone"),
			Dir("emptied"), File("emptied/below", noise(3, 300)), File("becomes-directory", "file"), Node(tar.TypeFifo, "fifo"),
		)},
		{tar: tarOf(
			t, Whiteout("gone"), Dir("emptied"), Opaque("emptied"), File("emptied/new", noise(4, 2000), Owner(1000, 1000)), Link("usr/second", "big"),
			File("lib/b", "b", Xattr("user.note", "kept")), File("empty", ""), Dir("var", Mode(0o1777)),
		)},
		{tar: tarOf(
			t, Dir("becomes-directory"), File("becomes-directory/f", noise(5, 100)), File("big3", noise(6, 700<<10)), Whiteout("bin/alias"),
			Symlink("bin/absolute", "/usr/lib/a"), Link("third", "lib/b"),
		)},
	}
}

// fresh is the tree that a pull into a new store gives.
func fresh(t *testing.T, ref string) map[string]Listed {
	t.Helper()
	return List(t, pull(t, newStore(t), ref).Rootfs())
}

// whole checks that an image is what a fresh pull gives, and that its verification says so too.
func whole(t *testing.T, s *extract.Store, id string, want map[string]Listed) {
	t.Helper()
	im, err := s.Get(id)
	if err != nil {
		t.Error(err)
		return
	}
	if diff := cmp.Diff(want, List(t, im.Rootfs())); diff != "" {
		t.Errorf("the tree differs (-want +got):\n%s", diff)
	}
	sound(t, s, id)
}

// sound checks that a verification finds nothing.
func sound(t *testing.T, s *extract.Store, id string) {
	t.Helper()
	_, err := s.Verify(context.Background(), id, func(d extract.Damage) { t.Errorf("%s: %s", d.Path, d.What) })
	if err != nil {
		t.Error(err)
	}
}
