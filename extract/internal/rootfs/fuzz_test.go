package rootfs_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
	"github.com/aztec-spartan/aztec-spartan/extract/internal/rootfs"
	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

// script is layers of entries, and where to flush, as a fuzzer's bytes say.
type script struct {
	raw []byte
}

func (s *script) next(n int) int {
	if len(s.raw) == 0 {
		return 0
	}
	b := s.raw[0]
	s.raw = s.raw[1:]
	return int(b) % n
}

// path has few components of few names, so that entries meet, and now and then one that must not be.
func (s *script) path() string {
	var parts []string
	for range 1 + s.next(4) {
		i := s.next(32)
		if i < 28 {
			i %= 4
		}
		parts = append(parts, map[int]string{0: "a", 1: "b", 2: "c", 3: ".placing-1", 28: "..", 29: ".", 30: "", 31: strings.Repeat("n", 256)}[i])
	}
	return strings.Join(parts, "/")
}

func (s *script) entry(m memory) *layer.Entry {
	e := &layer.Entry{Kind: layer.Kind(s.next(10)), Path: s.path()}
	switch e.Kind {
	case layer.File:
		body := strings.Repeat("x", s.next(4))
		e.Size, e.Digest = int64(len(body)), m.add(body)
	case layer.Symlink:
		e.Target = []string{"", "/", "../", "../../", "/../victim/", "./"}[s.next(6)] + s.path()
	case layer.Link:
		e.Target = s.path()
	case layer.Opaque:
		if s.next(4) == 0 {
			e.Path = "."
		}
	}
	switch e.Kind {
	case layer.File, layer.Dir, layer.Symlink, layer.Fifo:
		e.Mode, e.UID, e.GID, e.MTime = uint32(s.next(256))<<1, uint32(s.next(3)), uint32(s.next(3)), layer.Time{Sec: int64(s.next(256)), Nsec: 5}
	}
	if (e.Kind == layer.File || e.Kind == layer.Dir) && s.next(4) == 0 {
		e.Xattrs = []layer.Xattr{{Name: "user.a", Value: "1"}}
	}
	return e
}

// FuzzApply applies any entries, flushed at any points. Whatever they are, nothing beside the root changes, errors are the layer's,
// and otherwise the tree on disk is what Check finds right, and the same as that of one flush at the end, of which nothing was ready.
func FuzzApply(f *testing.F) {
	for _, seed := range []string{"", "\x01\x00\x00\x01\x00\x00", "\x02\x01\x00\x00\x03\x00\x01\x01\x02\x02", strings.Repeat("\x05\x01\x02\x03\x04", 20), "\x03\x00\x01\x04\x02\x01\x01\x00\x02"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 400 {
			return
		}
		m, s := memory{}, script{raw}
		type step struct {
			layer int
			entry *layer.Entry
			flush bool
		}
		var steps []step
		for n := 0; len(s.raw) > 0; {
			e := s.entry(m)
			if e.Check() != nil && s.next(8) > 0 {
				continue // mostly not, or few would get far
			}
			what := s.next(16)
			if what >= 12 {
				n++
			}
			steps = append(steps, step{n, e, what%4 == 0})
		}
		run := func(root string, flushing bool) error {
			r := newReady(m)
			var c rootfs.Contents = m
			if flushing {
				c = r
			}
			tree, err := rootfs.New(root, c)
			if err != nil {
				t.Fatal(err)
			}
			defer tree.Close()
			for _, s := range steps {
				r.stage(s.layer, s.entry)
				if err := tree.Apply(s.layer, s.entry); err != nil {
					return err
				}
				if s.flush && flushing {
					if err := tree.Flush(context.Background()); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := tree.Finish(context.Background()); err != nil {
				t.Fatal(err)
			}
			if left := check(t, tree); len(left) > 0 {
				t.Errorf("what was made is not what is known:\n%s", lines(left))
			}
			return nil
		}
		root, victim := outside(t)
		before := List(t, victim)
		once := filepath.Join(filepath.Dir(root), "once")
		if err := os.Mkdir(once, 0o700); err != nil {
			t.Fatal(err)
		}
		err := run(root, true)
		if diff := cmp.Diff(before, List(t, victim)); diff != "" {
			t.Errorf("outside the root something changed:\n%s", diff)
		}
		if again := run(once, false); (err == nil) != (again == nil) {
			t.Errorf("with flushes: %v; without: %v", err, again)
		}
		if err != nil {
			if !errors.Is(err, layer.ErrInvalid) {
				t.Errorf("unexpected error: %v", err)
			}
			return
		}
		if diff := cmp.Diff(List(t, once), List(t, root)); diff != "" {
			t.Errorf("flushes make a difference (-without +with):\n%s", diff)
		}
		tree, err := rootfs.Open(root, m)
		if err != nil {
			t.Fatal(err)
		}
		defer tree.Close()
		for _, s := range steps {
			if err := tree.Apply(s.layer, s.entry); err != nil {
				t.Fatal(err)
			}
		}
		if left := check(t, tree); len(left) > 0 {
			t.Errorf("opened, it differs:\n%s", lines(left))
		}
	})
}
