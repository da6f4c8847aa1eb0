package rootfs_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
	"github.com/aztec-spartan/aztec-spartan/extract/internal/rootfs"
)

// patience is what 100,000 entries may take, many times what they do; what is quadratic takes minutes.
const (
	many     = 100_000
	patience = 20 * time.Second
)

// numbered is many entries with paths that end in their number.
func numbered(kind layer.Kind, prefix, target string) []*layer.Entry {
	var e []*layer.Entry
	for i := range many {
		e = append(e, &layer.Entry{Kind: kind, Path: fmt.Sprint(prefix, i), Target: target})
	}
	return e
}

func repeated(e layer.Entry) []*layer.Entry {
	var list []*layer.Entry
	for range many {
		list = append(list, &e)
	}
	return list
}

// TestCost applies what once took quadratic time.
func TestCost(t *testing.T) {
	first := &layer.Entry{Kind: layer.Symlink, Path: "a", Target: "x"}
	for name, parts := range map[string][][]*layer.Entry{
		"names of one inode go in order": {
			{first}, numbered(layer.Link, "l", "a"), numbered(layer.Symlink, "l", "x"),
		},
		"opaque, over and over, beside own entries":   {numbered(layer.Symlink, "d/", "x"), repeated(layer.Entry{Kind: layer.Opaque, Path: "d"})},
		"whiteout, over and over, beside own entries": {numbered(layer.Symlink, "d/e/", "x"), repeated(layer.Entry{Kind: layer.Whiteout, Path: "d"})},
	} {
		t.Run(name, func(t *testing.T) {
			tree, err := rootfs.New(t.TempDir(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer tree.Close()
			start := time.Now()
			for _, entries := range parts {
				for _, e := range entries {
					if err := tree.Apply(0, e); err != nil {
						t.Fatal(err)
					}
					if time.Since(start) > patience {
						t.Fatalf("it takes over %v", patience)
					}
				}
			}
		})
	}
}

// TestCostOfParking has many inodes that lose their name on disk when they get another, in a root full of what is to be removed.
func TestCostOfParking(t *testing.T) {
	const n = 50_000
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64m"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	tree, err := rootfs.New(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	each := func(number int, entry func(i int) *layer.Entry) {
		for i := range n {
			if err := tree.Apply(number, entry(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	each(0, func(i int) *layer.Entry {
		return &layer.Entry{Kind: layer.Symlink, Path: fmt.Sprint(".placing-", i), Target: fmt.Sprint(i)}
	})
	if err := tree.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	each(1, func(i int) *layer.Entry {
		return &layer.Entry{Kind: layer.Link, Path: fmt.Sprint("d/", i), Target: fmt.Sprint(".placing-", i)}
	})
	each(1, func(i int) *layer.Entry {
		return &layer.Entry{Kind: layer.Whiteout, Path: fmt.Sprint(".placing-", i)}
	})
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if err := tree.Flush(cancelled); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	if err := tree.Finish(ctx); err != nil {
		t.Fatal(err)
	}
	checkSame(t, tree)
}

// checkSame expects the tree to be what is on disk.
func checkSame(t *testing.T, tree *rootfs.Tree) {
	t.Helper()
	if err := tree.Check(context.Background(), layer.Key{}, func(d rootfs.Damage) { t.Errorf("%s: %s", d.Path, d.What) }); err != nil {
		t.Error(err)
	}
}

// TestManyNames gives a file more names than ext4 does.
func TestManyNames(t *testing.T) {
	const n = 65_001
	tree, err := rootfs.New(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	if err := tree.Apply(0, &layer.Entry{Kind: layer.Symlink, Path: "a", Target: "x"}); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := tree.Apply(0, &layer.Entry{Kind: layer.Link, Path: fmt.Sprint("l", i), Target: "a"}); err != nil {
			t.Fatal(err)
		}
	}
	err = tree.Finish(context.Background())
	if errors.Is(err, unix.EMLINK) {
		if !errors.Is(err, layer.ErrInvalid) || !strings.Contains(err.Error(), "one file has more names") {
			t.Errorf("got %v, want an invalid layer", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	checkSame(t, tree)
}

// TestTreeTextCap adds up layers that are each small enough.
func TestTreeTextCap(t *testing.T) {
	tree, err := rootfs.New(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	e := &layer.Entry{Kind: layer.Symlink, Path: "l", Target: strings.Repeat("x", 4000)}
	fits := layer.MaxText / 4001
	n := 0
	for ; err == nil && n < 2*fits; n++ {
		err = tree.Apply(n/100, e)
	}
	if n != fits+1 || !errors.Is(err, layer.ErrInvalid) {
		t.Errorf("%v after %d entries, want an invalid layer after %d", err, n, fits+1)
	}
}

// TestCrowdedXattrs gives a directory more attributes than an inode of ext4 has room for. Those that do are dropped and counted,
// and neither is a damage.
func TestCrowdedXattrs(t *testing.T) {
	for name, xattrs := range map[string][]layer.Xattr{
		"large": {{Name: "user.a", Value: "1"}, {Name: "user.b", Value: strings.Repeat("v", 9000)}, {Name: "user.c", Value: "3"}},
		"many":  empties(),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			tree, err := rootfs.New(dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer tree.Close()
			if err := tree.Apply(0, &layer.Entry{Kind: layer.Dir, Path: "d", Attrs: layer.Attrs{Mode: 0o755, Xattrs: xattrs}}); err != nil {
				t.Fatal(err)
			}
			if err := tree.Finish(context.Background()); err != nil {
				t.Fatal(err)
			}
			there := int64(0)
			for _, x := range xattrs {
				switch n, err := unix.Getxattr(dir+"/d", x.Name, nil); {
				case err == nil && n == len(x.Value):
					there++
				case !errors.Is(err, unix.ENODATA) && !errors.Is(err, unix.ENOTSUP):
					t.Errorf("%s: %d bytes, %v", x.Name, n, err)
				}
			}
			if dropped := tree.Stats().Dropped.Xattrs; there+dropped != int64(len(xattrs)) {
				t.Errorf("%d attributes of %d are there, %d dropped", there, len(xattrs), dropped)
			}
			checkSame(t, tree)
		})
	}
}

func empties() []layer.Xattr {
	var x []layer.Xattr
	for i := range 400 {
		x = append(x, layer.Xattr{Name: fmt.Sprintf("user.%03d", i)})
	}
	return x
}
