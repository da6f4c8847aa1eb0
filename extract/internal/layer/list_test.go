package layer_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
)

var update = flag.Bool("update", false, "rewrite golden files")

// sample has what is hard to write as a difference.
func sample() []layer.Entry {
	a := layer.Attrs{Mode: 0o644, UID: 1, GID: 2, MTime: layer.Time{Sec: 1_700_000_000, Nsec: 5}}
	b := layer.Attrs{Mode: 0o1777, UID: math.MaxUint32 - 1, MTime: layer.Time{Sec: math.MinInt64, Nsec: 999_999_999}, Xattrs: []layer.Xattr{{Name: "user.a", Value: "x\x00"}, {Name: "user.b"}}}
	far := layer.Attrs{MTime: layer.Time{Sec: math.MaxInt64}}
	return []layer.Entry{
		{Kind: layer.Dir, Path: ".", Attrs: b},
		{Kind: layer.File, Path: "usr/bin/a", Attrs: a, Size: math.MaxInt64, Digest: layer.Digest{1, 2}, Sparse: true, Staged: math.MaxUint32},
		{Kind: layer.File, Path: "usr/bin/ab", Attrs: a, Staged: 1},
		{Kind: layer.File, Path: "usr/bin/ab", Attrs: far, Staged: 2},
		{Kind: layer.Symlink, Path: "usr/l", Target: "../..//x/", Attrs: layer.Attrs{MTime: layer.Time{Sec: -1}}},
		{Kind: layer.Link, Path: "usr/h", Target: "usr/bin/a"},
		{Kind: layer.Fifo, Path: "p", Attrs: a},
		{Kind: layer.Device, Path: "c"},
		{Kind: layer.Whiteout, Path: "usr/gone"},
		{Kind: layer.Opaque, Path: "."},
		{Kind: layer.File, Path: strings.Repeat(strings.Repeat("n", 255)+"/", 15) + strings.Repeat("n", 255), Attrs: b},
		{Kind: layer.File, Path: "short", Attrs: layer.Attrs{Xattrs: []layer.Xattr{{Name: "user.long", Value: strings.Repeat("v", 9000)}}}},
	}
}

var someDropped = layer.Dropped{SetIDBits: 1, Devices: 200, FileCapabilities: 3, Xattrs: math.MaxInt64}

func write(t *testing.T, entries []layer.Entry) []byte {
	t.Helper()
	var list bytes.Buffer
	w := layer.NewWriter(&list, "sha256:it", layer.Key{1})
	for i := range entries {
		if err := w.Write(&entries[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(someDropped); err != nil {
		t.Fatal(err)
	}
	return list.Bytes()
}

func read(r io.Reader) ([]layer.Entry, *layer.Reader, error) {
	l, err := layer.NewReader(r)
	if err != nil {
		return nil, l, err
	}
	var entries []layer.Entry
	for {
		e, err := l.Next()
		if errors.Is(err, io.EOF) {
			return entries, l, nil
		}
		if err != nil {
			return entries, l, err
		}
		entries = append(entries, *e)
	}
}

func TestList(t *testing.T) {
	want := sample()
	got, l, err := read(iotest.HalfReader(bytes.NewReader(write(t, want))))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries differ (-want +got):\n%s", diff)
	}
	if l.DiffID() != "sha256:it" || l.Dropped() != someDropped {
		t.Errorf("it is of %s and dropped %+v", l.DiffID(), l.Dropped())
	}
	if _, err := l.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
}

// TestListFormat fails when lists that are on disks can no longer be read. Then it takes another schema, not -update.
func TestListFormat(t *testing.T) {
	const golden = "testdata/schema2.list"
	if *update {
		if err := os.WriteFile(golden, write(t, sample()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := read(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sample(), got); diff != "" {
		t.Errorf("entries differ (-want +got):\n%s", diff)
	}
	if !bytes.Equal(raw, write(t, sample())) {
		t.Error("what is written has changed")
	}
}

// TestListDamaged changes each byte, and cuts the list after each.
func TestListDamaged(t *testing.T) {
	list := write(t, sample()[1:9])
	for i := range list {
		for _, bit := range []byte{0x01, 0x80} {
			bad := bytes.Clone(list)
			bad[i] ^= bit
			if _, _, err := read(bytes.NewReader(bad)); !errors.Is(err, layer.ErrDamaged) && !errors.Is(err, layer.ErrSchema) {
				t.Errorf("bit %#x of byte %d changed: %v", bit, i, err)
			}
		}
		if _, _, err := read(bytes.NewReader(list[:i])); !errors.Is(err, layer.ErrDamaged) {
			t.Errorf("cut after %d bytes: %v", i, err)
		}
	}
	if _, _, err := read(bytes.NewReader(append(list, 0))); !errors.Is(err, layer.ErrDamaged) {
		t.Errorf("a byte more: %v", err)
	}
	broken := errors.New("broken")
	if _, _, err := read(io.MultiReader(bytes.NewReader(list[:100]), iotest.ErrReader(broken))); !errors.Is(err, broken) || errors.Is(err, layer.ErrDamaged) {
		t.Errorf("the reader's own error: %v", err)
	}
}

// TestListOfThePast: its digests are other ones, so it is written anew like one that is damaged.
func TestListOfThePast(t *testing.T) {
	list := write(t, nil)
	list[len("\x89aslist\n")] = 1
	if _, _, err := read(bytes.NewReader(list)); !errors.Is(err, layer.ErrDamaged) {
		t.Errorf("got %v, want ErrDamaged", err)
	}
}

func TestListOfTheFuture(t *testing.T) {
	list := write(t, nil)
	list[len("\x89aslist\n")] = 3
	if _, _, err := read(bytes.NewReader(list)); !errors.Is(err, layer.ErrSchema) || errors.Is(err, layer.ErrDamaged) {
		t.Errorf("got %v, want ErrSchema", err)
	}
}

func TestListWriteRefuses(t *testing.T) {
	ok := layer.Attrs{Mode: 0o644}
	for name, e := range map[string]layer.Entry{
		"no kind":           {Path: "a"},
		"unknown kind":      {Kind: layer.Opaque + 1, Path: "a"},
		"no path":           {Kind: layer.File},
		"dot dot":           {Kind: layer.File, Path: "a/../b"},
		"absolute":          {Kind: layer.File, Path: "/a"},
		"double slash":      {Kind: layer.File, Path: "a//b"},
		"dot":               {Kind: layer.File, Path: "a/."},
		"NUL":               {Kind: layer.File, Path: "a\x00"},
		"long":              {Kind: layer.File, Path: strings.Repeat("d/", 2048) + "f"},
		"long component":    {Kind: layer.File, Path: strings.Repeat("n", 256)},
		"root is a file":    {Kind: layer.File, Path: "."},
		"root is hidden":    {Kind: layer.Whiteout, Path: "."},
		"link to nowhere":   {Kind: layer.Symlink, Path: "l", Attrs: ok},
		"link dot dot":      {Kind: layer.Link, Path: "l", Target: "../x"},
		"set-id":            {Kind: layer.File, Path: "a", Attrs: layer.Attrs{Mode: 0o4755}},
		"owner":             {Kind: layer.Dir, Path: "a", Attrs: layer.Attrs{UID: math.MaxUint32}},
		"group":             {Kind: layer.Dir, Path: "a", Attrs: layer.Attrs{GID: math.MaxUint32}},
		"nanoseconds":       {Kind: layer.Dir, Path: "a", Attrs: layer.Attrs{MTime: layer.Time{Nsec: 1e9}}},
		"size":              {Kind: layer.File, Path: "a", Size: -1},
		"capability":        {Kind: layer.File, Path: "a", Attrs: layer.Attrs{Xattrs: []layer.Xattr{{Name: "security.capability"}}}},
		"attributes twice":  {Kind: layer.File, Path: "a", Attrs: layer.Attrs{Xattrs: []layer.Xattr{{Name: "user.a"}, {Name: "user.a"}}}},
		"attributes, large": {Kind: layer.File, Path: "a", Attrs: layer.Attrs{Xattrs: []layer.Xattr{{Name: "user.a", Value: strings.Repeat("v", 1<<16)}}}},
		"attribute of link": {Kind: layer.Symlink, Path: "a", Target: "b", Attrs: layer.Attrs{Xattrs: []layer.Xattr{{Name: "user.a"}}}},
	} {
		w := layer.NewWriter(io.Discard, "", layer.Key{1})
		if err := w.Write(&e); !errors.Is(err, layer.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		if err := w.Close(layer.Dropped{}); err == nil {
			t.Errorf("%s: the list was ended", name)
		}
	}
}

// FuzzList reads any bytes as a list, their digest made right: damage is for TestListDamaged. What can be read passes Check and is
// the same after it was written and read again.
func FuzzList(f *testing.F) {
	seed := func(list []byte) { f.Add(list[:len(list)-sha256.Size]) }
	for _, entries := range [][]layer.Entry{nil, sample()[:1], sample()[1:4], sample()[4:10]} {
		var list bytes.Buffer
		w := layer.NewWriter(&list, "sha256:it", layer.Key{1})
		for i := range entries {
			if err := w.Write(&entries[i]); err != nil {
				f.Fatal(err)
			}
		}
		if err := w.Close(someDropped); err != nil {
			f.Fatal(err)
		}
		seed(list.Bytes())
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		sum := sha256.Sum256(raw)
		entries, l, err := read(bytes.NewReader(append(raw[:len(raw):len(raw)], sum[:]...)))
		if err != nil {
			if !errors.Is(err, layer.ErrDamaged) && !errors.Is(err, layer.ErrSchema) {
				t.Errorf("unexpected error: %v", err)
			}
			return
		}
		var list bytes.Buffer
		w := layer.NewWriter(&list, l.DiffID(), l.Key())
		for i := range entries {
			if err := entries[i].Check(); err != nil {
				t.Errorf("read %+v: %v", entries[i], err)
			}
			if err := w.Write(&entries[i]); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(l.Dropped()); err != nil {
			t.Fatal(err)
		}
		again, l2, err := read(&list)
		if diff := cmp.Diff(entries, again); err != nil || diff != "" || l2.DiffID() != l.DiffID() || l2.Dropped() != l.Dropped() {
			t.Errorf("read again (error %v):\n%s", err, diff)
		}
	})
}
