//go:build oracle

package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// run runs a tool and returns what it prints.
func run(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	var out, diagnostics bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &diagnostics
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, diagnostics.Bytes())
	}
	return out.Bytes()
}

func skopeo(t *testing.T, args ...string) []byte {
	t.Helper()
	return run(t, "skopeo", append([]string{"--insecure-policy", "--override-os", "linux", "--override-arch", "amd64"}, args...)...)
}

// contents opens what a tool wrote and reads all of it.
func contents(t *testing.T, path string) []content {
	t.Helper()
	a, err := Open(context.Background(), path, Options{TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	got, err := walk(a)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestOracleReads reads what skopeo, GNU tar and umoci make of an image, in every form and packed in every way.
func TestOracleReads(t *testing.T) {
	p := pictures[0]
	dir := t.TempDir()
	source := unpackTo(t, filepath.Join(dir, "source"), layout(t, p))
	from := "oci:" + source + ":it:1"
	at := func(name string) string { return filepath.Join(dir, name) }
	want := wanted(t, p)[0]
	check := func(t *testing.T, path string, names ...string) {
		t.Helper()
		w := want
		w.Names = names
		if d := cmp.Diff([]content{w}, contents(t, path)); d != "" {
			t.Error(d)
		}
	}
	t.Run("oci-archive", func(t *testing.T) {
		skopeo(t, "copy", from, "oci-archive:"+at("oci.tar")+":some:tag")
		check(t, at("oci.tar"), "some:tag")
	})
	t.Run("oci", func(t *testing.T) {
		skopeo(t, "copy", from, "oci:"+at("oci")+":some")
		check(t, at("oci"), "some")
	})
	t.Run("oci zstd", func(t *testing.T) {
		skopeo(t, "copy", "--dest-compress-format", "zstd", "--dest-compress", from, "oci:"+at("zstd"))
		check(t, at("zstd"))
	})
	t.Run("docker-archive", func(t *testing.T) {
		// One layer, since the second is zstd, which this form does not know.
		want := wanted(t, pictures[1])[0]
		one := picture{names: pictures[1].names, layers: pictures[1].layers[:1]}
		want.Layers = want.Layers[:1]
		skopeo(t, "copy", "oci:"+unpackTo(t, at("one"), layout(t, one))+":it:2", "docker-archive:"+at("docker.tar")+":example.org/it:tag")
		got := contents(t, at("docker.tar"))
		// The configuration is rewritten on the way from OCI; its digest is what the archive calls it.
		if len(got) != 1 || !cmp.Equal(got[0].Layers, want.Layers) || !cmp.Equal(got[0].Names, []string{"example.org/it:tag"}) {
			t.Errorf("%+v", got)
		}
		for _, tool := range [][]string{{"gzip", "-k"}, {"zstd", "-q"}, {"zstd", "-q", "-19", "--long=25", "-o", at("long.zst")}} {
			run(t, tool[0], append(tool[1:], at("docker.tar"))...)
		}
		for _, name := range []string{"docker.tar.gz", "docker.tar.zst", "long.zst"} {
			if d := cmp.Diff(got, contents(t, at(name))); d != "" {
				t.Errorf("%s: %s", name, d)
			}
		}
	})
	t.Run("umoci", func(t *testing.T) {
		run(t, "umoci", "tag", "--image", source+":it:1", "umoci")
		check(t, source, "docker.io/aztec/it:1", "it:1", "docker.io/aztec/it:latest", "it:latest", "umoci")
	})
	t.Run("GNU tar", func(t *testing.T) {
		for _, format := range []string{"gnu", "pax", "ustar", "oldgnu", "v7"} {
			run(t, "tar", "-C", at("oci"), "--format", format, "-cf", at(format), ".")
			check(t, at(format), "some")
		}
	})
}

// TestOracleWrites has skopeo read what the tests here take for the work of docker and crane, and compares the manifests that
// both of us make up.
func TestOracleWrites(t *testing.T) {
	for form, members := range map[string]func(testing.TB, ...picture) []member{"docker save": saved, "crane": craned} {
		t.Run(form, func(t *testing.T) {
			for _, p := range pictures {
				name := write(t, pack(t, members(t, p)...))
				a, err := Open(context.Background(), name, Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer a.Close()
				raw, _, err := a.Manifest(context.Background(), a.Images()[0].Digest)
				if err != nil {
					t.Fatal(err)
				}
				var ours, theirs madeManifest
				if err := json.Unmarshal(raw, &ours); err != nil {
					t.Fatal(err)
				}
				if err := json.Unmarshal(skopeo(t, "inspect", "--raw", "docker-archive:"+name+":"+p.names[0]), &theirs); err != nil {
					t.Fatal(err)
				}
				// skopeo takes all layers out of their compression, and calls them compressed all the same.
				if form == "crane" {
					ours.Layers, theirs.Layers = nil, nil
				}
				for i := range theirs.Layers {
					theirs.Layers[i].MediaType = dockerLayer
				}
				if d := cmp.Diff(theirs, ours); d != "" {
					t.Error(d)
				}
			}
		})
	}
}
