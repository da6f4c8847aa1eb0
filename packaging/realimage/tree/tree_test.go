package tree

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// sample has one of everything.
func sample() *Tree {
	t := &Tree{}
	t.File("b/set", 0o755|fs.ModeSetuid, []byte("su"))
	t.File("/a/file", 0o640, []byte("hello"))
	t.Hardlink("a/link", "a/file")
	t.Symlink("a/sym", "/a/file")
	t.Dir("tmp", 0o777|fs.ModeSticky)
	t.Whiteout("b/gone")
	t.Opaque("c")
	return t
}

func write(t *testing.T, tree *Tree) Layer {
	t.Helper()
	l, err := tree.Write(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

type row struct {
	Name, Link string
	Type       byte
	Mode, Size int64
	Owner      int
}

func rows(t *testing.T, l Layer) (list []row) {
	t.Helper()
	r, err := l.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		if !h.ModTime.Equal(Epoch) {
			t.Errorf("%s has the time %v, want %v", h.Name, h.ModTime, Epoch)
		}
		list = append(list, row{h.Name, h.Linkname, h.Typeflag, h.Mode, h.Size, h.Uid + h.Gid})
	}
}

func TestWrite(t *testing.T) {
	want := []row{
		{"a/", "", tar.TypeDir, 0o755, 0, 0},
		{"a/file", "", tar.TypeReg, 0o640, 5, 0},
		{"a/link", "a/file", tar.TypeLink, 0, 0, 0},
		{"a/sym", "/a/file", tar.TypeSymlink, 0o777, 0, 0},
		{"b/", "", tar.TypeDir, 0o755, 0, 0},
		{"b/.wh.gone", "", tar.TypeReg, 0o644, 0, 0},
		{"b/set", "", tar.TypeReg, 0o4755, 2, 0},
		{"c/", "", tar.TypeDir, 0o755, 0, 0},
		{"c/.wh..wh..opq", "", tar.TypeReg, 0o644, 0, 0},
		{"tmp/", "", tar.TypeDir, 0o1777, 0, 0},
	}
	if diff := cmp.Diff(want, rows(t, write(t, sample()))); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func TestAt(t *testing.T) {
	at := Epoch.Add(time.Hour)
	rebuilt := sample().At(at)
	layer := write(t, rebuilt)
	r, err := layer.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	entries, tr := 0, tar.NewReader(r)
	for ; ; entries++ {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !h.ModTime.Equal(at) {
			t.Errorf("%s has the time %v, want %v", h.Name, h.ModTime, at)
		}
	}
	if entries != rebuilt.Len() {
		t.Errorf("%d entries, want %d", entries, rebuilt.Len())
	}
	if write(t, rebuilt.Clone()).digest != layer.digest {
		t.Error("a clone has another time")
	}
}

func TestWriteIsDeterministic(t *testing.T) {
	one, two := write(t, sample()), write(t, sample().Clone())
	if one.digest != two.digest || one.diffID != two.diffID || one.size != two.size {
		t.Errorf("the same entries gave %v and %v", one, two)
	}
	other := sample()
	other.File("a/file", 0o640, []byte("other"))
	if three := write(t, other); three.digest == one.digest || three.diffID == one.diffID {
		t.Error("different entries gave the same digest")
	}
}

func TestWriteStopsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	if _, err := sample().Write(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("%v was left behind", left)
	}
}

func TestCopy(t *testing.T) {
	src := t.TempDir()
	for _, dir := range []string{"keep", "skip"} {
		if err := os.MkdirAll(filepath.Join(src, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{
		os.WriteFile(filepath.Join(src, "keep/x"), []byte("12"), 0o600),
		os.Link(filepath.Join(src, "keep/x"), filepath.Join(src, "keep/y")),
		os.Link(filepath.Join(src, "keep/x"), filepath.Join(src, "skip/z")),
		os.Symlink("x", filepath.Join(src, "keep/s")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	tree := &Tree{}
	if err := tree.Copy("to", src, func(rel string) bool { return rel == "skip" }); err != nil {
		t.Fatal(err)
	}
	want := []row{
		{"to/", "", tar.TypeDir, 0o755, 0, 0},
		{"to/keep/", "", tar.TypeDir, 0o700, 0, 0},
		{"to/keep/s", "x", tar.TypeSymlink, 0o777, 0, 0},
		{"to/keep/x", "", tar.TypeReg, 0o600, 2, 0},
		{"to/keep/y", "to/keep/x", tar.TypeLink, 0, 0, 0},
	}
	if diff := cmp.Diff(want, rows(t, write(t, tree))); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if b, err := tree.Bytes("/to/keep/x"); err != nil || string(b) != "12" {
		t.Errorf("Bytes = %q, %v", b, err)
	}
	names, err := tree.Glob("to/*/x")
	if diff := cmp.Diff([]string{"to/keep/x"}, names); diff != "" || err != nil {
		t.Errorf("Glob: %v %s", err, diff)
	}
}

func TestUnpack(t *testing.T) {
	lower := &Tree{}
	lower.File("b/gone/deep", 0o644, []byte("x"))
	lower.File("c/below", 0o644, []byte("x"))
	lower.File("a/file", 0o644, []byte("replaced"))
	upper := sample()
	upper.File("c/above", 0o644, []byte("x"))
	dir := t.TempDir()
	if err := Unpack(dir, lower, upper); err != nil {
		t.Fatal(err)
	}
	got := map[string]fs.FileMode{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		info, err := d.Info()
		got[name] = info.Mode()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]fs.FileMode{
		"a": 0o755 | fs.ModeDir, "a/file": 0o640, "a/link": 0o640, "a/sym": 0o777 | fs.ModeSymlink,
		"b": 0o755 | fs.ModeDir, "b/set": 0o755 | fs.ModeSetuid,
		"c": 0o755 | fs.ModeDir, "c/above": 0o644,
		"tmp": 0o777 | fs.ModeDir | fs.ModeSticky,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("unpacked (-want +got):\n%s", diff)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "a/link")); err != nil || string(b) != "hello" {
		t.Errorf("the hard link holds %q, %v", b, err)
	}
}

func TestLayout(t *testing.T) {
	dir := t.TempDir()
	l, err := NewLayout(dir)
	if err != nil {
		t.Fatal(err)
	}
	layer, err := sample().Write(t.Context(), l.Blobs)
	if err != nil {
		t.Fatal(err)
	}
	cfg := v1.Config{WorkingDir: "/work"}
	oci, err := Image(cfg, "amd64", layer)
	if err != nil {
		t.Fatal(err)
	}
	docker, err := DockerImage(cfg, "arm64", layer)
	if err != nil {
		t.Fatal(err)
	}
	for tag, img := range map[string]v1.Image{"oci": oci, "docker": docker} {
		if err := l.Tag(tag, img); err != nil {
			t.Fatal(err)
		}
	}
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	for media, img := range map[types.MediaType]v1.Image{types.OCIManifestSchema1: oci, types.DockerManifestSchema2: docker} {
		m, err := img.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		if m.MediaType != media {
			t.Errorf("media type %s, want %s", m.MediaType, media)
		}
		if c, err := img.ConfigFile(); err != nil || c.Config.WorkingDir != "/work" || c.OS != "linux" {
			t.Errorf("config %+v, %v", c, err)
		}
	}
}
