package extract_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aztec-spartan/aztec-spartan/extract"
	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

// inodes are those below dir, by relative path.
func inodes(t *testing.T, dir string) map[string]*syscall.Stat_t {
	t.Helper()
	found := map[string]*syscall.Stat_t{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		found[rel] = info.Sys().(*syscall.Stat_t)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// growth is how many bytes on the disk b takes beside a.
func growth(t *testing.T, a, b string) (n int64) {
	t.Helper()
	had := map[uint64]bool{}
	for _, st := range inodes(t, a) {
		had[st.Ino] = true
	}
	for _, st := range inodes(t, b) {
		if !had[st.Ino] {
			had[st.Ino] = true
			n += st.Blocks * 512
		}
	}
	return n
}

func dirOf(im *extract.Image) string { return filepath.Dir(im.Rootfs()) }

// blobsOf are the layers among what was asked for, by number.
func blobsOf(took []string, layers []layer) (numbers []int) {
	for n, l := range layers {
		for _, path := range took {
			if strings.HasSuffix(path, sha(gz(l.tar))) {
				numbers = append(numbers, n)
				break // a layer may be asked for by ranges
			}
		}
	}
	return numbers
}

// program is a layer of an application, of which one file is another in each version.
func program(t *testing.T, version int64, o ...Option) layer {
	entries := []Entry{Dir("app"), File("app/changed", noise(version, 900<<10), o...), File("app/large", noise(-1, 600<<10), o...)}
	for i := range 30 {
		entries = append(entries, File(fmt.Sprint("app/f", i), noise(int64(-10-i), 100*i), o...))
	}
	return layer{tar: tarOf(t, append(entries, Link("app/link", "app/f29"), File("app/module.py", "import this\n", o...))...)}
}

// TestShare: a second version that changes one file costs that file.
func TestShare(t *testing.T) {
	r, s := newRegistry(t), newStore(t)
	layers := [][]layer{{varied(t)[0], program(t, 1)}, {varied(t)[0], program(t, 2)}}
	r.push(image{tag: "v1", layers: layers[0]})
	r.push(image{tag: "v2", layers: layers[1]})
	first := pull(t, s, r.ref(":v1"))
	r.took()
	second, stats, err := s.Pull(context.Background(), r.ref(":v2"), amd64)
	if err != nil {
		t.Fatal(err)
	}
	if got := blobsOf(r.took(), layers[1]); !slices.Equal(got, []int{1}) {
		t.Errorf("layers %v were fetched", got)
	}
	const size = 900 << 10
	if stats.WrittenBytes != size {
		t.Errorf("%d bytes were written, not %d", stats.WrittenBytes, size)
	}
	if n := growth(t, dirOf(first), dirOf(second)); n > size*11/10 {
		t.Errorf("the second version takes %d bytes more, for one file of %d", n, size)
	}
	was := inodes(t, first.Rootfs())
	for path, is := range inodes(t, second.Rootfs()) {
		if shared := was[path].Ino == is.Ino; shared != (is.Mode&syscall.S_IFMT == syscall.S_IFREG && is.Size > 0 && path != "app/changed") {
			t.Errorf("%s is shared: %v", path, shared)
		}
	}
	whole(t, s, second.ID, fresh(t, r.ref(":v2")))
}

// TestShareHidden: a layer is known, but what is wanted of it was hidden in the image that is here.
func TestShareHidden(t *testing.T) {
	base := layer{tar: tarOf(t, File("hidden", noise(1, 3000)), File("replaced", noise(2, 600<<10)), File("kept", "kept"), File("same", "same"))}
	for name, test := range map[string]struct {
		over  layer
		again []int
	}{
		"by whiteouts":     {layer{tar: tarOf(t, Whiteout("hidden"), Whiteout("replaced"))}, []int{0}},
		"by other files":   {layer{tar: tarOf(t, File("hidden", "x"), File("replaced", "y"))}, []int{0}},
		"by directories":   {layer{tar: tarOf(t, Dir("hidden"), Dir("replaced"))}, []int{0}},
		"not, but renamed": {layer{tar: tarOf(t, Link("elsewhere", "hidden"), Whiteout("same"), File("same-elsewhere", "same"))}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r, s := newRegistry(t), newStore(t)
			r.push(image{tag: "v1", layers: []layer{base, test.over}})
			r.push(image{tag: "v2", layers: []layer{base}})
			pull(t, s, r.ref(":v1"))
			r.took()
			second, stats, err := s.Pull(context.Background(), r.ref(":v2"), amd64)
			if err != nil {
				t.Fatal(err)
			}
			if got := blobsOf(r.took(), []layer{base}); !slices.Equal(got, test.again) {
				t.Errorf("layers %v were fetched, want %v", got, test.again)
			}
			if wanted := int64(3000 + 600<<10); test.again != nil && stats.WrittenBytes != wanted {
				t.Errorf("%d bytes were written, want %d", stats.WrittenBytes, wanted)
			}
			whole(t, s, second.ID, fresh(t, r.ref(":v2")))
		})
	}
}

// TestShareTwice: an image may have a layer several times.
func TestShareTwice(t *testing.T) {
	base := layer{tar: tarOf(t, Dir("d"), File("d/f", noise(1, 2000)), File("big", noise(2, 600<<10)), File("e", "1"))}
	hide := layer{tar: tarOf(t, Whiteout("d"), File("e", "2"), File("kept", "3"))}
	layers := []layer{base, hide, base, base}
	r, s := newRegistry(t), newStore(t)
	r.push(image{tag: "v1", layers: layers})
	r.push(image{tag: "base", layers: layers[:1]})
	r.push(image{tag: "hidden", layers: layers[:2]})
	r.took()
	im := pull(t, s, r.ref(":v1"))
	if took := r.took(); len(took) != 4 {
		t.Errorf("it took %q", took)
	}
	want := fresh(t, r.ref(":base"))
	want["kept"] = fresh(t, r.ref(":hidden"))["kept"]
	for path, l := range want {
		if path == "." {
			l.MTime = List(t, im.Rootfs())["."].MTime
		}
		want[path] = l
	}
	whole(t, s, im.ID, want)
	for _, had := range []string{":base", ":hidden"} {
		s := newStore(t)
		pull(t, s, r.ref(had))
		whole(t, s, pull(t, s, r.ref(":v1")).ID, want)
	}
}

// TestShareRemoval: of three versions in a chain, those that stay are whole in whatever order the others are removed.
func TestShareRemoval(t *testing.T) {
	r := newRegistry(t)
	tags := []string{":v1", ":v2", ":v3"}
	var trees []map[string]Listed
	for i, tag := range tags {
		r.push(image{tag: tag[1:], layers: []layer{varied(t)[0], program(t, int64(i)), {tar: tarOf(t, File("only", tag), File("pair", noise(int64((i+1)/2), 5000)))}}})
		trees = append(trees, fresh(t, r.ref(tag)))
	}
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			s := newStore(t)
			var images []*extract.Image
			for _, tag := range tags {
				images = append(images, pull(t, s, r.ref(tag)))
			}
			for i, n := range order {
				if err := s.Remove(images[n].ID); err != nil {
					t.Fatal(err)
				}
				for _, stays := range order[i+1:] {
					whole(t, s, images[stays].ID, trees[stays])
				}
			}
			empty(t, s)
		})
	}
}

// TestShareTimes: where nothing but the time of a file is another, the file is shared with the time that it has; Python's are not.
func TestShareTimes(t *testing.T) {
	r, s := newRegistry(t), newStore(t)
	r.push(image{tag: "v1", layers: []layer{program(t, 1)}})
	r.push(image{tag: "v2", layers: []layer{program(t, 1, MTime(Time.Add(time.Hour)))}})
	first := pull(t, s, r.ref(":v1"))
	second, stats, err := s.Pull(context.Background(), r.ref(":v2"), amd64)
	if err != nil {
		t.Fatal(err)
	}
	was, is := inodes(t, first.Rootfs()), inodes(t, second.Rootfs())
	for path, st := range is {
		// Empty files are not shared.
		if file := st.Mode&syscall.S_IFMT == syscall.S_IFREG && st.Size > 0; file && (was[path].Ino == st.Ino) == strings.HasSuffix(path, ".py") {
			t.Errorf("%s is shared: %v", path, was[path].Ino == st.Ino)
		}
	}
	if want := int64(len("import this\n")); stats.WrittenBytes != want {
		t.Errorf("%d bytes were written, not %d", stats.WrittenBytes, want)
	}
	want, got := fresh(t, r.ref(":v2")), List(t, second.Rootfs())
	if want["app/module.py"].MTime != got["app/module.py"].MTime {
		t.Error("app/module.py has another time")
	}
	if diff := cmp.Diff(Lines(want), Lines(got)); diff != "" {
		t.Errorf("the tree differs (-want +got):\n%s", diff)
	}
	sound(t, s, first.ID)
	sound(t, s, second.ID)
	// What the list of the shared layer says is what is there, for others too.
	r.push(image{tag: "v3", layers: []layer{program(t, 1, MTime(Time.Add(time.Hour))), {tar: tarOf(t, File("new", "x"))}}})
	sound(t, s, pull(t, s, r.ref(":v3")).ID)
}

// TestShareTampered: what was changed in one version, with nothing to show for it but the contents, is found in all that share it,
// and repaired in each.
func TestShareTampered(t *testing.T) {
	r, s := newRegistry(t), newStore(t)
	r.push(image{tag: "v1", layers: []layer{program(t, 1)}})
	r.push(image{tag: "v2", layers: []layer{program(t, 2)}})
	both := []*extract.Image{pull(t, s, r.ref(":v1")), pull(t, s, r.ref(":v2"))}
	path := both[0].Rootfs() + "/app/f20"
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	// In place, so that it stays the same inode.
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte("tampered"), 100)
	if err := errors.Join(err, f.Close(), os.Chtimes(path, st.ModTime(), st.ModTime())); err != nil {
		t.Fatal(err)
	}
	want := []string{"app/f20: other contents"}
	for _, im := range both {
		if got := damages(t, s, im.ID); !slices.Equal(got, want) {
			t.Errorf("found %q", got)
		}
	}
	for i, im := range both {
		if _, err := s.Repair(context.Background(), im.ID, impatient, func(extract.Damage) {}); err != nil {
			t.Error(err)
		}
		sound(t, s, im.ID)
		if i == 0 {
			if got := damages(t, s, both[1].ID); !slices.Equal(got, want) {
				t.Errorf("after the repair of one, found %q in the other", got)
			}
		}
	}
	for i, im := range both {
		whole(t, s, im.ID, fresh(t, r.ref(fmt.Sprint(":v", i+1))))
	}
}

// damages are what a verification finds, sorted.
func damages(t *testing.T, s *extract.Store, id string) []string {
	t.Helper()
	var found []string
	v, err := s.Verify(context.Background(), id, func(d extract.Damage) { found = append(found, d.Path+": "+d.What) })
	if err != nil || v.Damaged != len(found) {
		t.Errorf("%+v, %v", v, err)
	}
	slices.Sort(found)
	return found
}
