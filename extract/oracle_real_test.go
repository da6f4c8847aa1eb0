//go:build real

package extract_test

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/klauspost/compress/gzip"

	"github.com/aztec-spartan/aztec-spartan/extract"
	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
	"github.com/aztec-spartan/aztec-spartan/packaging/realimage"
)

// TestOracleReal compares every version of the real image, served by a registry, with what umoci and GNU tar make of it.
// It writes some 8 GB below $TMPDIR.
func TestOracleReal(t *testing.T) {
	set, err := realimage.Build(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	dir := set.Layout
	raw, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var index struct{ Manifests []desc }
	if err := json.Unmarshal(raw, &index); err != nil {
		t.Fatal(err)
	}
	if len(index.Manifests) == 0 {
		t.Fatal("the layout is empty")
	}
	blobs := filepath.Join(dir, "blobs")
	r := newRegistry(t, registry.WithBlobHandler(registry.NewDiskBlobHandler(blobs)))
	for _, m := range index.Manifests {
		digest := m["digest"].(string)
		t.Run(digest, func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(filepath.Join(blobs, strings.Replace(digest, ":", "/", 1)))
			if err != nil {
				t.Fatal(err)
			}
			var manifest struct{ Layers []struct{ Digest string } }
			if err := json.Unmarshal(raw, &manifest); err != nil {
				t.Fatal(err)
			}
			r.send("PUT", "/v2/org/app/manifests/"+digest, m["mediaType"].(string), raw)
			o := amd64
			o.MountPoints = []extract.MountPoint{{Path: "/etc/hosts", Mode: 0o644}, {Path: "/var/lib/aztec", Dir: true, Mode: 0o755}}
			im, stats, err := newStore(t).Pull(context.Background(), r.ref("@"+digest), o)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d bytes in %.1f s, dropped %+v", stats.DownloadedBytes, stats.Seconds, im.Dropped)
			ours := List(t, im.Rootfs())
			for _, p := range im.MountPoints {
				delete(ours, strings.TrimPrefix(p.Path, "/"))
			}
			t.Logf("%d entries", len(ours))
			agree(t, "umoci", ours, List(t, umoci(t, blobs, m)))
			var files []string
			for _, l := range manifest.Layers {
				files = append(files, inflated(t, filepath.Join(blobs, strings.Replace(l.Digest, ":", "/", 1))))
			}
			theirs := List(t, gnuTar(t, files...))
			// No layer of this image has an entry for the root, and tar leaves the
			// times of the directory that it was given alone.
			root := theirs["."]
			root.MTime = ours["."].MTime
			theirs["."] = root
			agree(t, "GNU tar", ours, theirs)
		})
	}
}

func inflated(t *testing.T, path string) string {
	t.Helper()
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	z, err := gzip.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(filepath.Join(t.TempDir(), "layer.tar"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := io.Copy(out, z); err != nil {
		t.Fatal(err)
	}
	return out.Name()
}
