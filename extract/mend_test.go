package extract_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aztec-spartan/aztec-spartan/extract"
	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

// rebuilt is a registry with two builds of one image, whose files differ in their times only, and a store with both, the older first.
func rebuilt(t *testing.T) (*fakeRegistry, *extract.Store, []layer, *extract.Image, *extract.Image) {
	t.Helper()
	build := func(at time.Time) layer {
		return layer{tar: tarOf(
			t, Dir("d", MTime(at)), File("d/f", noise(1, 5000), MTime(at)), Link("d/a", "d/f", MTime(at)), Link("z", "d/f", MTime(at)),
			File("m.py", "pass", MTime(at)), File("big", noise(2, 600<<10), MTime(at)),
		)}
	}
	r, s := newRegistry(t), newStore(t)
	layers := []layer{build(Time), build(Time.Add(time.Hour))}
	r.push(image{tag: "v1", layers: layers[:1]})
	r.push(image{tag: "v2", layers: layers[1:]})
	return r, s, layers, pull(t, s, r.ref(":v1")), pull(t, s, r.ref(":v2"))
}

// TestRelistShared: files that another image had have its times. A list that is written anew says so too, or a repair would give the
// other image's files other times than it recorded.
func TestRelistShared(t *testing.T) {
	for name, also := range map[string]func(im *extract.Image) error{
		"":                     func(*extract.Image) error { return nil },
		"no list of its files": func(im *extract.Image) error { return os.Truncate(filepath.Join(dirOf(im), "files"), 9) },
	} {
		t.Run(name, func(t *testing.T) {
			_, s, layers, old, im := rebuilt(t)
			was, want := List(t, old.Rootfs()), List(t, im.Rootfs())
			if err := errors.Join(os.Remove(listAt(im, layers[1])), also(im)); err != nil {
				t.Fatal(err)
			}
			var told []string
			_, err := s.Repair(context.Background(), im.ID, impatient, func(d extract.Damage) { told = append(told, d.What) })
			if err != nil || slices.ContainsFunc(told, func(what string) bool { return !strings.HasPrefix(what, "the list of") }) {
				t.Errorf("told %q, %v", told, err)
			}
			whole(t, s, old.ID, was)
			whole(t, s, im.ID, want)
		})
	}
}

// TestRelistFromAnother: a list that another image has is not fetched.
func TestRelistFromAnother(t *testing.T) {
	r, s := newRegistry(t), newStore(t)
	layers := verified(t)
	r.push(image{tag: "v1", layers: layers})
	r.push(image{tag: "v2", layers: layers[:1]})
	im, _ := pull(t, s, r.ref(":v1")), pull(t, s, r.ref(":v2"))
	want := List(t, im.Rootfs())
	if err := os.Remove(listAt(im, layers[0])); err != nil {
		t.Fatal(err)
	}
	r.took()
	v, err := s.Repair(context.Background(), im.ID, impatient, func(extract.Damage) {})
	if took := r.took(); err != nil || v.Repaired != 1 || v.DownloadedBytes != 0 || len(took) > 0 {
		t.Errorf("Repair = %+v, %v; it took %q", v, err, took)
	}
	whole(t, s, im.ID, want)
}

// TestDamagedRecord: an image whose image.json cannot be read is told apart, is in nobody's way, and is recorded again by a pull or a
// load, which leaves its tree alone.
func TestDamagedRecord(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"empty":     func(path string) error { return os.Truncate(path, 0) },
		"cut short": func(path string) error { return os.Truncate(path, 150) },
		"missing":   os.Remove,
		"{}":        func(path string) error { return os.WriteFile(path, []byte("{}"), 0o600) },
		"another's": func(path string) error { return os.WriteFile(path, []byte(`{"schema": 2, "id": "x"}`), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			r, s := newRegistry(t), newStore(t)
			r.push(image{tag: "v1", layers: verified(t)})
			r.push(image{tag: "v2", layers: small(t)})
			o := amd64
			o.MountPoints = []extract.MountPoint{{Path: "/etc/hosts", Mode: 0o644}, {Path: "/d", Dir: true, Mode: 0o755}}
			im, _, err := s.Pull(context.Background(), r.ref(":v1"), o)
			if err != nil {
				t.Fatal(err)
			}
			other := pull(t, s, r.ref(":v2"))
			record, want := filepath.Join(dirOf(im), "image.json"), List(t, im.Rootfs())
			if err := damage(record); err != nil {
				t.Fatal(err)
			}
			images, err := s.List()
			if len(images) != 1 || images[0].ID != other.ID || !errors.Is(err, extract.ErrRecord) || strings.Contains(err.Error(), "\n") {
				t.Errorf("List = %v, %v", images, err)
			}
			damaged, err := s.Damaged()
			if err != nil || len(damaged) != 1 || damaged[0].ID != im.ID || damaged[0].Path != record || damaged[0].Reference != r.ref(":v1@"+im.Digest) {
				t.Fatalf("Damaged = %+v, %v", damaged, err)
			}
			if _, err := s.Get(im.ID); !errors.Is(err, extract.ErrRecord) || strings.Count(err.Error(), "image.json") != 1 {
				t.Errorf("Get: %v", err)
			}
			if _, err := s.ByReference(r.ref(":v3")); !errors.Is(err, extract.ErrNotFound) || !errors.Is(err, extract.ErrRecord) {
				t.Errorf("ByReference of nothing: %v", err)
			}
			if c, err := s.Collect(func(*extract.Image) string { return "test" }, false); !errors.Is(err, extract.ErrRecord) || len(c.Kept) != 1 {
				t.Errorf("Collect = %+v, %v", c, err)
			}
			// Others are pulled, and share with what is there.
			r.push(image{tag: "v3", layers: append(small(t), verified(t)[0])})
			pull(t, s, r.ref(":v3"))
			for i, ref := range []string{damaged[0].Reference, r.ref(":v1")} {
				again, stats, err := s.Pull(context.Background(), ref, o)
				if err != nil || !stats.Present || stats.Recorded != (i == 0) || again.Reference != ref {
					t.Fatalf("Pull(%s): %+v, %v", ref, stats, err)
				}
				got, err := s.Get(again.ID)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(im.MountPoints, got.MountPoints) + cmp.Diff(im.Layers, got.Layers) + cmp.Diff(im.Config, got.Config) +
					cmp.Diff(im.Dropped, got.Dropped) + cmp.Diff([]string{im.Reference, im.Platform}, []string{got.Reference, got.Platform}); d != "" {
					t.Error(d)
				}
				if age := im.Pulled.Sub(got.Pulled).Abs(); age > time.Minute {
					t.Errorf("it was pulled at %v, and says %v", im.Pulled, got.Pulled)
				}
			}
			whole(t, s, im.ID, want)
		})
	}
}

// TestDamagedRecordAndLists: an image of which nothing that was recorded can be read is recorded again from an archive.
func TestDamagedRecordAndLists(t *testing.T) {
	r, s := newRegistry(t), newStore(t)
	r.push(image{tag: "v1", layers: verified(t)})
	im := pull(t, s, r.ref(":v1"))
	want := List(t, im.Rootfs())
	dir := dirOf(im)
	if err := errors.Join(os.Remove(dir+"/image.json"), os.RemoveAll(dir+"/layers"), os.Remove(dir+"/files")); err != nil {
		t.Fatal(err)
	}
	layout := export(t, r, "v1").layout()
	if _, stats, err := s.Load(context.Background(), layout, nil, loading); err != nil || !stats.Recorded {
		t.Errorf("Load: %+v, %v", stats, err)
	}
	// The list for sharing is made again by a repair.
	if v, err := s.Repair(context.Background(), im.ID, impatient, func(extract.Damage) {}); err != nil || v.Repaired != 1 {
		t.Errorf("Repair = %+v, %v", v, err)
	}
	whole(t, s, im.ID, want)
}

// TestDamagedStore: what is wrong with the files of the store itself is said with their paths.
func TestDamagedStore(t *testing.T) {
	r, s := newRegistry(t), newStore(t)
	r.push(image{tag: "v1", layers: small(t)})
	for _, name := range []string{"store.json", "tags.json"} {
		pull(t, s, r.ref(":v1"))
		path := filepath.Join(s.Dir, name)
		if err := os.Truncate(path, 3); err != nil {
			t.Fatal(err)
		}
		_, _, err := s.Pull(context.Background(), r.ref(":v1"), amd64)
		if record, ok := errors.AsType[*extract.RecordError](err); !ok || record.Path != path || record.ID != "" || strings.Count(err.Error(), path) != 1 {
			t.Errorf("%s: %v", name, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	pull(t, s, r.ref(":v1"))
}
