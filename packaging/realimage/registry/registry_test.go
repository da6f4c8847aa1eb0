package registry

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/tree"
)

// newLayout writes a layout with an image tagged one, an index tagged many, and
// the image again under a whole reference.
func newLayout(t *testing.T, content string) (dir string, layer tree.Layer) {
	t.Helper()
	dir = t.TempDir()
	l, err := tree.NewLayout(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := &tree.Tree{}
	files.File("f", 0o644, []byte(content))
	layer, err = files.Write(t.Context(), l.Blobs)
	if err != nil {
		t.Fatal(err)
	}
	img, err := tree.Image(v1.Config{}, "amd64", layer)
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"one", "example.com/x/y:whole"} {
		if err := l.Tag(tag, img); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.TagIndex("many", mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img})); err != nil {
		t.Fatal(err)
	}
	return dir, layer
}

func serve(t *testing.T, dirs ...string) string {
	t.Helper()
	h, err := Handler(dirs...)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func TestPull(t *testing.T) {
	dir, _ := newLayout(t, "hello")
	server := serve(t, dir)
	repo, err := name.NewRepository(server + "/" + Repository)
	if err != nil {
		t.Fatal(err)
	}
	moved, err := name.NewRepository(server + "/" + Moved)
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"one", "whole"} {
		img, err := remote.Image(moved.Tag(tag))
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(img); err != nil {
			t.Errorf("%s under the other name: %v", tag, err)
		}
	}
	tags, err := remote.List(repo)
	if diff := cmp.Diff([]string{"many", "one", "whole"}, tags); diff != "" || err != nil {
		t.Errorf("tags: %v (-want +got):\n%s", err, diff)
	}
	for _, tag := range []string{"one", "whole"} {
		img, err := remote.Image(repo.Tag(tag))
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(img); err != nil {
			t.Errorf("%s: %v", tag, err)
		}
	}
	index, err := remote.Index(repo.Tag("many"))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
}

func TestBlobRequests(t *testing.T) {
	dir, layer := newLayout(t, "hello")
	digest, size := mustDigest(t, layer)
	base := "http://" + serve(t, dir) + "/v2/" + Repository
	tests := []struct {
		name, method, path, ranges string
		status                     int
		length                     int64
	}{
		{"whole", http.MethodGet, "/blobs/" + digest, "", http.StatusOK, size},
		{"head", http.MethodHead, "/blobs/" + digest, "", http.StatusOK, size},
		{"from the middle on", http.MethodGet, "/blobs/" + digest, "bytes=10-", http.StatusPartialContent, size - 10},
		{"a piece", http.MethodGet, "/blobs/" + digest, "bytes=10-19", http.StatusPartialContent, 10},
		{"beyond the end", http.MethodGet, "/blobs/" + digest, "bytes=999999-", http.StatusRequestedRangeNotSatisfiable, -1},
		{"no such blob", http.MethodGet, "/blobs/sha256:" + strings.Repeat("0", 64), "", http.StatusNotFound, -1},
		{"no digest", http.MethodGet, "/blobs/sha256:..%2f..%2findex.json", "", http.StatusBadRequest, -1},
		{"push a blob", http.MethodPost, "/blobs/uploads/", "", http.StatusMethodNotAllowed, -1},
		{"push a manifest", http.MethodPut, "/manifests/one", "", http.StatusMethodNotAllowed, -1},
		{"delete", http.MethodDelete, "/manifests/one", "", http.StatusMethodNotAllowed, -1},
		{"no such tag", http.MethodGet, "/manifests/none", "", http.StatusNotFound, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), tt.method, base+tt.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if tt.ranges != "" {
				req.Header.Set("Range", tt.ranges)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			n, err := io.Copy(io.Discard, resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != tt.status {
				t.Errorf("status %d, want %d", resp.StatusCode, tt.status)
			}
			if tt.length >= 0 && (resp.ContentLength != tt.length || tt.method == http.MethodGet && n != tt.length) {
				t.Errorf("length %d, %d bytes, want %d", resp.ContentLength, n, tt.length)
			}
		})
	}
}

func mustDigest(t *testing.T, l tree.Layer) (string, int64) {
	t.Helper()
	h, err := l.Digest()
	if err != nil {
		t.Fatal(err)
	}
	n, err := l.Size()
	if err != nil {
		t.Fatal(err)
	}
	return h.String(), n
}

func TestLayoutsThatDisagree(t *testing.T) {
	one, _ := newLayout(t, "one")
	two, _ := newLayout(t, "two")
	if _, err := Handler(one, one); err != nil {
		t.Errorf("the same layout twice: %v", err)
	}
	if _, err := Handler(one, two); err == nil || !strings.Contains(err.Error(), "another layout has it") {
		t.Errorf("error %v, want one about another layout", err)
	}
	if _, err := Handler(t.TempDir()); err == nil {
		t.Error("an empty directory was served")
	}
}
