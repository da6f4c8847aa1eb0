package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

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
		calls := 0
		a, err := Read(context.Background(), bytes.NewReader(compress(t, plain)), Options{
			TempDir: t.TempDir(),
			Inflate: func(r io.Reader) (io.ReadCloser, error) {
				calls++
				return decompressor(r)
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		compare(t, a, wanted(t, pictures...))
		if want := map[bool]int{true: 0, false: 1}[packing == "plain"]; calls != want {
			t.Errorf("%s: %d calls", packing, calls)
		}
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
	for packing, compress := range packings {
		packed := compress(t, plain)
		for _, at := range []int{0, 1, 100, len(packed) / 2, len(packed) - 1, len(packed)} {
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
