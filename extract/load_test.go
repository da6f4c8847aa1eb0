package extract_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	nothing "github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/aztec-spartan/aztec-spartan/extract"
	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

// exported are images of a registry as files, written by another implementation.
type exported struct {
	t      *testing.T
	r      *fakeRegistry
	images []v1.Image
	refs   []name.Tag
}

func export(t *testing.T, r *fakeRegistry, tags ...string) *exported {
	t.Helper()
	e := &exported{t: t, r: r}
	for _, tag := range tags {
		ref, err := name.NewTag(r.ref(":" + tag))
		if err != nil {
			t.Fatal(err)
		}
		im, err := remote.Image(ref, remote.WithContext(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		e.images, e.refs = append(e.images, im), append(e.refs, ref)
	}
	return e
}

// layout is a directory; its images are called as their tags are.
func (e *exported) layout() string {
	e.t.Helper()
	dir := e.t.TempDir()
	path, err := layout.Write(dir, nothing.Index)
	if err != nil {
		e.t.Fatal(err)
	}
	for i, im := range e.images {
		tag := layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": e.refs[i].TagStr()})
		if err := path.AppendImage(im, tag); err != nil {
			e.t.Fatal(err)
		}
	}
	return dir
}

// archive is that in a tar archive.
func (e *exported) archive() []byte {
	e.t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	if err := errors.Join(w.AddFS(os.DirFS(e.layout())), w.Close()); err != nil {
		e.t.Fatal(err)
	}
	return buf.Bytes()
}

// saved is what `docker save` writes.
func (e *exported) saved() []byte {
	e.t.Helper()
	var buf bytes.Buffer
	all := map[name.Tag]v1.Image{}
	for i, im := range e.images {
		all[e.refs[i]] = im
	}
	if err := tarball.MultiWrite(all, &buf); err != nil {
		e.t.Fatal(err)
	}
	return buf.Bytes()
}

func (e *exported) file(raw []byte) string {
	e.t.Helper()
	path := filepath.Join(e.t.TempDir(), "archive")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		e.t.Fatal(err)
	}
	return path
}

var loading = extract.LoadOptions{Platform: "linux/amd64", Repository: "registry.example/org/app"}

// TestLoad: from whatever form of archive it comes, an image is the one that a pull brings.
func TestLoad(t *testing.T) {
	r := newRegistry(t)
	r.push(image{tag: "v1", layers: varied(t)})
	r.push(image{tag: "docker", docker: true, layers: varied(t)})
	want := fresh(t, r.ref(":v1"))
	for name, test := range map[string]struct {
		form func(e *exported) (path string, stream []byte)
		same bool // the manifest is the registry's, and so is the id
	}{
		"layout":                 {func(e *exported) (string, []byte) { return e.layout(), nil }, true},
		"archive":                {func(e *exported) (string, []byte) { return e.file(e.archive()), nil }, true},
		"archive, gzip":          {func(e *exported) (string, []byte) { return e.file(gz(e.archive())), nil }, true},
		"archive, zstd":          {func(e *exported) (string, []byte) { return e.file(zst(e.archive())), nil }, true},
		"archive, stream":        {func(e *exported) (string, []byte) { return "-", e.archive() }, true},
		"archive, gzip, stream":  {func(e *exported) (string, []byte) { return "-", gz(e.archive()) }, true},
		"docker save":            {func(e *exported) (string, []byte) { return e.file(e.saved()), nil }, false},
		"docker save, gzip":      {func(e *exported) (string, []byte) { return e.file(gz(e.saved())), nil }, false},
		"docker save, zstd":      {func(e *exported) (string, []byte) { return e.file(zst(e.saved())), nil }, false},
		"docker save, stream":    {func(e *exported) (string, []byte) { return "-", e.saved() }, false},
		"docker save, zstd, std": {func(e *exported) (string, []byte) { return "-", zst(e.saved()) }, false},
	} {
		for _, tag := range []string{"v1", "docker"} {
			t.Run(name+" of "+tag, func(t *testing.T) {
				s, e := newStore(t), export(t, r, tag)
				path, stream := test.form(e)
				load := func() (*extract.Image, extract.PullStats) {
					t.Helper()
					var im *extract.Image
					var stats extract.PullStats
					var err error
					if stream == nil {
						im, stats, err = s.Load(context.Background(), path, nil, loading)
					} else {
						im, stats, err = s.Load(context.Background(), path, bytes.NewReader(stream), loading)
					}
					if err != nil {
						t.Fatal(err)
					}
					return im, stats
				}
				im, stats := load()
				if stats.DownloadedBytes != 0 || stats.WrittenBytes == 0 || stats.Present {
					t.Errorf("%+v", stats)
				}
				whole(t, s, im.ID, want)
				digest, err := e.images[0].Digest()
				if err != nil {
					t.Fatal(err)
				}
				if test.same && im.Digest != digest.String() {
					t.Errorf("it is %s, not %s", im.Digest, digest)
				}
				if !strings.HasSuffix(im.Reference, "/org/app:"+tag) {
					t.Errorf("it is called %s", im.Reference)
				}
				if left := contents(t, s); !slices.Equal(left, []string{im.ID}) {
					t.Errorf("the store holds %v", left)
				}
				if _, stats := load(); !stats.Present {
					t.Errorf("again: %+v", stats)
				}
			})
		}
	}
}

// TestLoadOne: of several images one must be named, by whatever it is called.
func TestLoadOne(t *testing.T) {
	r := newRegistry(t)
	r.push(image{tag: "v1", layers: small(t)})
	r.push(image{tag: "v2", layers: verified(t)})
	e := export(t, r, "v1", "v2")
	want := fresh(t, r.ref(":v2"))
	digest, err := e.images[1].Digest()
	if err != nil {
		t.Fatal(err)
	}
	for form, test := range map[string]struct {
		path  string
		names []string
	}{
		"layout":      {e.layout(), []string{"v2", digest.String()}},
		"archive":     {e.file(e.archive()), []string{"v2", digest.String()}},
		"docker save": {e.file(e.saved()), []string{"v2", e.refs[1].Name()}},
	} {
		s, o := newStore(t), loading
		for _, none := range []string{"", "v3"} {
			o.Name = none
			if _, _, err := s.Load(context.Background(), test.path, nil, o); !errors.Is(err, extract.ErrReference) || !strings.Contains(err.Error(), "v2") {
				t.Errorf("%s: %q: %v", form, none, err)
			}
		}
		empty(t, s)
		for _, o.Name = range test.names {
			s := newStore(t)
			im, _, err := s.Load(context.Background(), test.path, nil, o)
			if err != nil {
				t.Errorf("%s: %s: %v", form, o.Name, err)
				continue
			}
			whole(t, s, im.ID, want)
		}
	}
}

// TestLoadNames: a name is all of a name, of a tag or of a digest, and one that several images have is not guessed at.
func TestLoadNames(t *testing.T) {
	r := newRegistry(t)
	r.push(image{tag: "v1", layers: small(t)})
	r.push(image{tag: "v2", layers: verified(t)})
	r.push(image{tag: "arm", os: "linux", arch: "arm64", layers: small(t)})
	e := export(t, r, "v1", "v2", "arm")
	var digests []string
	for _, im := range e.images {
		digest, err := im.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, digest.String())
	}
	dir := e.layout()
	arm, amd := desc{"os": "linux", "architecture": "arm64"}, desc{"os": "linux", "architecture": "amd64"}
	// index calls the images as it is told, and says what they are for, if it is told that.
	index := func(t *testing.T, platforms []desc, names ...string) {
		t.Helper()
		raw, err := os.ReadFile(dir + "/index.json")
		var doc map[string]any
		if err := errors.Join(err, json.Unmarshal(raw, &doc)); err != nil {
			t.Fatal(err)
		}
		for i, m := range doc["manifests"].([]any) {
			m.(map[string]any)["annotations"] = desc{"org.opencontainers.image.ref.name": names[i]}
			delete(m.(map[string]any), "platform")
			if platforms != nil {
				m.(map[string]any)["platform"] = platforms[i]
			}
		}
		if raw, err = json.Marshal(doc); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir+"/index.json", raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const one, two, arms = "docker.io/org/app:1.0", "r.example:5000/b/app:1.0", "r.example/app:2.0"
	for name, test := range map[string]struct {
		platforms []desc
		names     []string
		want      int // by number; -1: none
		err       error
		say       string
	}{
		one:                            {nil, []string{one, two, arms}, 0, nil, ""},
		"org/app:1.0":                  {nil, []string{one, two, arms}, 0, nil, ""},
		"index.docker.io/org/app:1.0":  {nil, []string{one, two, arms}, 0, nil, ""},
		digests[1]:                     {nil, []string{one, two, arms}, 1, nil, ""},
		digests[1][len("sha256:"):]:    {nil, []string{one, two, arms}, 1, nil, ""},
		"1.0":                          {nil, []string{one, two, arms}, -1, extract.ErrReference, "several images of it are called 1.0, and one must be named wholly: " + one + ", " + two},
		"5000/b/app:1.0":               {nil, []string{one, two, arms}, -1, extract.ErrReference, "no image of it is called"},
		"app:1.0":                      {nil, []string{one, two, arms}, -1, extract.ErrReference, "no image of it is called"},
		"0":                            {nil, []string{one, two, arms}, -1, extract.ErrReference, "no image of it is called"},
		digests[1][len(digests[1])-6:]: {nil, []string{one, two, arms}, -1, extract.ErrReference, "no image of it is called"},
		"same":                         {nil, []string{"same", "same", arms}, -1, extract.ErrReference, "named wholly: " + digests[0] + ", " + digests[1]},
		"side":                         {[]desc{amd, arm, arm}, []string{"side", "side", "side"}, 0, nil, ""},
		"none":                         {[]desc{arm, arm, arm}, []string{"none", "none", "none"}, -1, extract.ErrNoPlatform, "linux/amd64, only for linux/arm64"},
		"":                             {[]desc{arm, amd, arm}, []string{"a", "b", "c"}, 1, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			index(t, test.platforms, test.names...)
			s, o := newStore(t), loading
			o.Name = name
			im, _, err := s.Load(context.Background(), dir, nil, o)
			if !errors.Is(err, test.err) || err != nil && !strings.Contains(err.Error(), test.say) {
				t.Errorf("got %v, want %v: %s", err, test.err, test.say)
			}
			if err == nil && (test.want < 0 || im.Digest != digests[test.want]) {
				t.Errorf("it took %s of %q", im.Digest, digests)
			}
		})
	}
}

// TestLoadRefused: what is wrong with an archive has a name, and leaves nothing.
func TestLoadRefused(t *testing.T) {
	r := newRegistry(t)
	layers := small(t)
	r.push(image{tag: "v1", layers: layers})
	r.push(image{tag: "arm", os: "linux", arch: "arm64", layers: layers})
	blobPath := func(dir string) string {
		return filepath.Join(dir, "blobs", "sha256", strings.TrimPrefix(sha(gz(layers[1].tar)), "sha256:"))
	}
	archive := func(members ...Entry) func(*exported) string {
		return func(e *exported) string { return e.file(tarOf(t, members...)) }
	}
	changed := func(change func(dir string) error) func(*exported) string {
		return func(e *exported) string {
			dir := e.layout()
			if err := change(dir); err != nil {
				t.Fatal(err)
			}
			return dir
		}
	}
	for name, test := range map[string]struct {
		path func(e *exported) string
		tag  string
		want error
	}{
		"nothing there":      {func(*exported) string { return "/does/not/exist" }, "v1", os.ErrNotExist},
		"not an archive":     {func(e *exported) string { return e.file([]byte(strings.Repeat("hello", 500))) }, "v1", extract.ErrInvalidImage},
		"empty":              {func(e *exported) string { return e.file(nil) }, "v1", extract.ErrInvalidImage},
		"no image in it":     {archive(File("f", "x")), "v1", extract.ErrInvalidImage},
		"leaves the archive": {archive(File("../../etc/passwd", "x"), File("manifest.json", `[{"Config":"../../etc/passwd","Layers":[]}]`)), "v1", extract.ErrInvalidImage},
		"links out":          {archive(Symlink("config", "/etc/passwd"), File("manifest.json", `[{"Config":"config","Layers":[]}]`)), "v1", extract.ErrInvalidImage},
		"cut short":          {func(e *exported) string { a := e.archive(); return e.file(a[:len(a)/2]) }, "v1", extract.ErrInvalidImage},
		"gzip cut short":     {func(e *exported) string { a := gz(e.saved()); return e.file(a[:len(a)/2]) }, "v1", extract.ErrInvalidImage},
		"layer missing":      {changed(func(dir string) error { return os.Remove(blobPath(dir)) }), "v1", extract.ErrIncomplete},
		"layer wrong":        {changed(func(dir string) error { return ruinWritable(blobPath(dir)) }), "v1", extract.ErrDigest},
		"layer links out": {changed(func(dir string) error {
			return errors.Join(os.Remove(blobPath(dir)), os.Symlink("/etc/passwd", blobPath(dir)))
		}), "v1", extract.ErrInvalidImage},
		"index of nothing": {changed(func(dir string) error {
			return os.WriteFile(dir+"/index.json", []byte(`{"schemaVersion":2,"manifests":[]}`), 0o600)
		}), "v1", extract.ErrInvalidImage},
		"index not JSON":      {changed(func(dir string) error { return os.WriteFile(dir+"/index.json", []byte(`{`), 0o600) }), "v1", extract.ErrInvalidImage},
		"another platform":    {func(e *exported) string { return e.layout() }, "arm", extract.ErrNoPlatform},
		"platform not inside": {func(e *exported) string { return platformMissing(e) }, "v1", extract.ErrIncomplete},
	} {
		t.Run(name, func(t *testing.T) {
			s, e := newStore(t), export(t, r, test.tag)
			path := test.path(e)
			_, _, err := s.Load(context.Background(), path, nil, loading)
			if !errors.Is(err, test.want) || err != nil && (strings.ContainsAny(err.Error(), "\n\x1b") || !strings.HasPrefix(err.Error(), "loading ")) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if err != nil && strings.Count(err.Error(), "not a valid image") > 1 {
				t.Errorf("it says twice that the image is not valid: %v", err)
			}
			if err != nil && strings.Count(err.Error(), path) > 1 {
				t.Errorf("it says the path twice: %v", err)
			}
			empty(t, s)
		})
	}
}

// ruinWritable ruins a file that may be read-only.
func ruinWritable(path string) error { return errors.Join(os.Chmod(path, 0o600), ruin(path)) }

// platformMissing is a layout with the index of a registry, of which only another platform's image was copied.
func platformMissing(e *exported) string {
	dir := e.layout()
	digest, err := e.images[0].Digest()
	if err != nil {
		e.t.Fatal(err)
	}
	raw, err := json.Marshal(desc{"schemaVersion": 2, "mediaType": ociIndex, "manifests": []desc{
		for_(desc{"mediaType": ociManifest, "digest": sha([]byte("absent")), "size": 500}, "linux", "amd64"),
		for_(desc{"mediaType": ociManifest, "digest": digest.String(), "size": 500}, "linux", "arm64"),
	}})
	if err != nil {
		e.t.Fatal(err)
	}
	index, err := json.Marshal(desc{"schemaVersion": 2, "manifests": []desc{{
		"mediaType": ociIndex, "digest": sha(raw), "size": len(raw), "annotations": desc{"org.opencontainers.image.ref.name": "v1"},
	}}})
	if err != nil {
		e.t.Fatal(err)
	}
	if err := errors.Join(
		os.WriteFile(filepath.Join(dir, "blobs", "sha256", strings.TrimPrefix(sha(raw), "sha256:")), raw, 0o600),
		os.WriteFile(dir+"/index.json", index, 0o600),
	); err != nil {
		e.t.Fatal(err)
	}
	return dir
}
