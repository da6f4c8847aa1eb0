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
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// with replaces or adds members by name.
func with(ms []member, more ...member) []member {
	var out []member
	for _, m := range ms {
		replaced := false
		for _, r := range more {
			replaced = replaced || r.name == m.name
		}
		if !replaced {
			out = append(out, m)
		}
	}
	return append(out, more...)
}

func without(ms []member, name string) []member {
	var out []member
	for _, m := range ms {
		if m.name != name {
			out = append(out, m)
		}
	}
	return out
}

// TestHostile opens archives that are not what they should be. Each names the one reason.
func TestHostile(t *testing.T) {
	p := pictures[0]
	oci, docker := layout(t, p), saved(t, p)
	file := func(name, body string) member { return member{name: name, body: body} }
	soft := func(name, link string) member { return member{name: name, link: link, kind: tar.TypeSymlink} }
	hard := func(name, link string) member { return member{name: name, link: link, kind: tar.TypeLink} }
	index := func(o object) []member { return with(oci, file("index.json", text(t, o))) }
	entry := func(media, digest string, size int64) []member {
		return index(object{"schemaVersion": 2, "manifests": []object{{"mediaType": media, "digest": digest, "size": size}}})
	}
	config := p.config(t)
	configName := strings.TrimPrefix(digestOf([]byte(config)), "sha256:") + ".json"
	image := func(config string, layers ...string) []member {
		return with(docker, file("manifest.json", text(t, []object{{"Config": config, "Layers": layers}})))
	}
	layer0 := fmt.Sprintf("%064x/layer.tar", 0)
	oneLayer := func(more ...member) []member {
		config := text(t, object{"rootfs": object{"diff_ids": []string{digestOf(p.layer(t, 0))}}})
		return with(image("config.json", layer0), append(more, file("config.json", config))...)
	}
	digest := digestOf(nil)
	for name, c := range map[string]struct {
		ms   []member
		says string
		is   error // ErrInvalid if nil
	}{
		// Names.
		"absolute name":         {with(oci, file("/etc/passwd", "")), `an entry named "/etc/passwd"`, nil},
		"absolute index":        {with(without(oci, "index.json"), file("/index.json", "{}")), `an entry named "/index.json"`, nil},
		"name that climbs":      {with(oci, file("blobs/../../x", "")), `an entry named "blobs/../../x"`, nil},
		"name that climbs back": {with(oci, file("blobs/../index.json", "{}")), `an entry named "blobs/../index.json"`, nil},
		"two indexes":           {append(oci, file("index.json", "{}")), "two entries named index.json", nil},
		"two spellings":         {append(oci, file("./index.json", "{}")), "two entries named index.json", nil},
		"two slashes":           {append(oci, file("blobs//sha256/"+strings.Repeat("a", 64), ""), file("blobs/sha256/"+strings.Repeat("a", 64), "")), "two entries named blobs/sha256", nil},
		"file and link":         {append(oci, soft("index.json", "oci-layout")), "two entries named index.json", nil},
		"file and directory":    {append(oci, member{name: "index.json/", kind: tar.TypeDir}), "two entries named index.json", nil},
		"name with a new line":  {append(oci, file("a\nb", ""), file("a\nb", "")), `two entries named a\nb`, nil},

		// Links.
		"index is a device":        {with(oci, member{name: "index.json", kind: tar.TypeChar}), "index.json is not a file", nil},
		"index is a pipe":          {with(oci, member{name: "index.json", kind: tar.TypeFifo}), "index.json is not a file", nil},
		"index is a directory":     {with(without(oci, "index.json"), member{name: "index.json/", kind: tar.TypeDir}), "index.json is not a file", nil},
		"link to itself":           {oneLayer(soft(layer0, "layer.tar")), "link to a link", nil},
		"links in a circle":        {oneLayer(soft(layer0, "../x"), hard("x", layer0)), "link to a link", nil},
		"link out of the archive":  {oneLayer(soft(layer0, "../../../../../../etc/passwd")), "not in the archive", ErrMissing},
		"absolute link":            {oneLayer(soft(layer0, "/etc/passwd")), "is not a file", nil},
		"hard link out of it":      {oneLayer(hard(layer0, "../../etc/passwd")), "not in the archive", ErrMissing},
		"absolute hard link":       {oneLayer(hard(layer0, "/etc/passwd")), "not in the archive", ErrMissing},
		"link to a directory":      {oneLayer(soft(layer0, "."), file("x", "")), "is not a file", nil},
		"link to nothing":          {oneLayer(soft(layer0, "nothing")), "not in the archive", ErrMissing},
		"manifest.json is a cycle": {with(docker, soft("manifest.json", "manifest.json")), "link to a link", nil},

		// OCI layouts.
		"no oci-layout":             {without(oci, "oci-layout"), "it has no oci-layout", nil},
		"no index.json":             {without(oci, "index.json"), "it has no index.json", nil},
		"empty oci-layout":          {with(oci, file("oci-layout", "")), "oci-layout ends too early", nil},
		"oci-layout of version 2":   {with(oci, file("oci-layout", `{"imageLayoutVersion":"2.0.0"}`)), `version "2.0.0"`, nil},
		"large oci-layout":          {with(oci, file("oci-layout", strings.Repeat(" ", 5000))), "more than 4096", nil},
		"large index.json":          {with(oci, file("index.json", strings.Repeat(" ", maxManifest+1))), "more than 4194304", nil},
		"index.json cut short":      {with(oci, file("index.json", `{"manifests": [`)), "index.json ends too early", nil},
		"index.json is no JSON":     {with(oci, file("index.json", "\x1b[2J\n")), "index.json: invalid character", nil},
		"index.json twice":          {with(oci, file("index.json", "{}{}")), "something after its end", nil},
		"index.json is a list":      {with(oci, file("index.json", "[]")), "cannot unmarshal array", nil},
		"deep index.json":           {with(oci, file("index.json", strings.Repeat("[", 100_000))), "exceeded max depth", nil},
		"schema version 1":          {index(object{"schemaVersion": 1}), "schema version 1, not 2", nil},
		"no schema version":         {index(object{}), "schema version 0, not 2", nil},
		"index.json is a manifest":  {index(object{"schemaVersion": 2, "mediaType": ociManifest}), "calls itself " + ociManifest, nil},
		"no image":                  {index(object{"schemaVersion": 2}), "names no image", nil},
		"no image but a chart":      {entry("application/vnd.cncf\n.helm", digest, 0), `names no image, only application/vnd.cncf\n.helm`, nil},
		"schema 1 image":            {entry("application/vnd.docker.distribution.manifest.v1+prettyjws", digest, 0), "names no image, only", nil},
		"a path for a digest":       {entry(ociManifest, "sha256:../../index.json", 0), "is not a sha256 digest", nil},
		"sha512":                    {entry(ociManifest, "sha512:"+strings.Repeat("a", 128), 0), "is not a sha256 digest", nil},
		"negative size":             {entry(ociManifest, digest, -1), "has -1 bytes", nil},
		"one digest, two meanings":  {index(object{"schemaVersion": 2, "manifests": []object{describing(ociManifest, ""), describing(ociIndex, "")}}), "in two ways", nil},
		"one digest, two sizes":     {index(object{"schemaVersion": 2, "manifests": []object{describing(ociIndex, ""), {"mediaType": ociIndex, "digest": digest, "size": 1}}}), "in two ways", nil},
		"more images than a few":    {index(object{"schemaVersion": 2, "manifests": many(maxImages + 1)}), "more than 1000 images", nil},
		"a size that is no integer": {with(oci, file("index.json", `{"schemaVersion":2,"manifests":[{"size":1e99}]}`)), "cannot unmarshal number 1e99", nil},

		// docker save.
		"no image in manifest.json":   {with(docker, file("manifest.json", "[]")), "names no image", nil},
		"manifest.json is null":       {with(docker, file("manifest.json", "null")), "names no image", nil},
		"manifest.json is one image":  {with(docker, file("manifest.json", "{}")), "cannot unmarshal object", nil},
		"large manifest.json":         {with(docker, file("manifest.json", strings.Repeat(" ", maxManifest+1))), "more than 4194304", nil},
		"many images":                 {with(docker, file("manifest.json", "["+strings.Repeat("{},", maxImages)+"{}]")), "more than 1000 images", nil},
		"no configuration":            {image("", layer0), `an entry named ""`, nil},
		"configuration elsewhere":     {image("../config.json", layer0), `an entry named "../config.json"`, nil},
		"absolute configuration":      {image("/etc/passwd", layer0), `an entry named "/etc/passwd"`, nil},
		"configuration missing":       {image("nothing.json", layer0), "it has no nothing.json", nil},
		"configuration damaged":       {with(docker, file(configName, config+" ")), "the content of " + configName + " is sha256:", nil},
		"configuration is no JSON":    {with(image("x", layer0), file("x", "x")), "x: invalid character", nil},
		"large configuration":         {with(image("x", layer0), file("x", strings.Repeat(" ", maxConfig+1))), "more than 8388608", nil},
		"fewer layers":                {image(configName, layer0), "it has 1 layers, and its configuration 3", nil},
		"more layers":                 {with(image("x", layer0), file("x", "{}")), "it has 1 layers, and its configuration 0", nil},
		"very many layers":            {with(image("x", manyNames(maxLayers+1)...), file("x", text(t, object{"rootfs": object{"diff_ids": manyNames(maxLayers + 1)}}))), "1001 layers are more than 1000", nil},
		"layer under no digest":       {with(image("x", layer0), file("x", `{"rootfs":{"diff_ids":["sha256:x"]}}`)), "layer 1: not a valid image archive: \"sha256:x\" is not", nil},
		"layer elsewhere":             {oneLayer(file("manifest.json", text(t, []object{{"Config": "config.json", "Layers": []string{"../layer.tar"}}}))), `an entry named "../layer.tar"`, nil},
		"layer missing":               {without(docker, fmt.Sprintf("%064x/layer.tar", 1)), "layer.tar: not in the archive", ErrMissing},
		"one digest for two contents": {with(image("x", layer0, "b"), file("b", "other"), file("x", text(t, object{"rootfs": object{"diff_ids": []string{digest, digest}}}))), "with 2048 and with 5 bytes", nil},

		// Something else.
		"docker export":        {[]member{file(".dockerenv", ""), {name: "etc/", kind: tar.TypeDir}, file("usr/bin/node", "")}, "as `docker export` writes it", nil},
		"a layer":              {[]member{file("etc/passwd", ""), file("usr/bin/node", "")}, "a root file system", nil},
		"docker save of old":   {[]member{file("repositories", "{}"), file("abc/json", "{}"), file("abc/layer.tar", "")}, "before Docker 1.10", nil},
		"packed with its name": {[]member{file("my\tlayout/oci-layout", ""), file("my\tlayout/index.json", "")}, `in its directory my\tlayout;`, nil},
		"only blobs":           {[]member{file("blobs/sha256/x", "")}, "a layout without oci-layout", nil},
		"some files":           {[]member{file("README", "")}, "neither oci-layout nor manifest.json", nil},
		"a global header only": {[]member{}, "begins with zeros", nil},
	} {
		t.Run(name, func(t *testing.T) {
			want := c.is
			if want == nil {
				want = ErrInvalid
			}
			_, err := Read(context.Background(), bytes.NewReader(pack(t, c.ms...)), Options{TempDir: t.TempDir()})
			if err == nil {
				t.Fatal("it opened")
			}
			oneSentence(t, err)
			if !errors.Is(err, want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %v with %q", err, want, c.says)
			}
		})
	}
}

func many(n int) []object {
	var entries []object
	for i := range n {
		entries = append(entries, object{"mediaType": ociManifest, "digest": fmt.Sprintf("sha256:%064x", i)})
	}
	return entries
}

func manyNames(n int) []string {
	names := []string{}
	for range n {
		names = append(names, "x")
	}
	return names
}

// TestNotAnArchive opens files that are none.
func TestNotAnArchive(t *testing.T) {
	long := strings.Repeat("text ", 200)
	for says, content := range map[string]string{
		"it is empty":            "",
		"it has only 4 bytes":    "text",
		"it is neither a tar":    long,
		"an xz file":             "\xfd7zXZ\x00" + long,
		"a bzip2 file":           "BZh9" + long,
		"an lz4 file":            "\x04\x22\x4d\x18",
		"a zip file":             "PK\x03\x04" + long,
		"a squashfs image":       "hsqs" + long,
		"a virtual disk":         "QFI\xfb" + long,
		"JSON, perhaps one file": `{"schemaVersion": 2}`,
		"a web page":             "<!DOCTYPE html>" + long,
		"begins with zeros":      strings.Repeat("\x00", 10_240),
		"it is compressed twice": string(gz(t, zst(t, pack(t, layout(t, pictures...)...), 1), 1)),
		"invalid checksum":       string(damaged(gz(t, pack(t, layout(t, pictures...)...), 1), -8)),
		"it is cut short":        string(gz(t, pack(t, layout(t, pictures...)...), 1)[:1000]),
	} {
		for packing, compress := range packings {
			b := []byte(content)
			if compression(b) == none {
				b = compress(t, b)
			} else if packing != "plain" {
				continue
			}
			t.Run(says+"/"+packing, func(t *testing.T) {
				_, err := Open(context.Background(), write(t, b), Options{TempDir: t.TempDir()})
				if err == nil {
					t.Fatal("it opened")
				}
				oneSentence(t, err)
				if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), says) {
					t.Errorf("got %v, want %q", err, says)
				}
			})
		}
	}
	if _, err := Open(context.Background(), filepath.Join(t.TempDir(), "missing"), Options{}); !errors.Is(err, os.ErrNotExist) || errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
}

// damaged flips a byte, counted from the end.
func damaged(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[len(b)+at] ^= 0xff
	return b
}

// TestTruncated cuts archives everywhere. What still opens and reads to its end is a whole image.
func TestTruncated(t *testing.T) {
	p := picture{names: []string{"it/it:1"}, layers: []string{"a", "b"}}
	for form, members := range forms {
		packed := pack(t, members(t, p)...)
		whole, err := newFrom(packed)
		if err != nil {
			t.Fatal(err)
		}
		want, err := walk(whole)
		if err != nil {
			t.Fatal(err)
		}
		opened := 0
		// All block boundaries, and every remainder between them.
		for n := 0; n < len(packed); n = min((n/512+1)*512, n+13) {
			a, err := newFrom(packed[:n])
			var got []content
			if err == nil {
				got, err = walk(a)
				a.Close()
			}
			switch {
			case err != nil && !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrMissing):
				t.Fatalf("%s: %d of %d bytes: %v", form, n, len(packed), err)
			case err == nil && !cmp.Equal(got, want) && !cmp.Equal(got, wanted(t, another)):
				t.Fatalf("%s: %d of %d bytes: %v", form, n, len(packed), got)
			case err == nil:
				opened++
			}
		}
		// Without the end marker, or half of it, it will do.
		if opened < 2 {
			t.Errorf("%s: %d beginnings can be read", form, opened)
		}
	}
	// Where the index comes first, blobs are found missing only later.
	ms := layout(t, p)
	cut := pack(t, append(ms[len(ms)-2:], ms[:len(ms)-2]...)...)
	cut = cut[:bytes.Index(cut, []byte(blobName(p.config(t))))]
	a, err := newFrom(cut)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if _, err := walk(a); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "which lacks its end") {
		t.Error(err)
	}
}

// newFrom opens an uncompressed archive in memory.
func newFrom(b []byte) (*Archive, error) {
	m, err := index(context.Background(), io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b))), nil)
	if err != nil {
		return nil, err
	}
	return load(context.Background(), m, nil)
}

// TestManyEntries bounds the index.
func TestManyEntries(t *testing.T) {
	// As tar.Writer would, only faster: the same header again and again, with another name and checksum.
	header := pack(t, member{name: "usr/0000000"})[:512]
	var b bytes.Buffer
	for i := range maxEntries + 1 {
		name := fmt.Sprintf("%07d", i)
		sum := 0
		copy(header[4:], name)
		copy(header[148:], "        ")
		for _, c := range header {
			sum += int(c)
		}
		copy(header[148:], fmt.Sprintf("%06o\x00 ", sum))
		b.Write(header)
	}
	_, err := newFrom(b.Bytes())
	if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "more than 100000 entries") {
		t.Error(err)
	}
	_, err = newFrom(b.Bytes()[512:])
	if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "neither oci-layout nor manifest.json") {
		t.Error(err)
	}
	var entries []member
	for i := range maxNames / (1 << 16) {
		entries = append(entries, member{name: fmt.Sprintf("%0*d", 1<<16, i)})
	}
	_, err = newFrom(pack(t, append(entries, member{name: "a"})...))
	if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "its names have more than") {
		t.Error(err)
	}
}

// TestManyManifests bounds what is made up: layers may be named again and again.
func TestManyManifests(t *testing.T) {
	ids := make([]string, maxLayers)
	for i := range ids {
		ids[i] = digestOf(nil)
	}
	ms := []member{{name: "x"}}
	var manifest []object
	for i := range 200 {
		name := fmt.Sprint("config", i)
		ms = append(ms, member{name: name, body: text(t, object{"n": i, "rootfs": object{"diff_ids": ids}})})
		manifest = append(manifest, object{"Config": name, "Layers": manyNames(maxLayers)})
	}
	_, err := newFrom(pack(t, append(ms, member{name: "manifest.json", body: text(t, manifest)})...))
	if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "too many layers") {
		t.Error(err)
	}
}

// TestHugeMembers says sizes without the bytes to them, and in sparse files has the bytes too.
func TestHugeMembers(t *testing.T) {
	header := func(name string, size int64) []byte {
		var b bytes.Buffer
		if err := tar.NewWriter(&b).WriteHeader(&tar.Header{Name: name, Size: size, Format: tar.FormatGNU}); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for _, size := range []int64{1, 1 << 30, 1 << 62, 1<<63 - 1} {
		_, err := newFrom(header("index.json", size))
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "it is cut short") {
			t.Errorf("%d: %v", size, err)
		}
	}
	const gigabyte = 1 << 30
	name := write(t, header("index.json", gigabyte))
	if err := os.Truncate(name, 512+gigabyte); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(pack(t, without(layout(t, pictures...), "index.json")...)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(context.Background(), name, Options{}); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "1073741824 bytes are more than") {
		t.Error(err)
	}
	dir := unpackTo(t, t.TempDir(), layout(t, pictures...))
	if err := os.Truncate(filepath.Join(dir, "index.json"), gigabyte); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(context.Background(), dir, Options{}); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "1073741824 bytes are more than") {
		t.Error(err)
	}
}

// TestHoles refuses members that are stored without their holes: what is there is not the content.
func TestHoles(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range without(layout(t, pictures[0]), "oci-layout") {
		if err := w.WriteHeader(&tar.Header{Name: m.name, Size: int64(len(m.body)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, m.body); err != nil {
			t.Fatal(err)
		}
	}
	// tar.Writer refuses to write such records, so they are put in place of others.
	body := "0\n" + strings.Repeat("\x00", 510)
	if err := w.WriteHeader(&tar.Header{
		Name: "oci-layout", Size: int64(len(body)), Mode: 0o644,
		PAXRecords: map[string]string{"ABC.sparse.major": "1", "ABC.sparse.minor": "0", "ABC.sparse.realsize": "0"},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := newFrom(bytes.ReplaceAll(b.Bytes(), []byte("ABC.sparse."), []byte("GNU.sparse.")))
	if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "oci-layout is stored with holes") {
		t.Error(err)
	}
}

// TestLayoutLinks puts links and pipes into a layout directory. What leads out of it is not read.
func TestLayoutLinks(t *testing.T) {
	manifest := layout(t, pictures[0])
	outside := filepath.Join(t.TempDir(), "outside")
	for name, c := range map[string]struct {
		member string
		put    func(name, content string) error
		says   string // "" if it is fine
	}{
		"index out":         {"index.json", link(outside), "index.json is a link out of it"},
		"layout out":        {"oci-layout", link(outside), "oci-layout is a link out of it"},
		"blobs out":         {"blobs", link(outside), "is a link out of it"},
		"blob out":          {"blob", link(outside), "is a link out of it"},
		"blob up and back":  {"blob", link("../../../{dir}/aside"), "is a link out of it"},
		"blob inside":       {"blob", link("../../aside"), ""},
		"index is a pipe":   {"index.json", func(name, _ string) error { return unix.Mkfifo(name, 0o600) }, "index.json is not a file"},
		"blob is a pipe":    {"blob", func(name, _ string) error { return unix.Mkfifo(name, 0o600) }, "is not a file"},
		"index to itself":   {"index.json", link("index.json"), "too many levels of symbolic links"},
		"index is /dev/...": {"index.json", link("/dev/zero"), "index.json is a link out of it"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := unpackTo(t, t.TempDir(), manifest)
			digest := digestOf([]byte(pictures[0].config(t)))
			victim := filepath.Join(dir, c.member)
			if c.member == "blob" {
				victim = filepath.Join(dir, blobName(pictures[0].config(t)))
			}
			if err := os.RemoveAll(outside); err != nil {
				t.Fatal(err)
			}
			if c.member == "blobs" {
				// All that is wanted is there, only outside.
				if err := os.Rename(victim, outside); err != nil {
					t.Fatal(err)
				}
			} else {
				content, err := os.ReadFile(victim)
				if err != nil {
					t.Fatal(err)
				}
				for _, at := range []string{outside, filepath.Join(dir, "aside")} {
					if err := os.WriteFile(at, content, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				if err := os.Remove(victim); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.put(victim, filepath.Base(dir)); err != nil {
				t.Fatal(err)
			}
			a, err := Open(context.Background(), dir, Options{})
			if err == nil {
				defer a.Close()
				var f io.ReadCloser
				if f, err = a.Blob(context.Background(), digest, int64(len(pictures[0].config(t)))); err == nil {
					f.Close()
				}
			}
			switch {
			case c.says == "" && err != nil, c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
				t.Errorf("got %v, want %q", err, c.says)
			case err != nil:
				oneSentence(t, err)
			}
		})
	}
}

func link(to string) func(name, dir string) error {
	return func(name, dir string) error { return os.Symlink(strings.ReplaceAll(to, "{dir}", dir), name) }
}

// TestNotALayout opens directories that are none.
func TestNotALayout(t *testing.T) {
	for says, ms := range map[string][]member{
		"a root file system":   {{name: "etc/passwd"}, {name: "usr/bin/node"}},
		"without entries":      {},
		"neither oci-layout":   {{name: "README"}},
		"it has no index.json": {{name: "oci-layout", body: `{"imageLayoutVersion":"1.0.0"}`}},
		"cannot unmarshal":     {{name: "manifest.json", body: `{"schemaVersion":2}`}, {name: "version"}}, // skopeo's dir:
	} {
		_, err := Open(context.Background(), unpackTo(t, t.TempDir(), ms), Options{})
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
}

// TestForeignLayers leaves layers alone that others have to judge, such as encrypted ones: the manifest comes through as it is.
func TestForeignLayers(t *testing.T) {
	manifest := text(t, object{"schemaVersion": 2, "mediaType": ociManifest, "layers": []object{
		describing("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "secret"),
	}})
	index := text(t, object{"schemaVersion": 2, "manifests": []object{describing(ociManifest, manifest)}})
	a, err := newFrom(pack(t, member{name: "oci-layout", body: `{"imageLayoutVersion":"1.0.0"}`},
		member{name: "index.json", body: index}, member{name: blobName(manifest), body: manifest}))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	got, media, err := a.Manifest(context.Background(), a.Images()[0].Digest)
	if err != nil || string(got) != manifest || media != ociManifest {
		t.Errorf("%s, %s, %v", got, media, err)
	}
}
