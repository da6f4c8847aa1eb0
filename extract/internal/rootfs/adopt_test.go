package rootfs_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
	"github.com/aztec-spartan/aztec-spartan/extract/internal/rootfs"
	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

// ready is Contents that has the files of directories together, as the stage does.
type ready struct {
	memory
	numbers map[string]uint32 // of directories, by layer and path
	files   map[uint32][]*layer.Entry
	alone   uint32
	taken   int // directories
}

func newReady(m memory) *ready {
	return &ready{memory: m, numbers: map[string]uint32{}, files: map[uint32][]*layer.Entry{}}
}

// stage puts e aside, of layer n.
func (r *ready) stage(n int, e *layer.Entry) {
	e.Staged = 0
	if e.Kind != layer.File || e.Size == 0 {
		return
	}
	dir, name := layer.Split(e.Path)
	key := fmt.Sprint(n, dir)
	number, ok := r.numbers[key]
	if !ok {
		number = uint32(len(r.numbers) + 1)
		r.numbers[key] = number
	}
	for _, other := range r.files[number] {
		if _, taken := layer.Split(other.Path); taken == name {
			r.alone++
			e.Staged = r.alone | layer.Alone
			return
		}
	}
	e.Staged = number
	r.files[number] = append(r.files[number], e)
}

func (r *ready) PlaceDir(n int, number uint32, dirfd int, name string) (bool, error) {
	files := r.files[number]
	if len(files) == 0 {
		return false, fmt.Errorf("directory %d of layer %d has gone already", number, n)
	}
	delete(r.files, number)
	r.taken++
	if err := unix.Mkdirat(dirfd, name, 0o700); err != nil {
		return false, err
	}
	fd, err := unix.Openat(dirfd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return false, err
	}
	errs := []error{}
	for _, e := range files {
		_, name := layer.Split(e.Path)
		errs = append(errs, r.Place(n, e, fd, name))
	}
	return true, errors.Join(append(errs, unix.Close(fd))...)
}

// TestAdopt: the tree is the same, however much of it was ready.
func TestAdopt(t *testing.T) {
	for name, test := range map[string]struct {
		layers
		taken int
	}{
		"all of it":                       {layers{{Dir("d"), File("d/a", "1"), File("d/b", "2"), Dir("d/e"), File("d/e/f", "3")}}, 2},
		"directories that nobody has":     {layers{{File("d/a", "1"), File("e/f/g", "3")}}, 2},
		"the root is there already":       {layers{{File("a", "1"), File("b", "2")}}, 0},
		"beside what is not put aside":    {layers{{File("d/a", "1"), File("d/empty", ""), Symlink("d/s", "a"), Link("d/l", "d/a")}}, 1},
		"a link elsewhere":                {layers{{File("d/a", "1"), Link("e/a", "d/a")}}, 1},
		"one hides another":               {layers{{File("d/a", "1"), File("d/b", "2"), File("d/a", "3")}}, 0},
		"one becomes a directory":         {layers{{File("d/a", "1"), File("d/a/b", "2")}}, 1},
		"a whiteout of its own":           {layers{{File("d/a", "1"), Whiteout("d/a"), File("d/b", "2")}}, 1},
		"through a link":                  {layers{{Symlink("l", "d"), File("d/a", "1"), File("l/b", "2")}}, 1},
		"all through a link":              {layers{{Symlink("l", "d"), Dir("d"), File("l/b", "2")}}, 1},
		"a directory of the layer below":  {layers{{File("d/a", "1")}, {File("d/b", "2"), File("d/e/f", "3")}}, 2},
		"hidden by the next":              {layers{{File("d/a", "1"), File("d/b", "2")}, {Whiteout("d/a"), File("d/c", "3")}}, 1},
		"made anew by the next":           {layers{{File("d/a", "1"), File("d/b", "2")}, {Opaque("d"), File("d/a", "3")}}, 1},
		"replaced by the next":            {layers{{File("d/a", "1")}, {Whiteout("d"), File("d/a", "2")}}, 2},
		"hard links keep what is hidden":  {layers{{File("d/a", "1"), Link("l", "d/a")}, {File("d/a", "2"), Link("m", "l")}, {Whiteout("d")}}, 1},
		"attributes of the directory":     {layers{{File("d/a", "1"), Dir("d", Mode(0o1700), Owner(5, 6), Xattr("user.x", "y"))}}, 1},
		"the same name in two, linked":    {layers{{File("d/a", "1"), Link("e/a", "d/a"), Whiteout("x")}, {Whiteout("d")}}, 1},
		"moved by a link to its contents": {layers{{File("d/a", "1"), Link("e/a", "d/a"), File("d", "2")}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			plain, _, err := apply(t, test.layers, afterLayers)
			if err != nil {
				// Some of these images are wrong; then they are for both.
				t.Log(err)
			}
			m := memory{}
			r := newReady(m)
			dir := t.TempDir()
			tree, err2 := rootfs.New(dir, r)
			if err2 != nil {
				t.Fatal(err2)
			}
			defer tree.Close()
			again := r.applyAll(t, tree, test.layers)
			if again == nil {
				again = tree.Finish(context.Background())
			}
			if (err == nil) != (again == nil) {
				t.Fatalf("%v, but %v with directories that are ready", err, again)
			}
			if err != nil {
				return
			}
			if diff := cmp.Diff(List(t, plain), List(t, dir)); diff != "" {
				t.Errorf("the tree differs (-want +got):\n%s", diff)
			}
			if r.taken != test.taken {
				t.Errorf("%d directories were taken as they are, want %d", r.taken, test.taken)
			}
			if left := check(t, tree); len(left) > 0 {
				t.Errorf("what was made is not what is known:\n%s", lines(left))
			}
		})
	}
}

func (r *ready) applyAll(t *testing.T, tree *rootfs.Tree, in layers) error {
	t.Helper()
	for n, entries := range in {
		list, _, err := r.scan(Layer(t, entries...))
		if err != nil {
			return err
		}
		for _, e := range list {
			r.stage(n, e)
		}
		for _, e := range list {
			if err := tree.Apply(n, e); err != nil {
				return err
			}
		}
		if err := tree.Flush(context.Background()); err != nil {
			return err
		}
	}
	return nil
}
