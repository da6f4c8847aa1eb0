package extract_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/extract"
	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

func pull(t *testing.T, s *extract.Store, ref string) *extract.Image {
	t.Helper()
	im, _, err := s.Pull(context.Background(), ref, amd64)
	if err != nil {
		t.Fatal(err)
	}
	return im
}

func TestStore(t *testing.T) {
	r, s := newRegistry(t), newStore(t)
	if images, err := s.List(); len(images) != 0 || err != nil {
		t.Errorf("List of no store = %v, %v", images, err)
	}
	r.push(image{tag: "v1", layers: small(t)})
	r.push(image{tag: "v2", layers: []layer{{tar: tarOf(t, File("f", "x"))}}})
	s.Dir = filepath.Join(s.Dir, "deeper", "images")
	one, two := pull(t, s, r.ref(":v1")), pull(t, s, r.ref(":v2"))
	for path, want := range map[string]fs.FileMode{s.Dir: 0o700, filepath.Dir(s.Dir): 0o755} {
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", path, st.Mode(), err, want)
		}
	}
	images, err := s.List()
	if err != nil || len(images) != 2 || images[0].ID != two.ID || images[1].ID != one.ID {
		t.Errorf("List = %v, %v", images, err)
	}
	for ref, want := range map[string]*extract.Image{r.ref(":v1"): one, r.ref("@" + two.Digest): two, r.ref(":v3@" + two.Digest): two} {
		if im, err := s.ByReference(ref); err != nil || im.ID != want.ID {
			t.Errorf("ByReference(%s) = %v, %v", ref, im, err)
		}
	}
	if _, err := s.ByReference(r.ref(":v3")); !errors.Is(err, extract.ErrNotFound) {
		t.Errorf("ByReference of nothing: %v", err)
	}
	if err := s.Remove(one.ID); err != nil {
		t.Error(err)
	}
	for _, id := range []string{one.ID, "../" + two.ID, "", "sha256-", strings.Replace(two.ID, "-", ":", 1)} {
		if _, err := s.Get(id); !errors.Is(err, extract.ErrNotFound) {
			t.Errorf("Get(%q): %v", id, err)
		}
		if err := s.Remove(id); !errors.Is(err, extract.ErrNotFound) {
			t.Errorf("Remove(%q): %v", id, err)
		}
	}
	if left := contents(t, s); len(left) != 1 {
		t.Errorf("the store holds %v", left)
	}
	if _, err := os.Stat(two.Rootfs() + "/f"); err != nil {
		t.Error(err)
	}
}

// TestIncomplete: what a crash leaves is not an image, and is replaced.
func TestIncomplete(t *testing.T) {
	r, s := newRegistry(t), newStore(t)
	r.push(image{tag: "v1", layers: small(t)})
	im := pull(t, s, r.ref(":v1"))
	want := strings.Join(Lines(List(t, im.Rootfs())), "\n")
	dir := filepath.Join(s.Dir, im.ID)
	if err := errors.Join(os.Remove(dir+"/complete"), os.WriteFile(im.Rootfs()+"/extra", nil, 0o600), os.Remove(im.Rootfs()+"/usr/bin/data")); err != nil {
		t.Fatal(err)
	}
	stale := filepath.Join(s.Dir, ".partial-"+im.ID)
	if err := os.MkdirAll(stale+"/rootfs/old", 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(im.ID); !errors.Is(err, extract.ErrNotFound) {
		t.Errorf("Get: %v", err)
	}
	if images, err := s.List(); len(images) > 0 || err != nil {
		t.Errorf("List = %v, %v", images, err)
	}
	if _, err := s.ByReference(r.ref("@" + im.Digest)); !errors.Is(err, extract.ErrNotFound) {
		t.Errorf("ByReference: %v", err)
	}
	again := pull(t, s, r.ref("@"+im.Digest))
	if got := strings.Join(Lines(List(t, again.Rootfs())), "\n"); got != want {
		t.Errorf("the tree is\n%s\nwant\n%s", got, want)
	}
	if _, err := os.Stat(stale); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the stale draft is still there: %v", err)
	}
}

// TestBusy: a draft that a living process has locked is left alone.
func TestBusy(t *testing.T) {
	r, s := newRegistry(t), newStore(t)
	pushed := r.push(image{tag: "v1", layers: small(t)})
	draft := filepath.Join(s.Dir, ".partial-"+strings.Replace(pushed["digest"].(string), ":", "-", 1))
	if err := os.MkdirAll(draft, 0o700); err != nil {
		t.Fatal(err)
	}
	lock, err := os.Open(draft)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Pull(context.Background(), r.ref(":v1"), amd64); !errors.Is(err, extract.ErrBusy) {
		t.Errorf("got %v, want ErrBusy", err)
	}
	if _, err := os.Stat(draft); err != nil {
		t.Error(err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	pull(t, s, r.ref(":v1"))
}

// TestSchema: what a newer version wrote is neither used nor changed.
func TestSchema(t *testing.T) {
	r, s := newRegistry(t), newStore(t)
	r.push(image{tag: "v1", layers: small(t)})
	im := pull(t, s, r.ref(":v1"))
	path := filepath.Join(s.Dir, im.ID, "image.json")
	newer := `{"schema": 99, "id": "` + im.ID + `"}`
	if err := os.WriteFile(path, []byte(newer), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(im.ID); !errors.Is(err, extract.ErrSchema) {
		t.Errorf("Get: %v", err)
	}
	if _, err := s.List(); !errors.Is(err, extract.ErrSchema) {
		t.Errorf("List: %v", err)
	}
	for _, ref := range []string{":v1", "@" + im.Digest} {
		if _, _, err := s.Pull(context.Background(), r.ref(ref), amd64); !errors.Is(err, extract.ErrSchema) {
			t.Errorf("Pull(%s): %v", ref, err)
		}
	}
	if raw, err := os.ReadFile(path); err != nil || string(raw) != newer {
		t.Errorf("image.json is %s, %v", raw, err)
	}
}
