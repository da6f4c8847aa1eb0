package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// image is the root file system as the node sees it.
type image struct {
	// version is what --version prints.
	version string
	faults  faults
}

// openImage finds the packages around the script, aztec/dest/bin/index.js.
//
// The version comes from where getPackageVersion of @aztec/stdlib 4.1.2 looks:
// the "." of ../.release-please-manifest.json if there is such a file, else the
// version of stdlib/package.json.
func openImage(script string) (*image, error) {
	if _, err := os.Stat(script); err != nil {
		return nil, err
	}
	packages := filepath.Join(filepath.Dir(script), "..", "..", "..")
	img := &image{version: "unknown"}
	var release map[string]string
	var stdlib struct{ Version string }
	if readJSON(filepath.Join(packages, "..", ".release-please-manifest.json"), &release) == nil {
		img.version = release["."]
	} else if readJSON(filepath.Join(packages, "stdlib", "package.json"), &stdlib) == nil && stdlib.Version != "" {
		img.version = stdlib.Version
	}
	err := readJSON(filepath.Join(packages, "stub.json"), &img.faults)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return img, nil
}

func readJSON(file string, into any) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("parsing %s: %w", file, err)
	}
	return nil
}
