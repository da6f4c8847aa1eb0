package stage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

func TestSparse(t *testing.T) {
	archive, err := os.ReadFile("testdata/sparse.tar")
	if err != nil {
		t.Fatal(err)
	}
	s := newShelf(t)
	entries, err := s.read(0, bytes.NewReader(archive))
	if err != nil || len(entries) != 1 || !entries[0].Sparse {
		t.Fatalf("%v, %v", entries, err)
	}
	if err := s.Place(0, entries[0], s.treefd, "f"); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(s.tree, "f"))
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, 8<<20)
	copy(want[4<<20:], strings.Repeat("data", 1024))
	if !bytes.Equal(raw, want) {
		t.Error("it has the wrong contents")
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(s.tree, "f"), &st); err != nil || st.Blocks*512 > 64<<10 {
		t.Errorf("it takes %d bytes, %v", st.Blocks*512, err)
	}
	if got := s.Stats().Written; got != 4096 {
		t.Errorf("written %d", got)
	}
}

func TestBudget(t *testing.T) {
	dir := t.TempDir()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	free := int64(st.Bavail) * st.Frsize
	if err := NewBudget(fd, 0).Fits(free * 2); !errors.Is(err, ErrSpace) {
		t.Errorf("twice what is free fits: %v", err)
	}
	// The reserve is so large that the first look at the file system finds too little.
	index := NewIndex()
	defer index.Close()
	s, err := New(filepath.Join(dir, "stage"), 1, testKey, index, NewBudget(fd, 2*free))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Open(0, filepath.Join(dir, "stage", "0"), false); err != nil {
		t.Fatal(err)
	}
	big := Layer(t, File("f", noise(1, 2*step)))
	_, err = s.Layer(t.Context(), 0, bytes.NewReader(big), func(*layer.Entry) error { return nil })
	if !errors.Is(err, ErrSpace) || !strings.Contains(err.Error(), "free to be left") {
		t.Errorf("%v", err)
	}
}

// Names need space too, of which there is none here: many empty files end in an error, though few do not.
func TestBudgetNames(t *testing.T) {
	s := newShelf(t)
	left, err := s.budget.Left()
	if err != nil {
		t.Fatal(err)
	}
	s.budget.reserve = 2 * left
	e := &layer.Entry{Kind: layer.File, Path: "f", Attrs: layer.Attrs{Mode: 0o644}}
	for i := range stepNames {
		if err = s.Place(0, e, s.treefd, fmt.Sprint(i)); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrSpace) || len(List(t, s.tree)) < stepNames-1 {
		t.Errorf("%v after %d files", err, len(List(t, s.tree)))
	}
}

// block is one header of a tar archive.
func block(kind byte, name string, size int64) []byte {
	h := make([]byte, 512)
	copy(h, name)
	copy(h[100:], "0000644\x000000000\x000000000\x00")
	copy(h[124:], fmt.Sprintf("%011o\x0000000000000\x00        %c", size, kind))
	copy(h[257:], "ustar\x0000")
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

// sparse is the archive of a file of size bytes that is one hole: PAX format 1.0.
func sparse(name string, size int64) []byte {
	padded := func(s string) string { return s + strings.Repeat("\x00", -len(s)&511) }
	var records strings.Builder
	for _, pair := range []string{
		"GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=" + name, fmt.Sprintf("GNU.sparse.realsize=%d", size),
	} {
		n := len(pair) + 3
		for len(fmt.Sprintf("%d %s\n", n, pair)) != n {
			n++
		}
		fmt.Fprintf(&records, "%d %s\n", n, pair)
	}
	raw := append(block('x', "x", int64(records.Len())), padded(records.String())...)
	return append(append(raw, block('0', "f", 512)...), padded(fmt.Sprintf("1\n%d\n0\n", size))...)
}

// What sparse files claim to hold must fit the disk, one by one and together, before any of it is hashed.
func TestSparseClaims(t *testing.T) {
	s := newShelf(t)
	left, err := s.budget.Left()
	if err != nil {
		t.Fatal(err)
	}
	end := make([]byte, 1024)
	for name, archive := range map[string][]byte{
		"one":     sparse("f", 1<<55),
		"several": append(append(sparse("a", 8<<20), sparse("b", left-4<<20)...), sparse("c", left)...),
	} {
		if _, err := s.read(1, bytes.NewReader(append(archive, end...))); !errors.Is(err, ErrSpace) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for n := range 3 {
		if _, err := s.read(2+n, bytes.NewReader(append(sparse("f", 8<<20), end...))); err != nil {
			t.Errorf("a small one: %v", err)
		}
	}
	if got := s.claimed.Load(); got != 3*8<<20 {
		t.Errorf("%d bytes are claimed", got)
	}
}

// Little more is read once the disk is full.
func TestFullEndsReading(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s := newShelfIn(t, dir)
	const size = 1 << 30
	rest := &io.LimitedReader{R: endless{}, N: size}
	_, err := s.read(0, io.MultiReader(bytes.NewReader(block('0', "f", size)), rest))
	if !errors.Is(err, ErrSpace) || !strings.Contains(err.Error(), `entry "f"`) {
		t.Errorf("%v", err)
	}
	if got := size - rest.N; got > 64<<20 {
		t.Errorf("%d bytes were read", got)
	}
}
