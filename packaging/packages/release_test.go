//go:build packages

package packages

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRelease makes a release of a commit whose changelog says what is in it,
// and none of trees that are not fit for one.
func TestRelease(t *testing.T) {
	t.Parallel()
	tree := sourceCopy(t)
	in := func(script string) (string, error) {
		return command(t, "sh", "-ec", `cd "$1"; export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com; eval "$2"`, "sh", tree, script)
	}
	must := func(script string) {
		t.Helper()
		if out, err := in(script); err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
	}
	refused := func(script, why string) {
		t.Helper()
		if out, err := in(script); err == nil || !strings.Contains(out, why) {
			t.Errorf("%s: %v, want %q\n%s", script, err, why, out)
		}
		if _, err := os.Stat(filepath.Join(tree, "dist/release")); err == nil {
			t.Errorf("%s: made a release", script)
		}
	}
	must("git init -q; git add -A; git commit -qm all")
	refused("make release", "VERSION= is missing")
	refused("make release VERSION=latest", "VERSION= is missing or not like")
	refused("make release VERSION=1.2.3", "nothing under ## [1.2.3]")
	must(`sed -i 's/^## \[Unreleased\]$/## [Unreleased]\n\n## [1.2.3] - 2026-12-01/' CHANGELOG.md`)
	refused("make release VERSION=1.2.3", "CHANGELOG.md")
	must("git commit -qam release")
	must("git tag v1.2.3 HEAD~1")
	refused("make release VERSION=1.2.3", "v1.2.3 is another commit")
	must("git tag -f v1.2.3")
	must("touch untracked")
	refused("make release VERSION=1.2.3", "?? untracked")
	must("rm untracked; make release VERSION=1.2.3")

	must("cd dist/release && sha256sum --quiet -c SHA256SUMS && test $(wc -l <SHA256SUMS) = 7")
	release := filepath.Join(tree, "dist/release")
	deb := filepath.Join(release, "aztec-spartan_1.2.3-1_amd64.deb")
	if v := debVersion(t, deb); v != "1.2.3-1" {
		t.Errorf("the deb is %s", v)
	}
	if out := tool(t, "sh", "-c", `dpkg-deb --fsys-tarfile "$1" | tar -xO ./usr/share/doc/aztec-spartan/changelog.Debian.gz | zcat | head -1`, "sh", deb); out != "aztec-spartan (1.2.3-1) stable; urgency=medium" {
		t.Errorf("its changelog begins with %s", out)
	}
	for _, name := range []string{"aztec-spartan_1.2.3-1_arm64.deb", "aztec-spartan-1.2.3-1.x86_64.rpm", "aztec-spartan-1.2.3-1.aarch64.rpm"} {
		if _, err := os.Stat(filepath.Join(release, name)); err != nil {
			t.Error(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(release, "aztec-spartan_1.2.3_amd64.cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var sbom struct {
		BOMFormat  string
		Components []struct{ Name, Version string }
	}
	if err := json.Unmarshal(text, &sbom); err != nil || sbom.BOMFormat != "CycloneDX" {
		t.Errorf("the SBOM is %q, %v", sbom.BOMFormat, err)
	}
	found := 0
	for _, c := range sbom.Components {
		if c.Version != "" && (c.Name == "github.com/google/go-containerregistry" || c.Name == "github.com/spf13/cobra") {
			found++
		}
	}
	if found != 2 {
		t.Errorf("the SBOM lacks modules: %d components", len(sbom.Components))
	}
	commit, err := in("git rev-parse HEAD")
	if notes, readErr := os.ReadFile(filepath.Join(release, "PROVENANCE.txt")); err != nil || readErr != nil || !strings.Contains(string(notes), commit) || !strings.Contains(string(notes), "tag v1.2.3") {
		t.Errorf("the provenance is\n%s", notes)
	}
}
