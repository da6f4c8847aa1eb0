package extract_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/klauspost/compress/zstd"

	"github.com/aztec-spartan/aztec-spartan/extract"
	"github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

const (
	ociManifest    = "application/vnd.oci.image.manifest.v1+json"
	ociIndex       = "application/vnd.oci.image.index.v1+json"
	ociConfig      = "application/vnd.oci.image.config.v1+json"
	ociLayer       = "application/vnd.oci.image.layer.v1.tar"
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerConfig   = "application/vnd.docker.container.image.v1+json"
	dockerLayer    = "application/vnd.docker.image.rootfs.diff.tar.gzip"
)

// fakeRegistry is a real one in memory, with a place in front of it for faults and for answers it would never give.
type fakeRegistry struct {
	t    testing.TB
	host string

	mu       sync.Mutex
	requests []string                                          // GETs of manifests and blobs
	fault    func(w http.ResponseWriter, r *http.Request) bool // true: answered
	canned   map[string]canned
}

type canned struct{ contentType, body string }

func newRegistry(t testing.TB, options ...registry.Option) *fakeRegistry {
	f := &fakeRegistry{t: t, canned: map[string]canned{}}
	inner := registry.New(append(options, registry.Logger(log.New(io.Discard, "", 0)))...)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		fault, answer := f.fault, f.canned[r.URL.Path]
		if r.Method == http.MethodGet && (strings.Contains(r.URL.Path, "/manifests/") || strings.Contains(r.URL.Path, "/blobs/")) {
			f.requests = append(f.requests, r.URL.Path)
		}
		f.mu.Unlock()
		if fault != nil && r.Method == http.MethodGet && fault(w, r) {
			return
		}
		if answer.body != "" && r.Method == http.MethodGet {
			w.Header().Set("Content-Type", answer.contentType)
			io.WriteString(w, answer.body)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	f.host = strings.TrimPrefix(srv.URL, "http://")
	return f
}

func (f *fakeRegistry) ref(s string) string { return f.host + "/org/app" + s }

func (f *fakeRegistry) took() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	took := f.requests
	f.requests = nil
	return took
}

func (f *fakeRegistry) on(fault func(w http.ResponseWriter, r *http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

type desc map[string]any

func sha(raw []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(raw)) }

func (f *fakeRegistry) blob(mediaType string, raw []byte) desc {
	f.t.Helper()
	f.send(http.MethodPost, "/v2/org/app/blobs/uploads/?digest="+sha(raw), "application/octet-stream", raw)
	return desc{"mediaType": mediaType, "digest": sha(raw), "size": len(raw)}
}

// manifest stores doc under tag, and returns its descriptor.
func (f *fakeRegistry) manifest(tag, mediaType string, doc desc) desc {
	f.t.Helper()
	raw, err := json.Marshal(doc)
	if err != nil {
		f.t.Fatal(err)
	}
	if tag == "" {
		tag = sha(raw)
	}
	f.send(http.MethodPut, "/v2/org/app/manifests/"+tag, mediaType, raw)
	return desc{"mediaType": mediaType, "digest": sha(raw), "size": len(raw)}
}

func (f *fakeRegistry) send(method, path, contentType string, raw []byte) {
	f.t.Helper()
	req, err := http.NewRequest(method, "http://"+f.host+path, bytes.NewReader(raw))
	if err != nil {
		f.t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		msg, _ := io.ReadAll(resp.Body)
		f.t.Fatalf("%s %s: %s: %s", method, path, resp.Status, msg)
	}
}

// layer is an archive and how to send it.
type layer struct {
	tar       []byte
	encode    func([]byte) []byte // default: gzip
	mediaType string              // default: by image
}

// image describes one image; its zero fields get defaults that make it a good OCI image for linux/amd64.
type image struct {
	tag, os, arch string
	docker        bool
	layers        []layer
	config        func(desc)
	manifest      func(desc)
}

func (f *fakeRegistry) push(im image) desc {
	f.t.Helper()
	manifestType, configType, layerType := ociManifest, ociConfig, ociLayer+"+gzip"
	if im.docker {
		manifestType, configType, layerType = dockerManifest, dockerConfig, dockerLayer
	}
	if im.os == "" {
		im.os, im.arch = "linux", "amd64"
	}
	diffIDs, layers := []string{}, []desc{}
	for _, l := range im.layers {
		if l.encode == nil {
			l.encode = gz
		}
		if l.mediaType == "" {
			l.mediaType = layerType
		}
		diffIDs = append(diffIDs, sha(l.tar))
		layers = append(layers, f.blob(l.mediaType, l.encode(l.tar)))
	}
	config := desc{"os": im.os, "architecture": im.arch, "rootfs": desc{"type": "layers", "diff_ids": diffIDs}, "config": desc{
		"Env": []string{"PATH=/opt/bin:/usr/bin", "A=b c"}, "Entrypoint": []string{"node", "--no-warnings"}, "Cmd": []string{"help"},
		"WorkingDir": "/usr/src", "User": "1000:1000", "Labels": desc{"org.opencontainers.image.version": "1.2.3"},
	}}
	if im.config != nil {
		im.config(config)
	}
	raw, err := json.Marshal(config)
	if err != nil {
		f.t.Fatal(err)
	}
	doc := desc{"schemaVersion": 2, "mediaType": manifestType, "config": f.blob(configType, raw), "layers": layers}
	if im.manifest != nil {
		im.manifest(doc)
	}
	return f.manifest(im.tag, manifestType, doc)
}

func for_(d desc, platform ...string) desc {
	p := desc{"os": platform[0], "architecture": platform[1]}
	if len(platform) > 2 {
		p["variant"] = platform[2]
	}
	return desc{"mediaType": d["mediaType"], "digest": d["digest"], "size": d["size"], "platform": p}
}

func gz(raw []byte) []byte {
	var buf bytes.Buffer
	w, _ := gzip.NewWriterLevel(&buf, gzip.BestSpeed)
	w.Write(raw)
	w.Close()
	return buf.Bytes()
}

// gzMany cuts raw into gzip members, as pigz and estargz do.
func gzMany(raw []byte) []byte {
	return slices.Concat(gz(raw[:100]), gz(nil), gz(raw[100:]))
}

func zst(raw []byte) []byte {
	w, _ := zstd.NewWriter(nil)
	return w.EncodeAll(raw, nil)
}

// zstSkippable puts a skippable frame first, as zstd:chunked does.
func zstSkippable(raw []byte) []byte {
	return append([]byte{0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3}, zst(raw)...)
}

func plain(raw []byte) []byte { return raw }

func tarOf(t testing.TB, e ...tartest.Entry) []byte { return tartest.Layer(t, e...) }

func newStore(t testing.TB) *extract.Store { return &extract.Store{Dir: t.TempDir() + "/images"} }

var amd64 = extract.PullOptions{Platform: "linux/amd64"}
