package realimage

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
)

// What goes into the image. The versions of everything below @aztec/aztec are
// in npm/package-lock.json, which `npm install --package-lock-only` wrote; the
// fields that an installation does not read were taken out of it.
const (
	version     = "4.1.2"
	testVersion = "4.1.3-test"

	nodeVersion    = "24.21.0"
	npmVersion     = "11.19.1"
	foundryVersion = "1.4.4"

	suite        = "trixie"
	basePackages = "ca-certificates,libstdc++6,libatomic1"
)

// revision is raised when Build makes something else of the same inputs.
const revision = 2

// recipe are the files that steer the steps.
//
//go:embed npm/package.json npm/package-lock.json chroot.sh solc.sh
var recipe embed.FS

// key names the cache directory of this recipe: versions, revision, files.
func key() (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, revision, version, testVersion, nodeVersion, npmVersion, foundryVersion, suite, basePackages)
	err := fs.WalkDir(recipe, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := recipe.ReadFile(name)
		fmt.Fprintf(h, "%s %d\n%s", name, len(b), b)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("reading the recipe: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}
