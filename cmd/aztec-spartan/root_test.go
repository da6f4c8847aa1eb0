//go:build booted

package main

import (
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/registry"
	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/stubimage"
)

// Scripts that unpack images under --root: root, but no booted host.
func TestRootScripts(t *testing.T) {
	layout := filepath.Join(t.TempDir(), "layout")
	if err := stubimage.Build(layout); err != nil {
		t.Fatal(err)
	}
	handler, err := registry.Handler(layout)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close) // scripts are parallel subtests: they outlive this function
	testscript.Run(t, testscript.Params{
		Dir: "testdata/root", UpdateScripts: *update,
		Setup: func(e *testscript.Env) error {
			e.Setenv("REGISTRY", strings.TrimPrefix(server.URL, "http://"))
			return nil
		},
	})
}
