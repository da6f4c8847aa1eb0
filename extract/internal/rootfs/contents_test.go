package rootfs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
	"github.com/aztec-spartan/aztec-spartan/extract/internal/rootfs"
	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

// memory is Contents that holds them in memory.
type memory map[layer.Digest]string

func (m memory) Place(_ int, e *layer.Entry, dirfd int, name string) error {
	body, ok := m[e.Digest]
	if !ok {
		return fmt.Errorf("looking for %x: %w", e.Digest[:4], rootfs.ErrAbsent)
	}
	fd, err := unix.Openat(dirfd, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	if _, err := f.WriteString(body); err != nil {
		return err
	}
	errs := []error{unix.Fchown(fd, int(e.UID), int(e.GID))}
	for _, x := range e.Xattrs {
		errs = append(errs, unix.Fsetxattr(fd, x.Name, []byte(x.Value), 0))
	}
	ts := unix.Timespec{Sec: e.MTime.Sec, Nsec: int64(e.MTime.Nsec)}
	errs = append(errs, unix.Fchmod(fd, e.Mode), unix.UtimesNanoAt(dirfd, name, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW))
	return errors.Join(errs...)
}

func (m memory) add(body string) layer.Digest {
	d := new(layer.Key).Of([]byte(body))
	m[d] = body
	return d
}

// scan reads an archive the way that the stage does.
func (m memory) scan(raw []byte) ([]*layer.Entry, layer.Dropped, error) {
	s := layer.NewScanner(bytes.NewReader(raw))
	var entries []*layer.Entry
	for {
		e, body, err := s.Next()
		if errors.Is(err, io.EOF) {
			return entries, s.Dropped(), nil
		}
		if err != nil {
			return nil, s.Dropped(), err
		}
		if body != nil {
			b, err := io.ReadAll(body)
			if err != nil {
				return nil, s.Dropped(), err
			}
			e.Digest = m.add(string(b))
		}
		entries = append(entries, e)
	}
}

type layers [][]Entry

// often says when a test calls Flush before Finish does.
type often int

const (
	never often = iota
	afterLayers
	afterEntries
)

// apply makes a tree of layers in a fresh directory.
func apply(t *testing.T, in layers, when often) (string, rootfs.Stats, error) {
	t.Helper()
	dir := t.TempDir()
	stats, err := applyTo(t, dir, in, when)
	return dir, stats, err
}

func applyTo(t *testing.T, dir string, in layers, when often) (rootfs.Stats, error) {
	t.Helper()
	m := memory{}
	tree, err := rootfs.New(dir, m)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	dropped, err := m.applyAll(t, tree, in, when)
	if err == nil {
		err = tree.Finish(context.Background())
	}
	stats := tree.Stats()
	stats.Dropped.Add(dropped)
	return stats, err
}

func (m memory) applyAll(t *testing.T, tree *rootfs.Tree, in layers, when often) (layer.Dropped, error) {
	t.Helper()
	var total layer.Dropped
	for n, entries := range in {
		list, dropped, err := m.scan(Layer(t, entries...))
		if err != nil {
			return total, err
		}
		total.Add(dropped)
		for i, e := range list {
			err := tree.Apply(n, e)
			if err == nil && (when == afterEntries || when == afterLayers && i == len(list)-1) {
				err = tree.Flush(context.Background())
			}
			if err != nil {
				return total, err
			}
		}
	}
	return total, nil
}

// outside is a directory beside the root that no layer may touch.
func outside(t *testing.T) (root, victim string) {
	t.Helper()
	top := t.TempDir()
	root, victim = filepath.Join(top, "root"), filepath.Join(top, "victim")
	for _, d := range []string{root, victim, victim + "/d"} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{victim + "/f", victim + "/d/f"} {
		if err := os.WriteFile(f, []byte("keep"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root, victim
}
