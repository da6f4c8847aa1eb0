package extract_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/extract"
	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

// TestKeys: images whose digests are under two keys, as two processes leave them that are both the first to write to a store, share
// nothing, and lack nothing.
func TestKeys(t *testing.T) {
	r, s, other := newRegistry(t), newStore(t), newStore(t)
	base := verified(t)
	r.push(image{tag: "v1", layers: base})
	r.push(image{tag: "v2", layers: append(base[:1:1], program(t, 2))})
	r.push(image{tag: "v3", layers: append(base[:1:1], program(t, 3))})
	one, two := pull(t, s, r.ref(":v1")), pull(t, other, r.ref(":v2"))
	if err := os.Rename(dirOf(two), filepath.Join(s.Dir, two.ID)); err != nil {
		t.Fatal(err)
	}
	two, err := s.Get(two.ID)
	if err != nil {
		t.Fatal(err)
	}
	three := pull(t, s, r.ref(":v3"))
	for _, im := range []*extract.Image{one, two, three} {
		whole(t, s, im.ID, List(t, im.Rootfs()))
	}

	// A list under the other key is none of this image.
	want := List(t, one.Rootfs())
	path := listAt(one, base[0])
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(listAt(two, base[0]), path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Verify(context.Background(), one.ID, func(extract.Damage) {}); !errors.Is(err, extract.ErrRecord) {
		t.Errorf("Verify: %v", err)
	}
	if v, err := s.Repair(context.Background(), one.ID, impatient, func(extract.Damage) {}); err != nil || v.Damaged != v.Repaired || v.Repaired == 0 {
		t.Errorf("Repair = %+v, %v", v, err)
	}
	whole(t, s, one.ID, want)
}
