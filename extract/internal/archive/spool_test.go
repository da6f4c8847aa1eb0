package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

// TestTemporary shows when a temporary file is made, that no one can find it, and that it goes.
func TestTemporary(t *testing.T) {
	plain := pack(t, layout(t, pictures...)...)
	for packing, compress := range packings {
		for source, open := range sources {
			t.Run(packing+"/"+source, func(t *testing.T) {
				dir := t.TempDir()
				before := openFiles(t)
				a, err := open(t, compress(t, plain), Options{TempDir: dir})
				if err != nil {
					t.Fatal(err)
				}
				if left := list(t, dir); left != "" {
					t.Errorf("in the directory for temporary files: %s", left)
				}
				inPlace := packing == "plain" && (source == "path" || source == "file at a position")
				if spooled := strings.Contains(openFiles(t), dir); spooled == inPlace {
					t.Errorf("a temporary file is open: %v", spooled)
				}
				if err := a.Close(); err != nil {
					t.Error(err)
				}
				if after := openFiles(t); source != "file at a position" && after != before {
					t.Errorf("open files before:\n%s\nand after:\n%s", before, after)
				}
			})
		}
	}
}

// openFiles lists the open files of this process other than of the runtime.
func openFiles(t *testing.T) string {
	t.Helper()
	dir := "/proc/self/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var open strings.Builder
	for _, e := range entries {
		if name, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil && strings.HasPrefix(name, os.TempDir()) {
			fmt.Fprintln(&open, name)
		}
	}
	return open.String()
}

func list(t *testing.T, dir string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	hidden, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(append(names, hidden...), " ")
}

// TestNoTemporaryDirectory shows that archives that are read in place need none.
func TestNoTemporaryDirectory(t *testing.T) {
	plain := pack(t, layout(t, pictures...)...)
	o := Options{TempDir: filepath.Join(t.TempDir(), "missing")}
	a, err := Open(context.Background(), write(t, plain), o)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, a, wanted(t, pictures...))
	if _, err := Open(context.Background(), write(t, gz(t, plain, 1)), o); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// TestMaxBytes stops exactly at the bound, and a bomb long before its end.
func TestMaxBytes(t *testing.T) {
	plain := pack(t, layout(t, pictures...)...)
	for packing, compress := range packings {
		size := int64(len(plain))
		a, err := Read(context.Background(), bytes.NewReader(compress(t, plain)), Options{TempDir: t.TempDir(), MaxBytes: size})
		if err != nil {
			t.Errorf("%s, just enough: %v", packing, err)
			continue
		}
		a.Close()
		_, err = Read(context.Background(), bytes.NewReader(compress(t, plain)), Options{TempDir: t.TempDir(), MaxBytes: size - 1})
		if !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s, one byte too few: %v", packing, err)
		}
	}
	bomb := io.MultiReader(bytes.NewReader(plain[:512]), zeros{})
	if _, err := Read(context.Background(), bomb, Options{TempDir: t.TempDir(), MaxBytes: 1 << 20}); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestInflate shows that another decompressor is used for both formats, and only for them.
func TestInflate(t *testing.T) {
	plain := pack(t, layout(t, pictures...)...)
	for packing, compress := range packings {
		calls, closes := 0, 0
		a, err := Read(context.Background(), bytes.NewReader(compress(t, plain)), Options{
			TempDir: t.TempDir(),
			Inflate: func(r io.Reader) (io.ReadCloser, error) {
				calls++
				z, err := decompressor(r)
				return &closing{z, &closes}, err
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		compare(t, a, wanted(t, pictures...))
		if want := map[bool]int{true: 0, false: 1}[packing == "plain"]; calls != want {
			t.Errorf("%s: %d calls", packing, calls)
		}
		if closes != calls {
			t.Errorf("%s: %d calls and %d of Close", packing, calls, closes)
		}
	}
}

type closing struct {
	io.ReadCloser
	closes *int
}

func (c *closing) Close() error {
	*c.closes++
	return c.ReadCloser.Close()
}

// TestCancelledBomb stops what comes out of few bytes for a long time.
func TestCancelledBomb(t *testing.T) {
	plain := pack(t, layout(t, pictures...)...)
	ctx, cancel := context.WithCancel(context.Background())
	_, err := Read(ctx, bytes.NewReader(gz(t, plain, 1)), Options{
		TempDir: t.TempDir(), MaxBytes: 1 << 30,
		Inflate: func(io.Reader) (io.ReadCloser, error) {
			cancel()
			return io.NopCloser(io.MultiReader(bytes.NewReader(plain[:512]), zeros{})), nil
		},
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestClosedAfterErrors shows that nothing stays open when an archive cannot be.
func TestClosedAfterErrors(t *testing.T) {
	plain := pack(t, layout(t, pictures...)...)
	twice := pack(t, append(layout(t, pictures...), member{name: "index.json"})...)
	for name, c := range map[string]struct {
		packed []byte
		o      Options
	}{
		"cut short":               {packed: gz(t, plain, 1)[:1000]},
		"too large":               {packed: gz(t, plain, 1), o: Options{MaxBytes: 1000}},
		"invalid":                 {packed: twice},
		"invalid and compressed":  {packed: gz(t, twice, 1)},
		"without an image":        {packed: pack(t, member{name: "x"})},
		"without, and compressed": {packed: zst(t, pack(t, member{name: "x"}), 1)},
	} {
		path := write(t, c.packed)
		c.o.TempDir = t.TempDir()
		before := openFiles(t)
		if _, err := Open(context.Background(), path, c.o); err == nil {
			t.Errorf("%s: it opened", name)
		}
		if after := openFiles(t); after != before {
			t.Errorf("%s: open files before:\n%s\nand after:\n%s", name, before, after)
		}
	}
	dir := unpackTo(t, t.TempDir(), layout(t, pictures...))
	a, err := Open(context.Background(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	before := openFiles(t)
	config := pictures[0].config(t)
	if _, err := a.Blob(context.Background(), digestOf([]byte(config)), 1); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	if _, err := walk(a); err != nil {
		t.Error(err)
	}
	if after := openFiles(t); after != before {
		t.Errorf("open files before:\n%s\nand after:\n%s", before, after)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if left := openFiles(t); strings.Contains(left, dir) {
		t.Errorf("open after Close:\n%s", left)
	}
}

// TestPosition reads from where a file is at, which may be behind its end.
func TestPosition(t *testing.T) {
	f, err := os.Open(write(t, pack(t, layout(t, pictures...)...)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Seek(1<<40, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(context.Background(), f, Options{}); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "it is empty") {
		t.Error(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Error("Read closed the file:", err)
	}
}

// TestWindow refuses what would need much memory.
func TestWindow(t *testing.T) {
	plain := pack(t, append(layout(t, pictures...), member{name: "padding", body: strings.Repeat("x", 40<<20)})...)
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithWindowSize(64<<20), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		t.Fatal(err)
	}
	// Flushing in between keeps the encoder from shrinking the window to the size.
	for _, part := range [][]byte{plain[:1<<20], plain[1<<20:]} {
		if _, err := w.Write(part); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Read(context.Background(), &b, Options{TempDir: t.TempDir()})
	if !errors.Is(err, ErrInvalid) || !errors.Is(err, zstd.ErrWindowSizeExceeded) {
		t.Error(err)
	}
}

// TestSourceFails passes errors of reading on, compressed or not, wherever they come.
func TestSourceFails(t *testing.T) {
	plain := pack(t, layout(t, pictures...)...)
	all := maps.Clone(packings)
	all["gzip with a long header"] = func(t testing.TB, b []byte) []byte {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		w.Extra = make([]byte, 2000)
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	for packing, compress := range all {
		packed := compress(t, plain)
		for _, at := range []int{0, 1, 100, 1000, len(packed) / 2, len(packed) - 1, len(packed)} {
			r := io.MultiReader(bytes.NewReader(packed[:at]), iotest.ErrReader(unix.EIO))
			_, err := Read(context.Background(), r, Options{TempDir: t.TempDir()})
			if !errors.Is(err, unix.EIO) || errors.Is(err, ErrInvalid) {
				t.Errorf("%s at %d: %v", packing, at, err)
			}
		}
	}
}

// TestDiskFull passes the error of writing on.
func TestDiskFull(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	src := &source{ctx: context.Background(), r: zeros{}}
	if _, err := src.pour(full, src, 1<<30); !errors.Is(err, unix.ENOSPC) || errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
}

// TestIdlePipe gives up waiting for a pipe into which no one writes, as standard input may be.
func TestIdlePipe(t *testing.T) {
	for name, nonblock := range map[string]bool{"blocking": false, "not blocking": true} {
		t.Run(name, func(t *testing.T) {
			var ends [2]int
			if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
				t.Fatal(err)
			}
			if err := unix.SetNonblock(ends[0], nonblock); err != nil {
				t.Fatal(err)
			}
			r, w := os.NewFile(uintptr(ends[0]), "r"), os.NewFile(uintptr(ends[1]), "w")
			defer r.Close()
			defer w.Close()
			_, err := w.Write(pack(t, layout(t, pictures...)...)[:1000])
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error)
			go func() {
				_, err := Read(ctx, r, Options{TempDir: t.TempDir()})
				done <- err
			}()
			for left := 1; left > 0; runtime.Gosched() {
				if left, err = unix.IoctlGetInt(ends[1], unix.TIOCINQ); err != nil {
					t.Fatal(err)
				}
			}
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
}

// TestDevices ends with devices that do not.
func TestDevices(t *testing.T) {
	for name, says := range map[string]string{"/dev/zero": "begins with zeros", "/dev/null": "it is empty"} {
		_, err := Open(context.Background(), name, Options{TempDir: t.TempDir()})
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
