package extract_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aztec-spartan/aztec-spartan/extract"
	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

// chain is a registry with three versions of a program, v1 to v3.
func chain(t *testing.T) *fakeRegistry {
	r := newRegistry(t)
	for i := range 3 {
		r.push(image{tag: fmt.Sprint("v", i+1), layers: []layer{varied(t)[0], program(t, int64(i)), {tar: tarOf(t, File("pair", noise(int64((i+1)/2), 300_000)))}}})
	}
	return r
}

// chained is a store with all of those, the oldest first.
func chained(t *testing.T, r *fakeRegistry) (*extract.Store, []*extract.Image) {
	t.Helper()
	s := newStore(t)
	var images []*extract.Image
	for i := range 3 {
		images = append(images, pull(t, s, r.ref(fmt.Sprint(":v", i+1))))
	}
	return s, images
}

func nothingKept(*extract.Image) string { return "" }

// blocks is what a store has on the disk.
func blocks(t *testing.T, s *extract.Store) (n int64) {
	t.Helper()
	seen := map[uint64]bool{}
	for path, st := range inodes(t, s.Dir) {
		if path != "." && !seen[st.Ino] {
			seen[st.Ino] = true
			n += st.Blocks * 512
		}
	}
	return n
}

// collected does a collection after a dry one, and checks that both say the same, and that it is so.
func collected(t *testing.T, s *extract.Store, keep func(*extract.Image) string) extract.Collected {
	t.Helper()
	before, had := List(t, s.Dir), blocks(t, s)
	planned, err := s.Collect(keep, true)
	if err != nil {
		t.Error(err)
	}
	unchanged(t, s, before)
	done, err := s.Collect(keep, false)
	if err != nil {
		t.Error(err)
	}
	text := func(c extract.Collected) string {
		raw, err := json.MarshalIndent(c, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	if diff := cmp.Diff(text(planned), text(done)); diff != "" {
		t.Errorf("what was done is not what was planned (-planned +done):\n%s", diff)
	}
	if freed := had - blocks(t, s); freed != done.FreedBytes {
		t.Errorf("%d bytes are free, and %d were said to be", freed, done.FreedBytes)
	}
	sum := done.Leftovers
	for _, r := range done.Removed {
		sum += r.Freed
	}
	if sum != done.FreedBytes {
		t.Errorf("%d bytes are the sum of %+v", sum, done)
	}
	return done
}

// TestCollect: whichever of three versions that share files go, as much is freed as is said, and the others stay whole.
func TestCollect(t *testing.T) {
	r := chain(t)
	var trees []map[string]Listed
	for i := range 3 {
		trees = append(trees, fresh(t, r.ref(fmt.Sprint(":v", i+1))))
	}
	for keep := range 8 {
		t.Run(fmt.Sprintf("%03b", keep), func(t *testing.T) {
			s, images := chained(t, r)
			var wantGone, wantKept []string
			for i, im := range images {
				if keep>>i&1 == 1 {
					wantKept = append(wantKept, im.ID)
				} else {
					wantGone = append(wantGone, im.ID)
				}
			}
			done := collected(t, s, func(im *extract.Image) string {
				if slices.Contains(wantKept, im.ID) {
					return "of " + im.Reference
				}
				return ""
			})
			var gone, kept []string
			for _, r := range done.Removed {
				gone = append(gone, r.ID)
			}
			for _, k := range done.Kept {
				kept = append(kept, k.ID)
				if k.Reason != "of "+k.Reference {
					t.Errorf("%s is kept because %s", k.ID, k.Reason)
				}
			}
			if !slices.Equal(gone, wantGone) || !slices.Equal(kept, wantKept) || done.Leftovers != 0 {
				t.Errorf("gone %v, want %v; kept %v, want %v; %+v", gone, wantGone, kept, wantKept, done)
			}
			if len(gone) > 0 && done.FreedBytes < 900<<10 {
				t.Errorf("only %d bytes are freed", done.FreedBytes)
			}
			for i, im := range images {
				if keep>>i&1 == 1 {
					whole(t, s, im.ID, trees[i])
				}
			}
		})
	}
}

// TestCollectLeftovers: what killed runs left goes, counted once even where it shares files with images that go too.
func TestCollectLeftovers(t *testing.T) {
	s, images := chained(t, chain(t))
	draft := s.Dir + "/.partial-sha256-" + strings.Repeat("0", 64)
	unmarked := filepath.Join(s.Dir, images[2].ID)
	if err := errors.Join(
		os.MkdirAll(draft+"/rootfs", 0o700), os.WriteFile(draft+"/rootfs/own", make([]byte, 100_000), 0o600),
		os.Link(images[0].Rootfs()+"/big", draft+"/rootfs/big"), os.Link(images[1].Rootfs()+"/app/changed", draft+"/rootfs/changed"),
		os.WriteFile(s.Dir+"/.partial-tags.json-1", []byte("{"), 0o600), os.Remove(unmarked+"/complete"),
	); err != nil {
		t.Fatal(err)
	}
	done := collected(t, s, func(im *extract.Image) string {
		if im.ID == images[0].ID {
			return "it is wanted"
		}
		return ""
	})
	if done.Leftovers < 900<<10+100_000 || len(done.Removed) != 1 || len(done.Kept) != 1 {
		t.Errorf("%+v", done)
	}
	if left := contents(t, s); !slices.Equal(left, []string{images[0].ID}) {
		t.Errorf("the store holds %v", left)
	}
	sound(t, s, images[0].ID)
}

// TestCollectBusy: what another process is unpacking is not a leftover.
func TestCollectBusy(t *testing.T) {
	s, images := chained(t, chain(t))
	draft := s.Dir + "/.partial-sha256-" + strings.Repeat("0", 64)
	unmarked := filepath.Join(s.Dir, images[2].ID)
	if err := errors.Join(os.Mkdir(draft, 0o700), os.WriteFile(draft+"/f", make([]byte, 100_000), 0o600), os.Remove(unmarked+"/complete")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{draft, unmarked} {
		lock, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer lock.Close()
		if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
			t.Fatal(err)
		}
	}
	if done := collected(t, s, nothingKept); done.Leftovers != 0 || len(done.Removed) != 2 {
		t.Errorf("%+v", done)
	}
	want := []string{filepath.Base(draft), images[2].ID}
	if left := contents(t, s); !slices.Equal(left, want) {
		t.Errorf("the store holds %v, want %v", left, want)
	}
}

// TestCollectUnreadable: an image that cannot be read is nobody's to remove, and no reason not to remove others.
func TestCollectUnreadable(t *testing.T) {
	s, images := chained(t, chain(t))
	dir := filepath.Join(s.Dir, images[1].ID)
	if err := os.WriteFile(dir+"/image.json", []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := List(t, dir+"/rootfs")
	done, err := s.Collect(nothingKept, false)
	if err == nil || !strings.Contains(err.Error(), images[1].ID) || len(done.Removed) != 2 {
		t.Errorf("%+v, %v", done, err)
	}
	if left := contents(t, s); !slices.Equal(left, []string{images[1].ID}) {
		t.Errorf("the store holds %v", left)
	}
	after := List(t, dir+"/rootfs")
	if diff := cmp.Diff(Lines(before), Lines(after)); diff != "" {
		t.Errorf("its tree differs (-want +got):\n%s", diff)
	}
}

// TestNewerStore: nothing changes a store that a newer version has written to.
func TestNewerStore(t *testing.T) {
	r := chain(t)
	s, images := chained(t, r)
	r.push(image{tag: "new", layers: small(t)})
	archive := export(t, r, "new").layout()
	draft := s.Dir + "/.partial-sha256-" + strings.Repeat("0", 64)
	if err := errors.Join(os.Mkdir(draft, 0o700), os.WriteFile(s.Dir+"/store.json", []byte(`{"schema": 99, "unknown": [1]}`), 0o600)); err != nil {
		t.Fatal(err)
	}
	before := List(t, s.Dir)
	ctx, none := context.Background(), func(extract.Damage) {}
	for name, do := range map[string]func() error{
		"Pull":             func() error { _, _, err := s.Pull(ctx, r.ref(":new"), impatient); return err },
		"Pull, present":    func() error { _, _, err := s.Pull(ctx, r.ref(":v1"), impatient); return err },
		"Pull by digest":   func() error { _, _, err := s.Pull(ctx, r.ref("@"+images[0].Digest), impatient); return err },
		"Load":             func() error { _, _, err := s.Load(ctx, archive, nil, loading); return err },
		"Remove":           func() error { return s.Remove(images[0].ID) },
		"Collect":          func() error { _, err := s.Collect(nothingKept, false); return err },
		"Collect, dry run": func() error { _, err := s.Collect(nothingKept, true); return err },
		"Repair":           func() error { _, err := s.Repair(ctx, images[0].ID, impatient, none); return err },
		"Pin":              func() error { return s.Pin(images[0].ID, true) },
	} {
		r.took()
		if err := do(); !errors.Is(err, extract.ErrSchema) || !strings.Contains(err.Error(), "store.json") {
			t.Errorf("%s: %v", name, err)
		}
		if took := r.took(); len(took) > 0 {
			t.Errorf("%s asked for %q", name, took)
		}
		unchanged(t, s, before)
	}
}
