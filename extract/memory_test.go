//go:build oracle

package extract_test

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
)

const maxMemory = 100 << 10 // KiB

// TestOracleMemory pulls an image of the size of a real one, with more files, in a process of its own, and looks at what memory that took.
func TestOracleMemory(t *testing.T) {
	dir := t.TempDir()
	words := vocabulary()
	var diffIDs []string
	var layers []desc
	for n := range 3 {
		l := generate(t, filepath.Join(dir, fmt.Sprint("layer", n)), func(w *tar.Writer) {
			for i := range 6 {
				put(t, w, fmt.Sprintf("opt/large-%d-%d", n, i), words, uint64(n*100+i), 50<<20)
			}
			for i := range 20_000 {
				put(t, w, fmt.Sprintf("usr/lib/modules-of-layer-%d/directory-%d/file-%d.js", n, i/50, i), words, uint64(n<<20+i), 200+i%7_000)
			}
		})
		diffIDs = append(diffIDs, l.diffID)
		layers = append(layers, desc{"mediaType": ociLayer + "+gzip", "digest": l.digest, "size": l.size})
	}
	host := serveFiles(t, dir, diffIDs, layers)
	code, out := inChild(t, nil, "pull", filepath.Join(dir, "store"), host+"/org/app:v1")
	if code != 0 {
		t.Fatalf("the pull failed: %s", out)
	}
	var kib int
	if _, err := fmt.Sscanf(out, "%d kB", &kib); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	t.Logf("%d KiB", kib)
	if kib > maxMemory {
		t.Errorf("the pull took %d KiB of memory, more than %d", kib, maxMemory)
	}
}

type generated struct {
	diffID, digest string
	size           int64
}

// generate writes a layer to a file without holding it in memory.
func generate(t *testing.T, path string, fill func(*tar.Writer)) generated {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	plain, packed := sha256.New(), sha256.New()
	z, err := gzip.NewWriterLevel(io.MultiWriter(f, packed), gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(io.MultiWriter(z, plain))
	fill(w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	digest := fmt.Sprintf("sha256:%x", packed.Sum(nil))
	if err := os.Rename(path, filepath.Join(filepath.Dir(path), digest)); err != nil {
		t.Fatal(err)
	}
	return generated{fmt.Sprintf("sha256:%x", plain.Sum(nil)), digest, st.Size()}
}

// vocabulary is what files are made of: it compresses about as well as code does.
func vocabulary() string {
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	for b.Len() < 1<<20 {
		fmt.Fprintf(&b, "const %x = require(%q);\n", r.Uint64(), fmt.Sprint("module-", r.IntN(1000)))
	}
	return b.String()
}

// put writes a file of so many bytes, unlike any other.
func put(t *testing.T, w *tar.Writer, name, words string, seed uint64, size int) {
	t.Helper()
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(size)}); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(seed, 0))
	for left := size; left > 0; {
		at := r.IntN(len(words) - 4096)
		n := min(left, 100+r.IntN(3996))
		if _, err := io.WriteString(w, words[at:at+n]); err != nil {
			t.Fatal(err)
		}
		left -= n
	}
}

// serveFiles is a registry of one image whose blobs are files in dir, by digest.
func serveFiles(t *testing.T, dir string, diffIDs []string, layers []desc) (host string) {
	t.Helper()
	config, err := json.Marshal(desc{"os": "linux", "architecture": "amd64", "rootfs": desc{"type": "layers", "diff_ids": diffIDs}})
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := json.Marshal(desc{
		"schemaVersion": 2, "mediaType": ociManifest, "layers": layers,
		"config": desc{"mediaType": ociConfig, "digest": sha(config), "size": len(config)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, sha(config)), config, 0o600); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch name := filepath.Base(r.URL.Path); {
		case strings.Contains(r.URL.Path, "/manifests/"):
			w.Header().Set("Content-Type", ociManifest)
			w.Write(manifest)
		case strings.Contains(r.URL.Path, "/blobs/"):
			http.ServeFile(w, r, filepath.Join(dir, name))
		}
	}))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}
