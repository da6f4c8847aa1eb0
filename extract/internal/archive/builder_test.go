package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// member is one entry of an archive that a test writes.
type member struct {
	name, body string
	kind       byte // 0 is a file
	link       string
}

func pack(t testing.TB, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Typeflag: m.kind, Linkname: m.link, Mode: 0o644, Size: int64(len(m.body))}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, m.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// gz compresses b into so many members, one after the other.
func gz(t testing.TB, b []byte, members int) []byte {
	t.Helper()
	var out bytes.Buffer
	for i := range members {
		w := gzip.NewWriter(&out)
		if _, err := w.Write(b[len(b)*i/members : len(b)*(i+1)/members]); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

// zst compresses b into so many frames. Of several, the first is one to be skipped.
func zst(t testing.TB, b []byte, frames int) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	if frames > 1 {
		out = append(out, 0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4)
	}
	for i := range frames {
		out = w.EncodeAll(b[len(b)*i/frames:len(b)*(i+1)/frames], out)
	}
	return out
}

// picture is an image as a test thinks of it.
type picture struct {
	names  []string
	layers []string // what is in the only file of each
}

var pictures = []picture{
	{names: []string{"docker.io/aztec/it:1", "docker.io/aztec/it:latest"}, layers: []string{"base", "one", "base"}},
	{names: []string{"docker.io/aztec/it:2"}, layers: []string{"base", strings.Repeat("two", 10_000)}},
}

// another is in manifest.json only, in what both writes.
var another = picture{names: []string{"another:one"}, layers: []string{"another"}}

func (p picture) layer(t testing.TB, i int) []byte {
	return pack(t, member{name: "file", body: p.layers[i]})
}

func (p picture) config(t testing.TB) string {
	ids := []string{}
	for i := range p.layers {
		ids = append(ids, digestOf(p.layer(t, i)))
	}
	return text(t, object{"os": "linux", "architecture": "amd64", "rootfs": object{"type": "layers", "diff_ids": ids}})
}

type object map[string]any

func text(t testing.TB, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func describing(media, body string) object {
	return object{"mediaType": media, "digest": digestOf([]byte(body)), "size": len(body)}
}

func blobName(body string) string {
	return "blobs/" + strings.Replace(digestOf([]byte(body)), ":", "/", 1)
}

// set are members with names that do not repeat.
type set []member

func (s *set) add(name, body string) {
	for _, m := range *s {
		if m.name == name {
			return
		}
	}
	*s = append(*s, member{name: name, body: body})
}

// layout writes an OCI image layout. The second image is behind an index.
func layout(t testing.TB, ps ...picture) []member {
	var (
		s       set
		entries []object
	)
	for n, p := range ps {
		layers := []object{}
		for i := range p.layers {
			body, media := string(p.layer(t, i)), "application/vnd.oci.image.layer.v1.tar"
			switch i {
			case 0:
				body, media = string(gz(t, []byte(body), 2)), media+"+gzip"
			case 1:
				body, media = string(zst(t, []byte(body), 1)), media+"+zstd"
			}
			s.add(blobName(body), body)
			layers = append(layers, describing(media, body))
		}
		config := p.config(t)
		s.add(blobName(config), config)
		manifest := text(t, object{
			"schemaVersion": 2, "config": describing("application/vnd.oci.image.config.v1+json", config), "layers": layers,
		})
		s.add(blobName(manifest), manifest)
		d := describing(ociManifest, manifest)
		if n == 1 {
			d["platform"] = object{"os": "linux", "architecture": "amd64"}
			elsewhere := describing(ociManifest, "what docker save leaves out")
			elsewhere["platform"] = object{"os": "linux", "architecture": "arm64"}
			index := text(t, object{"schemaVersion": 2, "manifests": []object{elsewhere, d}})
			s.add(blobName(index), index)
			d = describing(ociIndex, index)
		}
		for _, name := range p.names {
			d := cloneObject(d)
			d["annotations"] = object{"io.containerd.image.name": name, "org.opencontainers.image.ref.name": path.Base(name)}
			entries = append(entries, d)
		}
	}
	s.add("index.json", text(t, object{"schemaVersion": 2, "mediaType": ociIndex, "manifests": entries}))
	s.add("oci-layout", `{"imageLayoutVersion":"1.0.0"}`)
	return s
}

func cloneObject(o object) object {
	c := object{}
	for k, v := range o {
		c[k] = v
	}
	return c
}

// saved writes what `docker save` did before version 25.
func saved(t testing.TB, ps ...picture) []member {
	var (
		s        set
		manifest []object
		first    = map[string]string{}
	)
	for n, p := range ps {
		var layers []string
		for i := range p.layers {
			id := fmt.Sprintf("%064x", 16*n+i)
			s = append(s, member{name: id + "/", kind: tar.TypeDir})
			s.add(id+"/VERSION", "1.0")
			body := string(p.layer(t, i))
			switch was := first[body]; {
			case was == "":
				s.add(id+"/layer.tar", body)
				first[body] = id
			case n == 0:
				s = append(s, member{name: id + "/layer.tar", kind: tar.TypeSymlink, link: "../" + was + "/layer.tar"})
			default:
				s = append(s, member{name: id + "/layer.tar", kind: tar.TypeLink, link: was + "/layer.tar"})
			}
			layers = append(layers, id+"/layer.tar")
		}
		config := p.config(t)
		name := strings.TrimPrefix(digestOf([]byte(config)), "sha256:") + ".json"
		s.add(name, config)
		manifest = append(manifest, object{"Config": name, "RepoTags": p.names, "Layers": layers})
	}
	s.add("manifest.json", text(t, manifest))
	s.add("repositories", "{}")
	return s
}

// craned writes what crane does: compressed layers and no directories.
func craned(t testing.TB, ps ...picture) []member {
	var (
		s        set
		manifest []object
	)
	for _, p := range ps {
		var layers []string
		for i := range p.layers {
			body := string(gz(t, p.layer(t, i), 1))
			if i == 1 {
				body = string(zst(t, p.layer(t, i), 1))
			}
			name := strings.TrimPrefix(digestOf([]byte(body)), "sha256:") + ".tar.gz"
			s.add(name, body)
			layers = append(layers, name)
		}
		config := p.config(t)
		s.add(digestOf([]byte(config)), config)
		manifest = append(manifest, object{"Config": digestOf([]byte(config)), "RepoTags": p.names, "Layers": layers})
	}
	s.add("manifest.json", text(t, manifest))
	return s
}

// both writes what `docker save` does since version 25; the image of manifest.json is another one, to see which is read.
func both(t testing.TB, ps ...picture) []member {
	return append(saved(t, another), layout(t, ps...)...)
}

// unpackTo writes members as files.
func unpackTo(t testing.TB, dir string, members []member) string {
	t.Helper()
	for _, m := range members {
		name := filepath.Join(dir, m.name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(m.body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// content is what walk finds in an image.
type content struct {
	Names  []string
	Config string   // digest
	Layers []string // digests, uncompressed
}

func wanted(t testing.TB, ps ...picture) []content {
	var want []content
	for _, p := range ps {
		c := content{Names: p.names, Config: digestOf([]byte(p.config(t)))}
		for i := range p.layers {
			c.Layers = append(c.Layers, digestOf(p.layer(t, i)))
		}
		want = append(want, c)
	}
	return want
}

// walk reads all images as a consumer does. What an index names and the archive lacks is passed over.
func walk(a *Archive) ([]content, error) {
	var all []content
	for _, im := range a.Images() {
		c := content{Names: im.Names}
		if err := c.read(a, im.Digest, im.MediaType, 0); err != nil {
			return all, err
		}
		all = append(all, c)
	}
	return all, nil
}

func (c *content) read(a *Archive, digest, media string, depth int) error {
	ctx := context.Background()
	raw, is, err := a.Manifest(ctx, digest)
	if err != nil {
		return err
	}
	if is != media || digestOf(raw) != digest {
		return fmt.Errorf("%s %s is %s %s", media, digest, is, digestOf(raw))
	}
	var m struct {
		Config            Descriptor
		Layers, Manifests []Descriptor
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	for _, d := range m.Manifests {
		if depth == 3 {
			return fmt.Errorf("%w: too deep", ErrInvalid)
		}
		if err := c.read(a, d.Digest, d.MediaType, depth+1); err != nil && !errors.Is(err, ErrMissing) {
			return err
		}
	}
	if m.Manifests != nil {
		return nil
	}
	if _, err = whole(a, m.Config); err != nil {
		return err
	}
	c.Config = m.Config.Digest
	for _, d := range m.Layers {
		body, err := whole(a, d)
		if err != nil {
			return err
		}
		if compression(body) != none {
			z, err := decompressor(bytes.NewReader(body))
			if err == nil {
				body, err = io.ReadAll(z)
			}
			if err != nil {
				return fmt.Errorf("%w: %w", ErrInvalid, err)
			}
		}
		c.Layers = append(c.Layers, digestOf(body))
	}
	return nil
}

// whole reads a blob and verifies it.
func whole(a *Archive, d Descriptor) ([]byte, error) {
	f, err := a.Blob(context.Background(), d.Digest, d.Size)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	body, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	if got := digestOf(body); got != d.Digest || int64(len(body)) != d.Size {
		return nil, fmt.Errorf("%w: %s %d is %s %d", ErrInvalid, d.Digest, d.Size, got, len(body))
	}
	return body, nil
}

// compare walks an archive and closes it.
func compare(t *testing.T, a *Archive, want []content) {
	t.Helper()
	got, err := walk(a)
	if err != nil {
		t.Fatal(err)
	}
	// Layouts also say the tag alone.
	for i := range got {
		var names []string
		for _, n := range got[i].Names {
			if strings.Contains(n, "/") {
				names = append(names, n)
			}
		}
		got[i].Names = names
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

// oneSentence checks the form of an error.
func oneSentence(t *testing.T, err error) {
	t.Helper()
	for _, r := range err.Error() {
		if r < ' ' || r == 0x7f {
			t.Errorf("the error is not one line: %q", err)
		}
	}
	if len(err.Error()) > 800 {
		t.Errorf("the error has %d bytes", len(err.Error()))
	}
}
