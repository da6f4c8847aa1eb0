package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// forms are the ways to write images to a file.
var forms = map[string]func(testing.TB, ...picture) []member{
	"layout": layout, "docker save": saved, "docker 25": both, "crane": craned,
	"with directories and ./ before names": func(t testing.TB, ps ...picture) []member {
		ms := []member{{name: "./", kind: '5'}, {name: "./blobs/", kind: '5'}, {name: "./blobs/", kind: '5'}}
		for _, m := range layout(t, ps...) {
			m.name = "./" + m.name
			ms = append(ms, m)
		}
		return ms
	},
}

var packings = map[string]func(testing.TB, []byte) []byte{
	"plain":              func(_ testing.TB, b []byte) []byte { return b },
	"gzip":               func(t testing.TB, b []byte) []byte { return gz(t, b, 1) },
	"three gzip members": func(t testing.TB, b []byte) []byte { return gz(t, b, 3) },
	"zstd":               func(t testing.TB, b []byte) []byte { return zst(t, b, 1) },
	"three zstd frames":  func(t testing.TB, b []byte) []byte { return zst(t, b, 3) },
}

// sources are the ways to hand an archive over.
var sources = map[string]func(t *testing.T, packed []byte, o Options) (*Archive, error){
	"path": func(t *testing.T, packed []byte, o Options) (*Archive, error) {
		return Open(context.Background(), write(t, packed), o)
	},
	"path of a pipe": func(t *testing.T, packed []byte, o Options) (*Archive, error) {
		name := filepath.Join(t.TempDir(), "fifo")
		if err := unix.Mkfifo(name, 0o600); err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() {
			f, err := os.OpenFile(name, os.O_WRONLY, 0)
			if err == nil {
				_, err = f.Write(packed)
				err = errors.Join(err, f.Close())
			}
			done <- err
		}()
		a, err := Open(context.Background(), name, o)
		if err := <-done; err != nil {
			t.Error(err)
		}
		return a, err
	},
	"file at a position": func(t *testing.T, packed []byte, o Options) (*Archive, error) {
		f, err := os.Open(write(t, append([]byte("before"), packed...)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		if _, err := f.Seek(int64(len("before")), io.SeekStart); err != nil {
			t.Fatal(err)
		}
		return Read(context.Background(), f, o)
	},
	"reader": func(_ *testing.T, packed []byte, o Options) (*Archive, error) {
		return Read(context.Background(), bytes.NewReader(packed), o)
	},
}

func write(t *testing.T, b []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "archive")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestForms reads the same images in every form, packing and from every source.
func TestForms(t *testing.T) {
	want := wanted(t, pictures...)
	for form, members := range forms {
		plain := pack(t, members(t, pictures...)...)
		for packing, compress := range packings {
			packed := compress(t, plain)
			for source, open := range sources {
				t.Run(form+"/"+packing+"/"+source, func(t *testing.T) {
					a, err := open(t, packed, Options{TempDir: t.TempDir()})
					if err != nil {
						t.Fatal(err)
					}
					compare(t, a, want)
				})
			}
		}
	}
	for form, members := range map[string]func(testing.TB, ...picture) []member{"layout": layout, "docker 25": both, "crane": craned} {
		t.Run(form+"/directory", func(t *testing.T) {
			dir := unpackTo(t, t.TempDir(), withoutLinks(members(t, pictures...)))
			a, err := Open(context.Background(), dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			compare(t, a, want)
		})
	}
}

func withoutLinks(members []member) []member {
	var files []member
	for _, m := range members {
		if m.kind == 0 {
			files = append(files, m)
		}
	}
	return files
}

// The files in testdata are the tools' own work:
//
//	docker save it:1 it:latest base:1 | gzip -9n    # 20.10.24; it is base with two layers more
//	ctr image export - docker.io/library/it:1 docker.io/library/it:latest | gzip -9n    # containerd 1.6.20, of the same
//	docker export CONTAINER | gzip -9n
const (
	byDocker     = "testdata/docker-20.10-save.tar.gz"
	byContainerd = "testdata/containerd-1.6-export.tar.gz"
	exported     = "testdata/docker-20.10-export.tar.gz"
)

// TestTools reads what tools wrote. Image and layers are the same for both; the configuration is the ID that docker showed.
func TestTools(t *testing.T) {
	base := []string{"sha256:f99564e68667c5ca141f20980f2d9019883b1a57fb7b3395310098b0eb2ea567"}
	it := content{
		Config: "sha256:c3da0843cd4813e4d063874de98d182695d06361adaf38388e3a21831e72c069",
		Layers: []string{
			base[0], "sha256:90907bbb239a6b463be56b7f145d7fbca7e6a77991c27c1d22d7c301e3e3b8ac",
			"sha256:2536ddfb92a166d108719d29fae1ca37352beaa03e6aea6451fa5585bd082943",
		},
	}
	docker, containerd := it, it
	docker.Names = []string{"it:1", "it:latest"}
	containerd.Names = []string{"docker.io/library/it:1", "1", "docker.io/library/it:latest", "latest"}
	for name, want := range map[string][]content{
		byDocker: {docker, {
			Names: []string{"base:1"}, Config: "sha256:c329ec05a48a30178ec7b5b735e1904a4b433b8926777f8672f29f97be3793b5", Layers: base,
		}},
		byContainerd: {containerd},
	} {
		a, err := Open(context.Background(), name, Options{TempDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		got, err := walk(a)
		if err != nil {
			t.Error(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
	_, err := Open(context.Background(), exported, Options{TempDir: t.TempDir()})
	if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "as `docker export` writes it") {
		t.Error(err)
	}
}

// TestUnpackedSave reads what was unpacked from `docker save`, links and all.
func TestUnpackedSave(t *testing.T) {
	dir := t.TempDir()
	unpackTo(t, dir, withoutLinks(saved(t, pictures...)))
	for _, m := range saved(t, pictures...) {
		name := filepath.Join(dir, m.name)
		switch m.kind {
		case '1':
			if err := os.Link(filepath.Join(dir, m.link), name); err != nil {
				t.Fatal(err)
			}
		case '2':
			if err := os.Symlink(m.link, name); err != nil {
				t.Fatal(err)
			}
		}
	}
	before := openFiles(t)
	a, err := Open(context.Background(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	compare(t, a, wanted(t, pictures...))
	if after := openFiles(t); after != before {
		t.Errorf("open files before:\n%s\nand after:\n%s", before, after)
	}
}

// TestImages pins what is said about images, one listed under two names and platforms side by side included.
func TestImages(t *testing.T) {
	manifest := `{"schemaVersion":2}`
	entry := func(more object) object {
		d := describing(ociManifest, manifest)
		for k, v := range more {
			d[k] = v
		}
		return d
	}
	index := text(t, object{"schemaVersion": 2, "manifests": []object{
		entry(object{"annotations": object{"org.opencontainers.image.ref.name": "5.2.1"}, "platform": object{"os": "linux", "architecture": "arm64", "variant": "v8"}}),
		entry(object{"annotations": object{"org.opencontainers.image.ref.name": "latest"}}),
		entry(object{"annotations": object{"org.opencontainers.image.ref.name": "5.2.1"}}),
		{"mediaType": "application/vnd.cncf.helm.chart.v1", "digest": "nonsense"},
		{"mediaType": ociManifest, "digest": "nonsense", "annotations": object{"vnd.docker.reference.type": "attestation-manifest"}},
		describing(dockerList, "list"),
	}})
	a, err := Read(context.Background(), bytes.NewReader(pack(t,
		member{name: "oci-layout", body: `{"imageLayoutVersion": "1.0.0"}`}, member{name: "index.json", body: index},
		member{name: blobName(manifest), body: manifest})), Options{TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	want := []Image{
		{
			Names:      []string{"5.2.1", "latest"},
			Descriptor: Descriptor{MediaType: ociManifest, Digest: digestOf([]byte(manifest)), Size: int64(len(manifest))},
			Platform:   Platform{OS: "linux", Architecture: "arm64", Variant: "v8"},
		},
		{Descriptor: Descriptor{MediaType: dockerList, Digest: digestOf([]byte("list")), Size: 4}},
	}
	if d := cmp.Diff(want, a.Images()); d != "" {
		t.Error(d)
	}
	// What is returned is the caller's.
	a.Images()[0].Names[0] = "changed"
	if d := cmp.Diff(want, a.Images()); d != "" {
		t.Error(d)
	}
}

// TestMadeManifest pins the manifest that is made up: a change gives every loaded image another identity.
func TestMadeManifest(t *testing.T) {
	p := picture{names: []string{"it:1"}, layers: []string{"a", "b"}}
	for range 2 {
		a, err := Read(context.Background(), bytes.NewReader(pack(t, saved(t, p)...)), Options{TempDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		raw, media, err := a.Manifest(context.Background(), a.Images()[0].Digest)
		if err != nil {
			t.Fatal(err)
		}
		const layer = `{"mediaType":"application/vnd.docker.image.rootfs.diff.tar","size":2048,"digest":"%s"}`
		want := fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",`+
			`"config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":%d,"digest":"%s"},"layers":[`+layer+","+layer+"]}",
			len(p.config(t)), digestOf([]byte(p.config(t))), digestOf(p.layer(t, 0)), digestOf(p.layer(t, 1)))
		if d := cmp.Diff(want, string(raw)); d != "" {
			t.Error(d)
		}
		if media != dockerManifest {
			t.Error(media)
		}
	}
}

// TestManifestType shows what manifests are called that no index.json names.
func TestManifestType(t *testing.T) {
	for raw, want := range map[string]string{
		`{"manifests":[]}`:                          ociIndex,
		`{"config":{},"layers":[]}`:                 ociManifest,
		`{"mediaType":"text/plain","manifests":[]}`: "text/plain",
		`{"layers":[]}`:                             "",
		`[]`:                                        "",
	} {
		a := opened(t, pack(t, append(layout(t, pictures[0]), member{name: blobName(raw), body: raw})...))
		got, media, err := a.Manifest(context.Background(), digestOf([]byte(raw)))
		if want == "" {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("%s: %v", raw, err)
			}
			continue
		}
		if err != nil || media != want || string(got) != raw {
			t.Errorf("%s: %s, %s, %v", raw, got, media, err)
		}
	}
}

func opened(t *testing.T, packed []byte) *Archive {
	t.Helper()
	a, err := Read(context.Background(), bytes.NewReader(packed), Options{TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// TestBlobErrors asks for what is not there, not so, or not a name of content.
func TestBlobErrors(t *testing.T) {
	const damaged = "damaged"
	ms := append(layout(t, pictures[0]), member{name: blobName("whole"), body: damaged}, member{name: blobName("a directory") + "/", kind: '5'})
	packedLayout := opened(t, pack(t, ms...))
	dir := unpackTo(t, t.TempDir(), ms[:len(ms)-1])
	if err := os.Mkdir(filepath.Join(dir, blobName("a directory")), 0o700); err != nil {
		t.Fatal(err)
	}
	inDir, err := Open(context.Background(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer inDir.Close()
	docker := opened(t, pack(t, saved(t, pictures[0])...))
	absent := digestOf([]byte("absent"))
	whole, directory := digestOf([]byte("whole")), digestOf([]byte("a directory"))
	layer := pictures[0].layer(t, 0)
	for _, c := range []struct {
		name   string
		a      *Archive
		digest string
		size   int64
		want   error
		says   string
	}{
		{"absent in a layout", packedLayout, absent, 1, ErrMissing, absent},
		{"absent in a directory", inDir, absent, 1, ErrMissing, absent},
		{"absent in docker save", docker, absent, 1, ErrMissing, absent},
		{"another size", packedLayout, whole, int64(len(damaged)) + 1, ErrInvalid, "it has 7 bytes, and its manifest says 8"},
		{"another size in a directory", inDir, whole, -1, ErrInvalid, "its manifest says -1"},
		{"another size in docker save", docker, digestOf(layer), 1, ErrInvalid, "it has 2048 bytes"},
		{"a directory", packedLayout, directory, 0, ErrInvalid, "is not a file"},
		{"a directory in a directory", inDir, directory, 0, ErrInvalid, "is not a file"},
		{"no digest", packedLayout, "", 0, ErrInvalid, "not a sha256 digest"},
		{"a path", inDir, "sha256:../../oci-layout", 0, ErrInvalid, "not a sha256 digest"},
		{"another algorithm", packedLayout, "sha512:" + strings.Repeat("ab", 64), 0, ErrInvalid, "not a sha256 digest"},
		{"capitals", packedLayout, strings.ToUpper(absent), 0, ErrInvalid, "not a sha256 digest"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.a.Blob(context.Background(), c.digest, c.size)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %v with %q", err, c.want, c.says)
			}
			if _, _, err := c.a.Manifest(context.Background(), c.digest); err == nil {
				t.Error("it is a manifest")
			}
		})
	}
	if _, _, err := packedLayout.Manifest(context.Background(), whole); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "its content is") {
		t.Errorf("a damaged manifest: %v", err)
	}
}

// TestManifestSize compares a manifest with what index.json says of it.
func TestManifestSize(t *testing.T) {
	manifest := `{"schemaVersion":2}`
	d := describing(ociManifest, manifest)
	d["size"] = len(manifest) - 1
	a := opened(t, pack(t, member{name: "oci-layout", body: `{"imageLayoutVersion":"1.0.0"}`}, member{name: blobName(manifest), body: manifest},
		member{name: "index.json", body: text(t, object{"schemaVersion": 2, "manifests": []object{d}})}))
	_, _, err := a.Manifest(context.Background(), a.Images()[0].Digest)
	if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "it has 19 bytes, and the index says 18") {
		t.Error(err)
	}
}

// TestGlobalHeaders passes over what is no entry, such as git archive writes, unless another reader would see other entries.
func TestGlobalHeaders(t *testing.T) {
	for key, fine := range map[string]bool{"comment": true, "path": false, "linkpath": false, "size": false} {
		var b bytes.Buffer
		for range 2 {
			w := tar.NewWriter(&b)
			h := &tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "/../index.json", PAXRecords: map[string]string{key: "1"}}
			if err := w.WriteHeader(h); err != nil {
				t.Fatal(err)
			}
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		b.Write(pack(t, layout(t, pictures...)...))
		a, err := Read(context.Background(), &b, Options{TempDir: t.TempDir()})
		if fine {
			if err != nil {
				t.Fatal(err)
			}
			compare(t, a, wanted(t, pictures...))
		} else if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "a global "+key) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// TestParallel reads all blobs at once, many times.
func TestParallel(t *testing.T) {
	for form, members := range forms {
		t.Run(form, func(t *testing.T) {
			a := opened(t, pack(t, members(t, pictures...)...))
			want, err := walk(a)
			if err != nil {
				t.Fatal(err)
			}
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					got, err := walk(a)
					if err != nil || !cmp.Equal(want, got) {
						t.Error(err, cmp.Diff(want, got))
					}
				})
			}
			all.Wait()
		})
	}
}

// TestCancelled stops everything that takes time.
func TestCancelled(t *testing.T) {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	for form, members := range forms {
		if _, err := Read(over, bytes.NewReader(pack(t, members(t, pictures...)...)), Options{}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", form, err)
		}
		if _, err := Open(over, write(t, pack(t, members(t, pictures...)...)), Options{}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", form, err)
		}
	}
	for _, members := range [][]member{layout(t, pictures[0]), saved(t, pictures[0])} {
		a := opened(t, pack(t, members...))
		if _, _, err := a.Manifest(over, a.Images()[0].Digest); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		config := pictures[0].config(t)
		f, err := a.Blob(over, digestOf([]byte(config)), int64(len(config)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(f); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		f.Close()
	}
	if _, err := Open(over, unpackTo(t, t.TempDir(), layout(t, pictures[0])), Options{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
