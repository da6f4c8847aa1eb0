package rootfs_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
	"github.com/aztec-spartan/aztec-spartan/extract/internal/rootfs"
)

// flat is Contents that links from numbered files in one directory, as another version of an image would be shared.
type flat int

func (f flat) Place(_ int, e *layer.Entry, dirfd int, name string) error {
	return unix.Linkat(int(f), strconv.Itoa(int(e.Staged)), dirfd, name, 0)
}

const benchFiles = 60_000

// benchEntries is about as many as the real image has, in paths about as long.
func benchEntries() []*layer.Entry {
	var entries []*layer.Entry
	attrs := layer.Attrs{Mode: 0o644, MTime: layer.Time{Sec: 1_700_000_000}}
	for d := range benchFiles / 10 {
		dir := fmt.Sprintf("usr/src/yarn-project/node_modules/@scope%d/package-%d/dest", d/20, d)
		entries = append(entries, &layer.Entry{Kind: layer.Dir, Path: dir, Attrs: attrs})
		for f := range 10 {
			entries = append(entries, &layer.Entry{Kind: layer.File, Path: fmt.Sprintf("%s/module_%d.d.ts", dir, f), Attrs: attrs, Staged: uint32(len(entries))})
		}
	}
	return entries
}

func applyEntries(b *testing.B, t *rootfs.Tree, entries []*layer.Entry) {
	b.Helper()
	for _, e := range entries {
		if err := t.Apply(0, e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkApply(b *testing.B) {
	entries := benchEntries()
	dir := b.TempDir()
	b.ReportAllocs()
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		t, err := rootfs.Open(dir, nil)
		if err != nil {
			b.Fatal(err)
		}
		applyEntries(b, t, entries)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(len(entries)), "bytes/entry")
		if err := t.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// places are where trees are made: memory, and the disk of $TMPDIR.
func places(b *testing.B, run func(b *testing.B, dir string)) {
	for name, top := range map[string]string{"tmpfs": "/dev/shm", "disk": os.TempDir()} {
		b.Run(name, func(b *testing.B) {
			dir, err := os.MkdirTemp(top, "rootfs-bench-")
			if err != nil {
				b.Fatal(err)
			}
			defer os.RemoveAll(dir)
			run(b, dir)
		})
	}
}

// store makes the files that flat links from.
func store(b *testing.B, dir string, entries []*layer.Entry) flat {
	b.Helper()
	if err := os.Mkdir(dir+"/store", 0o700); err != nil {
		b.Fatal(err)
	}
	for _, e := range entries {
		if e.Kind != layer.File {
			continue
		}
		if err := os.WriteFile(fmt.Sprintf("%s/store/%d", dir, e.Staged), nil, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	fd, err := unix.Open(dir+"/store", unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		b.Fatal(err)
	}
	return flat(fd)
}

// cpu is what this process used of processors so far, in µs: on a busy machine it says more than the time that passed.
func cpu(b testing.TB) float64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1000
}

func BenchmarkFlush(b *testing.B) {
	entries := benchEntries()
	places(b, func(b *testing.B, dir string) {
		from := store(b, dir, entries)
		defer unix.Close(int(from))
		var flush, finish float64
		for b.Loop() {
			b.StopTimer()
			if err := os.Mkdir(dir+"/root", 0o700); err != nil {
				b.Fatal(err)
			}
			t, err := rootfs.New(dir+"/root", from)
			if err != nil {
				b.Fatal(err)
			}
			applyEntries(b, t, entries)
			b.StartTimer()
			start := cpu(b)
			if err := t.Flush(context.Background()); err != nil {
				b.Fatal(err)
			}
			flushed := cpu(b)
			if err := t.Finish(context.Background()); err != nil {
				b.Fatal(err)
			}
			flush, finish = flush+flushed-start, finish+cpu(b)-flushed
			b.StopTimer()
			if err := t.Close(); err != nil {
				b.Fatal(err)
			}
			if err := os.RemoveAll(dir + "/root"); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
		b.ReportMetric(flush/float64(b.N)/float64(len(entries)), "cpu-µs/entry")
		b.ReportMetric(finish/float64(b.N)/float64(len(entries)/11), "finish-cpu-µs/directory")
	})
}

func BenchmarkCheck(b *testing.B) {
	entries := benchEntries()
	bodies := memory{}
	for i, e := range entries {
		if e.Kind == layer.File {
			// 20 KB on average, as in the real image, most of them far smaller.
			body := make([]byte, 1000)
			if i%100 == 1 {
				body = make([]byte, 200_000)
			}
			copy(body, strconv.Itoa(i))
			e.Size, e.Digest = int64(len(body)), bodies.add(string(body))
		}
	}
	places(b, func(b *testing.B, dir string) {
		t, err := rootfs.New(dir, bodies)
		if err != nil {
			b.Fatal(err)
		}
		defer t.Close()
		applyEntries(b, t, entries)
		if err := t.Finish(context.Background()); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(t.Stats().Bytes)
		for b.Loop() {
			if err := t.Check(context.Background(), layer.Key{}, func(d rootfs.Damage) { b.Errorf("%+v", d) }); err != nil {
				b.Fatal(err)
			}
		}
	})
}
