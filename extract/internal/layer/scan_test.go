package layer_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

// scan returns all entries, and the contents of files by path.
func scan(r io.Reader) ([]layer.Entry, map[string]string, layer.Dropped, error) {
	s := layer.NewScanner(r)
	var entries []layer.Entry
	bodies := map[string]string{}
	for {
		e, body, err := s.Next()
		if errors.Is(err, io.EOF) {
			return entries, bodies, s.Dropped(), nil
		}
		if err != nil {
			return entries, bodies, s.Dropped(), err
		}
		if err := e.Check(); err != nil {
			return entries, bodies, s.Dropped(), fmt.Errorf("returned %+v: %w", e, err)
		}
		if (body != nil) != (e.Kind == layer.File) {
			return entries, bodies, s.Dropped(), fmt.Errorf("contents of %+v: %v", e, body)
		}
		if body != nil {
			raw, err := io.ReadAll(body)
			if err != nil {
				return entries, bodies, s.Dropped(), err
			}
			if int64(len(raw)) != e.Size {
				return entries, bodies, s.Dropped(), fmt.Errorf("%s has %d bytes of %d", e.Path, len(raw), e.Size)
			}
			bodies[e.Path] = string(raw)
		}
		entries = append(entries, *e)
	}
}

func TestScan(t *testing.T) {
	at := layer.Time{Sec: Time.Unix(), Nsec: uint32(Time.Nanosecond())}
	attrs := layer.Attrs{Mode: 0o644, MTime: at}
	with := func(change func(*layer.Attrs)) layer.Attrs {
		a := attrs
		change(&a)
		return a
	}
	global := Entry{Header: tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "x"}}}
	for name, test := range map[string]struct {
		in      []Entry
		want    []layer.Entry
		dropped layer.Dropped
	}{
		"names are cleaned": {
			in: []Entry{Dir("./"), File("./a", ""), File("/b", ""), File(".//./c//d", ""), Dir("e/"), Link("f", "/.//a")},
			want: []layer.Entry{
				{Kind: layer.Dir, Path: ".", Attrs: with(func(a *layer.Attrs) { a.Mode = 0o755 })},
				{Kind: layer.File, Path: "a", Attrs: attrs},
				{Kind: layer.File, Path: "b", Attrs: attrs},
				{Kind: layer.File, Path: "c/d", Attrs: attrs},
				{Kind: layer.Dir, Path: "e", Attrs: with(func(a *layer.Attrs) { a.Mode = 0o755 })},
				{Kind: layer.Link, Path: "f", Target: "a"},
			},
		},
		"attributes": {
			in: []Entry{File("a", "x", Mode(0o1640), Owner(70000, 4294967294), Xattr("user.b", "2\x00"), Xattr("user.a", "1"))},
			want: []layer.Entry{{Kind: layer.File, Path: "a", Size: 1, Attrs: layer.Attrs{
				Mode: 0o1640, UID: 70000, GID: 4294967294, MTime: at, Xattrs: []layer.Xattr{{Name: "user.a", Value: "1"}, {Name: "user.b", Value: "2\x00"}},
			}}},
		},
		"dropped": {
			in: []Entry{
				File("a", "", Mode(0o6644), Xattr("security.capability", "c"), Xattr("trusted.overlay.opaque", "y")), Symlink("l", "..", Xattr("user.a", "1")),
				Node(tar.TypeFifo, "p", Xattr("user.a", "1")), Node(tar.TypeChar, "c", Owner(1, 1)), Link("h", "a", Mode(0o4644), Xattr("user.a", "1")),
			},
			want: []layer.Entry{
				{Kind: layer.File, Path: "a", Attrs: attrs},
				{Kind: layer.Symlink, Path: "l", Target: "..", Attrs: with(func(a *layer.Attrs) { a.Mode = 0o777 })},
				{Kind: layer.Fifo, Path: "p", Attrs: attrs},
				{Kind: layer.Device, Path: "c"},
				{Kind: layer.Link, Path: "h", Target: "a"},
			},
			dropped: layer.Dropped{SetIDBits: 1, Devices: 1, FileCapabilities: 1, Xattrs: 3},
		},
		"whiteouts": {
			in:   []Entry{Whiteout("a"), Whiteout("d/a"), Opaque(""), Opaque("d"), Link("d/.wh.b", "x"), File("d/a.wh.b", "")},
			want: []layer.Entry{{Kind: layer.Whiteout, Path: "a"}, {Kind: layer.Whiteout, Path: "d/a"}, {Kind: layer.Opaque, Path: "."}, {Kind: layer.Opaque, Path: "d"}, {Kind: layer.Whiteout, Path: "d/b"}, {Kind: layer.File, Path: "d/a.wh.b", Attrs: attrs}},
		},
		"global header": {in: []Entry{global, File("a", "")}, want: []layer.Entry{{Kind: layer.File, Path: "a", Attrs: attrs}}},
		"empty":         {},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, dropped, err := scan(bytes.NewReader(Layer(t, test.in...)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("entries differ (-want +got):\n%s", diff)
			}
			if dropped != test.dropped {
				t.Errorf("dropped %+v, want %+v", dropped, test.dropped)
			}
		})
	}
}

// TestScanSparse reads what GNU tar writes in each of its formats for files with holes.
func TestScanSparse(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := make([]byte, 3<<20)
	copy(want[1<<20:], "middle")
	if _, err := f.WriteAt([]byte("middle"), 1<<20); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(int64(len(want))); err != nil {
		t.Fatal(err)
	}
	for _, format := range [][]string{
		{"--format=gnu", "-S"}, {"--format=posix", "-S", "--sparse-version=0.0"}, {"--format=posix", "-S", "--sparse-version=0.1"}, {"--format=posix", "-S", "--sparse-version=1.0"}, {"--format=posix"},
	} {
		t.Run(strings.Join(format, " "), func(t *testing.T) {
			raw, err := exec.Command("tar", append(format, "-C", dir, "-cf", "-", "f")...).Output()
			if err != nil {
				t.Fatal(err)
			}
			entries, bodies, _, err := scan(bytes.NewReader(raw))
			if err != nil || len(entries) != 1 {
				t.Fatalf("%d entries, %v", len(entries), err)
			}
			e := entries[0]
			if sparse := len(format) > 1; e.Path != "f" || e.Sparse != sparse || e.Size != int64(len(want)) {
				t.Errorf("%s, sparse %v, %d bytes; want f, %v, %d", e.Path, e.Sparse, e.Size, sparse, len(want))
			}
			if bodies["f"] != string(want) {
				t.Error("the contents differ")
			}
		})
	}
}

func TestScanLeavesTheRest(t *testing.T) {
	r := bytes.NewReader(append(Layer(t, File("a", "x")), "rest"...))
	if _, _, _, err := scan(r); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(r); string(rest) != "rest" || err != nil {
		t.Errorf("left %q, %v", rest, err)
	}
}

// TestScanErrors tells the archive's errors from the reader's.
func TestScanErrors(t *testing.T) {
	whole := Layer(t, File("a", strings.Repeat("x", 2000)), File("b", "x"))
	garbage := append(Layer(t, File("a", "x"))[:1024], bytes.Repeat([]byte("garbage "), 200)...)
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		r    io.Reader
		is   error
		want string
	}{
		"cut in the contents":    {bytes.NewReader(whole[:2000]), layer.ErrInvalid, `entry "a": invalid layer: its contents are cut short`},
		"cut in a header":        {bytes.NewReader(whole[:4608+100]), layer.ErrInvalid, "unexpected EOF"},
		"garbage":                {bytes.NewReader(garbage), layer.ErrInvalid, "invalid tar header"},
		"reader, in contents":    {io.MultiReader(bytes.NewReader(whole[:2000]), iotest.ErrReader(broken)), broken, "broken"},
		"reader, in a header":    {iotest.ErrReader(broken), broken, "broken"},
		"reader, unexpected EOF": {io.MultiReader(bytes.NewReader(whole[:2000]), iotest.ErrReader(io.ErrUnexpectedEOF)), io.ErrUnexpectedEOF, "unexpected EOF"},
		"attribute without name": {bytes.NewReader(Layer(t, File("a", "", Xattr("user.", "1")))), layer.ErrInvalid, "attribute"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, _, err := scan(test.r)
			if !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %v: %s", err, test.is, test.want)
			}
			if test.is != layer.ErrInvalid && errors.Is(err, layer.ErrInvalid) {
				t.Errorf("the reader's error is put down to the layer: %v", err)
			}
		})
	}
}

// TestScanCaps reads one entry more than are allowed.
func TestScanCaps(t *testing.T) {
	one := Layer(t, File("a", "", MTime(time.Unix(1, 0))))[:512]
	r := &repeat{one: one, left: (layer.MaxEntries + 1) * len(one)}
	s := layer.NewScanner(r)
	n := 0
	for {
		if _, _, err := s.Next(); err != nil {
			if !errors.Is(err, layer.ErrInvalid) || !strings.Contains(err.Error(), "more than") || n != layer.MaxEntries {
				t.Errorf("%v after %d entries", err, n)
			}
			return
		}
		n++
	}
}

// repeat is one over and over again.
type repeat struct {
	one  []byte
	left int
	at   int
}

func (r *repeat) Read(p []byte) (int, error) {
	n := copy(p, r.one[r.at:])
	r.at = (r.at + n) % len(r.one)
	if r.left -= n; r.left < 0 {
		return 0, io.EOF
	}
	return n, nil
}

// FuzzScan reads any bytes. What is returned passes Check, and errors are the layer's.
func FuzzScan(f *testing.F) {
	for _, seed := range [][]Entry{
		{},
		{Dir("d", Mode(0o2775)), File("d/f", "x", Mode(0o4755), Xattr("user.a", "b")), Symlink("l", "/d"), Link("h", "d/f"), Node(tar.TypeFifo, "p"), Node(tar.TypeChar, "c")},
		{Whiteout("d"), Opaque("d"), Opaque(""), File("x/.wh.", ""), File(".//./a", "2"), File("../d", "3"), Link(".wh.x", "..")},
	} {
		raw, err := Write(seed...)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		s := layer.NewScanner(bytes.NewReader(raw))
		for {
			e, body, err := s.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err == nil && body != nil {
				// A sparse header of a few bytes may ask for a file of exabytes; bounding what is read is the stage's concern.
				_, err = io.CopyN(io.Discard, body, min(e.Size, 1<<20))
			}
			if err != nil {
				if !errors.Is(err, layer.ErrInvalid) {
					t.Errorf("%v is not ErrInvalid", err)
				}
				return
			}
			if err := e.Check(); err != nil {
				t.Errorf("returned %+v: %v", e, err)
			}
		}
	})
}
