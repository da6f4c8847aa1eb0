//go:build packages

package packages

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Below /usr/local all of it is found, too: the program, units, users, presets,
// and the rules of polkit.
func TestInstallPrefix(t *testing.T) {
	tree := sourceCopy(t)
	build(t, tree, "build", "PREFIX=/usr/local", "VERSION="+buildVersion(t))
	dest := t.TempDir()
	tool(t, "make", "-C", tree, "install", "DESTDIR="+dest, "PREFIX=/usr/local", "VERSION="+buildVersion(t))
	for name := range files(t, dest) {
		if !strings.HasPrefix(name, "usr/local/") && !strings.HasPrefix(name, "etc/") {
			t.Errorf("installs %s", name)
		}
	}
	unit, err := os.ReadFile(filepath.Join(dest, "usr/local/lib/systemd/system/aztec-firewall.service"))
	if err != nil || !strings.Contains(string(unit), "ExecStart=/usr/local/bin/aztec-spartan firewall") {
		t.Errorf("%v\n%s", err, unit)
	}

	archive := filepath.Join(t.TempDir(), "tree.tar")
	tool(t, "tar", "-C", tree, "-cf", archive, "dist", "packaging")
	h := set(t, "bookworm", "")
	h.put(archive, "/root/tree.tar")
	h.sh("mkdir /root/tree && tar -C /root/tree -xf /root/tree.tar")
	const install = "cd /root/tree && PREFIX=/usr/local packaging/scripts/install.sh "
	h.sh(install + "install dist amd64")
	h.want("systemctl is-enabled aztec.target aztec-recover.service aztec-gate.service aztec-update.timer", "enabled\nenabled\nenabled\ndisabled")
	h.configure()
	h.want("systemctl show -P ExecStartPost "+running+" | grep -o '/usr/local/bin/aztec-spartan probe'", "/usr/local/bin/aztec-spartan probe")
	h.operators("bookworm")
	before := h.nodes()
	h.sh(install + "uninstall dist amd64")
	h.unchanged(before)
	h.want("find /usr /etc/polkit-1 -name '*aztec*'", "")
}
