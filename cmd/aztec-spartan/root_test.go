//go:build booted

package main

import (
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/registry"
	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/stubimage"
)

// Scripts that unpack images under --root: root, but no booted host. Each has
// a registry of its own, $REGISTRY, that `fault` spoils, and archives of what
// it serves: the layout $LAYOUT, and $SAVED, as of docker save.
func TestRootScripts(t *testing.T) {
	dir := t.TempDir()
	layoutDir, saved := filepath.Join(dir, "layout"), filepath.Join(dir, "saved.tar")
	if err := stubimage.Build(layoutDir); err != nil {
		t.Fatal(err)
	}
	if err := save(layoutDir, stubimage.Newer, saved); err != nil {
		t.Fatal(err)
	}
	handler, err := registry.Handler(layoutDir)
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/root", UpdateScripts: *update,
		Setup: func(e *testscript.Env) error {
			f := &faulty{honest: handler}
			f.server = httptest.NewServer(f)
			e.Defer(f.server.Close)
			e.Values[faultyKey{}] = f
			e.Setenv("REGISTRY", f.server.Listener.Addr().String())
			e.Setenv("LAYOUT", layoutDir)
			e.Setenv("SAVED", saved)
			// A registry's mistake is not to be looked for in the caller's proxy, nor credentials in the caller's home.
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("DOCKER_CONFIG", e.WorkDir)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"fault": spoil, "await": await, "json": compareJSON,
		},
	})
}

// save writes one image as docker save did up to version 24.
func save(layoutDir, tag, path string) error {
	l, err := layout.FromPath(layoutDir)
	if err != nil {
		return err
	}
	index, err := l.ImageIndex()
	if err != nil {
		return err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	for _, d := range manifest.Manifests {
		if d.Annotations["org.opencontainers.image.ref.name"] != tag {
			continue
		}
		var img v1.Image
		if img, err = index.Image(d.Digest); err != nil {
			return err
		}
		ref, err := name.NewTag("docker.io/aztecprotocol/aztec:" + tag)
		if err != nil {
			return err
		}
		return tarball.WriteToFile(path, ref, img)
	}
	return fmt.Errorf("saving %s: %s does not have it", tag, layoutDir)
}
