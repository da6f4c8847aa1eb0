package extract_test

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract"
	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

// status answers every request for kind ("manifests", "blobs") of id with a page no terminal should see.
func status(code int, kind, id string) func(http.ResponseWriter, *http.Request) bool {
	return answer(kind, id, func(w http.ResponseWriter) {
		w.WriteHeader(code)
		w.Write([]byte("<html>\n\x1b[31mno</html>"))
	})
}

func answer(kind, id string, f func(w http.ResponseWriter)) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/"+kind+"/"+id) {
			return false
		}
		f(w)
		return true
	}
}

// impatient pulls without waiting between attempts.
var impatient = extract.PullOptions{Platform: "linux/amd64", Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}

// contents are the names in the store, apart from its own two files.
func contents(t *testing.T, s *extract.Store) []string {
	t.Helper()
	entries, err := os.ReadDir(s.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.Name() != "store.json" && e.Name() != "tags.json" {
			names = append(names, e.Name())
		}
	}
	return names
}

// empty checks that nothing is left of a pull that failed.
func empty(t *testing.T, s *extract.Store) {
	t.Helper()
	if left := contents(t, s); len(left) > 0 {
		t.Errorf("the store holds %v", left)
	}
	none(t, s)
}

// none checks that there is no image.
func none(t *testing.T, s *extract.Store) {
	t.Helper()
	if images, err := s.List(); len(images) > 0 || err != nil {
		t.Errorf("List = %v, %v", images, err)
	}
}

func TestFaults(t *testing.T) {
	r := newRegistry(t)
	layers := small(t)
	blobs := [][]byte{gz(layers[0].tar), gz(layers[1].tar)}
	var config string
	pushed := r.push(image{tag: "v1", layers: layers, manifest: func(d desc) { config = d["config"].(desc)["digest"].(string) }})
	digest, last := pushed["digest"].(string), sha(blobs[1])
	body := func(raw []byte) func(w http.ResponseWriter) {
		return func(w http.ResponseWriter) { w.Write(raw) }
	}
	wrong := append([]byte{}, blobs[1]...)
	wrong[len(wrong)/2] ^= 1
	for name, test := range map[string]struct {
		ref   string
		fault func(http.ResponseWriter, *http.Request) bool
		kind  error
		want  string
	}{
		"tag unknown":        {":v2", nil, extract.ErrUnknown, "HTTP 404 Not Found (MANIFEST_UNKNOWN"},
		"digest unknown":     {"@sha256:" + strings.Repeat("0", 64), nil, extract.ErrUnknown, "HTTP 404"},
		"unauthorized":       {":v1", status(401, "manifests", "v1"), extract.ErrUnauthorized, "HTTP 401 Unauthorized"},
		"forbidden":          {":v1", status(403, "manifests", "v1"), extract.ErrUnauthorized, "HTTP 403 Forbidden"},
		"server error":       {":v1", status(500, "manifests", "v1"), extract.ErrRegistry, "HTTP 500 Internal Server Error"},
		"config missing":     {":v1", status(404, "blobs", config), extract.ErrUnknown, "fetching the configuration"},
		"config wrong":       {":v1", answer("blobs", config, body([]byte("{}"))), extract.ErrRegistry, "ended after 2 of"},
		"layer missing":      {":v1", status(404, "blobs", last), extract.ErrUnknown, "layer 2 of 2"},
		"layer server error": {":v1", status(503, "blobs", last), extract.ErrRegistry, "layer 2 of 2"},
		"layer wrong byte":   {":v1", answer("blobs", last, body(wrong)), extract.ErrDigest, "layer 2 of 2"},
		"layer of another":   {":v1", answer("blobs", last, body(blobs[0][:len(blobs[1])])), extract.ErrDigest, "layer 2 of 2"},
		"layer short":        {":v1", answer("blobs", last, body(blobs[1][:50])), extract.ErrRegistry, "ended after 50 of"},
		"layer empty":        {":v1", answer("blobs", last, body(nil)), extract.ErrRegistry, "ended after 0 of"},
		"layer long":         {":v1", answer("blobs", last, body(append(append([]byte{}, blobs[1]...), "xx"...))), extract.ErrDigest, "is longer than"},
		"layer cut by network": {":v1", answer("blobs", last, func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", strconv.Itoa(len(blobs[1])))
			w.Write(blobs[1][:50])
		}), extract.ErrRegistry, "layer 2 of 2"},
		"manifest wrong": {"@" + digest, answer("manifests", digest, func(w http.ResponseWriter) { w.Header().Set("Content-Type", ociManifest); w.Write([]byte("{}")) }), extract.ErrDigest, "the registry sent manifest"},
		"manifest endless": {":v1", answer("manifests", "v1", func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", ociManifest)
			w.Write([]byte(strings.Repeat(" ", 5<<20)))
		}), extract.ErrInvalidImage, "longer than"},
		"redirect to metadata": {":v1", answer("blobs", last, func(w http.ResponseWriter) { w.Header().Set("Location", "http://169.254.169.254/"); w.WriteHeader(302) }), extract.ErrUnreachable, "private address"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			r.on(test.fault)
			_, _, err := s.Pull(context.Background(), r.ref(test.ref), impatient)
			if !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), r.ref(test.ref)) {
				t.Errorf("got %v\nwant %v: %s", err, test.kind, test.want)
			}
			if err != nil && (strings.ContainsAny(err.Error(), "\n\x1b") || len(err.Error()) > 600) {
				t.Errorf("not one clean line: %q", err)
			}
			// What was finished before the registry failed is kept; fault by fault, TestResume has more on that.
			if none(t, s); !errors.Is(err, extract.ErrRegistry) && !errors.Is(err, extract.ErrUnreachable) {
				empty(t, s)
			}
		})
	}
	r.on(nil)
	if _, _, err := newStore(t).Pull(context.Background(), r.ref(":v1"), amd64); err != nil {
		t.Errorf("without a fault: %v", err)
	}
	gone := newStore(t)
	if _, _, err := gone.Pull(context.Background(), "127.0.0.1:1/x:y", amd64); !errors.Is(err, extract.ErrUnreachable) {
		t.Errorf("a closed port: %v", err)
	}
}

// TestBadImages pushes images that lie, each in one place.
func TestBadImages(t *testing.T) {
	good := layer{tar: tarOf(t, File("f", "x"))}
	config := func(f func(desc)) image { return image{layers: []layer{good}, config: f} }
	manifest := func(f func(desc)) image { return image{layers: []layer{good}, manifest: f} }
	other := sha([]byte("other"))
	for name, test := range map[string]struct {
		in   image
		kind error
		want string
	}{
		"diffID wrong":      {config(func(d desc) { d["rootfs"].(desc)["diff_ids"] = []string{other} }), extract.ErrDigest, "its configuration says " + other},
		"diffIDs missing":   {config(func(d desc) { d["rootfs"].(desc)["diff_ids"] = nil }), extract.ErrInvalidImage, "1 layers and its configuration 0"},
		"diffID malformed":  {config(func(d desc) { d["rootfs"].(desc)["diff_ids"] = []string{"sha256:\x1b"} }), extract.ErrInvalidImage, "not a sha256 digest"},
		"rootfs type":       {config(func(d desc) { d["rootfs"].(desc)["type"] = "block" }), extract.ErrInvalidImage, "type block"},
		"config type":       {manifest(func(d desc) { d["config"].(desc)["mediaType"] = "application/vnd.cncf.helm.config.v1+json" }), extract.ErrInvalidImage, "an artifact of type"},
		"config missing":    {manifest(func(d desc) { delete(d, "config") }), extract.ErrInvalidImage, "no configuration"},
		"config large":      {manifest(func(d desc) { d["config"].(desc)["size"] = 1 << 30 }), extract.ErrInvalidImage, "is not between"},
		"layer type":        {image{layers: []layer{{tar: good.tar, mediaType: ociLayer + "+encrypted"}}}, extract.ErrInvalidImage, "is not supported"},
		"foreign layer":     {image{layers: []layer{{tar: good.tar, mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"}}}, extract.ErrInvalidImage, "is not supported"},
		"layer size":        {manifest(func(d desc) { d["layers"].([]desc)[0]["size"] = 5 }), extract.ErrDigest, "longer than the 5 bytes"},
		"layer negative":    {manifest(func(d desc) { d["layers"].([]desc)[0]["size"] = -5 }), extract.ErrInvalidImage, "is not between"},
		"layer digest":      {manifest(func(d desc) { d["layers"].([]desc)[0]["digest"] = "../../etc" }), extract.ErrInvalidImage, "not a sha256 digest"},
		"schema":            {manifest(func(d desc) { d["schemaVersion"] = 1 }), extract.ErrInvalidImage, "schema version 1"},
		"calls itself":      {manifest(func(d desc) { d["mediaType"] = ociIndex }), extract.ErrInvalidImage, "calls itself"},
		"both":              {manifest(func(d desc) { d["manifests"] = []desc{} }), extract.ErrInvalidImage, "at once"},
		"not a tar":         {image{layers: []layer{{tar: []byte(strings.Repeat("not a tar", 100))}}}, extract.ErrInvalidImage, "invalid tar header"},
		"tar cut short":     {image{layers: []layer{{tar: tarOf(t, File("f", strings.Repeat("x", 5000)))[:2000]}}}, extract.ErrInvalidImage, "unexpected EOF"},
		"hostile entry":     {image{layers: []layer{{tar: tarOf(t, File("../f", ""))}}}, extract.ErrInvalidImage, `entry "../f"`},
		"junk after gzip":   {image{layers: []layer{{tar: good.tar, encode: func(b []byte) []byte { return append(gz(b), "junk"...) }}}}, extract.ErrInvalidImage, "inflating"},
		"gzip cut short":    {image{layers: []layer{{tar: good.tar, encode: func(b []byte) []byte { return gz(b)[:40] }}}}, extract.ErrInvalidImage, "unexpected EOF"},
		"gzip bad checksum": {image{layers: []layer{{tar: good.tar, encode: func(b []byte) []byte { g := gz(b); g[len(g)-8] ^= 1; return g }}}}, extract.ErrInvalidImage, "checksum"},
		"platform":          {image{os: "linux", arch: "arm64", layers: []layer{good}}, extract.ErrNoPlatform, "only for linux/arm64"},
	} {
		t.Run(name, func(t *testing.T) {
			r, s := newRegistry(t), newStore(t)
			test.in.tag = "v1"
			r.push(test.in)
			_, _, err := s.Pull(context.Background(), r.ref(":v1"), amd64)
			if !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.want) || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("got %v\nwant %v: %s", err, test.kind, test.want)
			}
			empty(t, s)
		})
	}
}

// TestConfusion: one document, two readings (CVE-2021-41190).
func TestConfusion(t *testing.T) {
	r := newRegistry(t)
	child := r.push(image{layers: small(t)})
	both := `{"schemaVersion":2,"manifests":[],"config":{},"layers":[]}`
	for name, test := range map[string]struct{ contentType, body, want string }{
		"sent as an index, calls itself an image": {ociIndex, `{"schemaVersion":2,"mediaType":"` + ociManifest + `","manifests":[]}`, "calls itself"},
		"sent as an image, calls itself an index": {ociManifest, `{"schemaVersion":2,"mediaType":"` + ociIndex + `"}`, "calls itself"},
		"an index with layers":                    {ociIndex, both, "at once"},
		"an image with manifests":                 {ociManifest, both, "at once"},
		"no type at all":                          {"application/json", `{"schemaVersion":2,"layers":[]}`, "are not supported"},
		"schema 1":                                {"application/vnd.docker.distribution.manifest.v1+prettyjws", `{"schemaVersion":1}`, "are not supported"},
		"two values":                              {ociManifest, `{"schemaVersion":2} {}`, "more than one JSON value"},
		"not JSON":                                {ociManifest, "<html>", "reading the manifest"},
		"the index errs about its entry":          {ociIndex, strings.ReplaceAll(`{"schemaVersion":2,"manifests":[{"mediaType":"`+dockerManifest+`","digest":"D","size":1,"platform":{"os":"linux","architecture":"amd64"}}]}`, "D", child["digest"].(string)), "its index calls"},
	} {
		t.Run(name, func(t *testing.T) {
			r.canned["/v2/org/app/manifests/odd"] = canned{test.contentType, test.body}
			s := newStore(t)
			_, _, err := s.Pull(context.Background(), r.ref(":odd"), amd64)
			if !errors.Is(err, extract.ErrInvalidImage) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
			empty(t, s)
		})
	}
}

// TestCancel cancels while a layer is arriving.
func TestCancel(t *testing.T) {
	r, s := newRegistry(t), newStore(t)
	layers := small(t)
	r.push(image{tag: "v1", layers: layers})
	ctx, cancel := context.WithCancel(context.Background())
	last := gz(layers[1].tar)
	r.on(func(w http.ResponseWriter, req *http.Request) bool {
		if !strings.HasSuffix(req.URL.Path, sha(last)) {
			return false
		}
		w.Write(last[:20])
		w.(http.Flusher).Flush()
		cancel()
		<-req.Context().Done()
		return true
	})
	_, _, err := s.Pull(ctx, r.ref(":v1"), amd64)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	empty(t, s)
}

func TestDiskFull(t *testing.T) {
	r := newRegistry(t)
	r.push(image{tag: "v1", layers: []layer{{tar: tarOf(t, File("small", "x"), File("big", strings.Repeat("x", 1<<20)))}}})
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	s := &extract.Store{Dir: dir + "/images"}
	_, _, err := s.Pull(context.Background(), r.ref(":v1"), amd64)
	if !errors.Is(err, syscall.ENOSPC) || !errors.Is(err, extract.ErrSpace) {
		t.Errorf("got %v, want ENOSPC and ErrSpace", err)
	}
	empty(t, s)
}
