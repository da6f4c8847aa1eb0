//go:build booted || packages

package packages

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Both architectures build; the other one runs in an emulator.
func TestArm64(t *testing.T) {
	t.Parallel()
	tree := sourceCopy(t)
	version := buildVersion(t)
	build(t, tree, "package", "ARCH=arm64", "VERSION="+version)
	out := tool(t, "qemu-aarch64-static", filepath.Join(tree, "dist/aztec-spartan-arm64"), "version")
	if !strings.Contains(out, version) || !strings.Contains(out, "arm64") {
		t.Errorf("version says %s", out)
	}
	deb, rpm := filepath.Join(tree, "dist/aztec-spartan_arm64.deb"), filepath.Join(tree, "dist/aztec-spartan_arm64.rpm")
	if arch := tool(t, "dpkg-deb", "-f", deb, "Architecture"); arch != "arm64" {
		t.Errorf("the deb is for %s", arch)
	}
	if arch := tool(t, "rpm", "-qp", "--qf", "%{ARCH}", rpm); arch != "aarch64" {
		t.Errorf("the rpm is for %s", arch)
	}
	for _, path := range []string{deb, rpm} {
		if info, err := os.Stat(path); err != nil || info.Size() > maxPackage {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
}
