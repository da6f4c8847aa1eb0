//go:build packages

package packages

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// rpmTransitions are those of an rpm. There is no purge.
var rpmTransitions = []transition{
	{name: "reinstall", run: "{rpm} -U --replacepkgs /root/base.rpm", version: "base"},
	{
		name: "upgrade", run: "systemctl disable -q aztec.target; {rpm} -U /root/next.rpm", version: "next",
		holds: map[string]string{
			"systemctl is-enabled aztec.target":                                                "disabled", // as the operator has it
			"systemctl is-enabled aztec-next.service; systemctl is-active aztec-next.service":  "enabled\ninactive",
			"systemctl is-enabled aztec-next.timer; systemctl is-active aztec-next.timer":      "disabled\ninactive",
			"grep ^settle /etc/aztec-spartan/config.toml":                                      `settle = "7s"`,
			"journalctl --list-catalog 2>/dev/null | grep -c 5c2d3c2b9d2e4a53a2c1a8dbf5c04a11": "1",
			// What differs is what the operator changed.
			"rpm -V --nodeps aztec-spartan": "..5....T.  c /etc/aztec-spartan/config.toml",
		},
	},
	{name: "downgrade", run: "{rpm} -U --oldpackage /root/base.rpm", version: "base"},
	{name: "upgrade again", run: "{rpm} -U /root/next.rpm", version: "next"},
	{
		name: "remove", run: "rpm -e aztec-spartan", says: "still running, and enabled as before: " + running, version: "none",
		holds: map[string]string{
			"grep ^settle /etc/aztec-spartan/config.toml.rpmsave": `settle = "7s"`,
			"nft list tables": "table inet aztec_spartan",
			"ls -d /var/lib/aztec-spartan/images/sha256-* | wc -l": "1",
			"systemctl is-enabled aztec-next.service 2>/dev/null":  "",
		},
	},
	{
		name: "install after a removal", run: "{rpm} -i /root/base.rpm", version: "base",
		holds: map[string]string{"aztec-spartan probe val1 >/dev/null && echo healthy": "healthy"},
	},
}

// TestRPMTransitions runs the real rpm, its database and our scriptlets on a
// Debian host: what else a Fedora would have is not in rpm's database there,
// hence --nodeps.
func TestRPMTransitions(t *testing.T) {
	tree := sourceCopy(t)
	for path, text := range nextFiles {
		dir := filepath.Base(filepath.Dir(path)) // of a packaging directory, but for units
		if dir == "system" {
			dir = "systemd"
		} else if dir == "system-preset" {
			dir = "systemd-preset"
		}
		write(t, filepath.Join(tree, "packaging", dir, filepath.Base(path)), text)
	}
	version := buildVersion(t)
	build(t, tree, "package", "VERSION="+version+"+next")
	h := set(t, "bookworm", "")
	h.archive("rpm")
	h.put(rpmPath(t), "/root/base.rpm")
	h.put(filepath.Join(tree, "dist", filepath.Base(rpmPath(t))), "/root/next.rpm")
	h.sh("rpm --force-debian --nodeps -i /root/base.rpm")
	h.installed()
	h.configure()
	for i := range rpmTransitions {
		rpmTransitions[i].run = strings.ReplaceAll(rpmTransitions[i].run, "{rpm}", "rpm --force-debian --nodeps")
	}
	h.table(rpmTransitions, `rpm -q --qf 'installed %{VERSION}-%{RELEASE}' aztec-spartan`, version+"-1", version+"+next-1")
	h.t.Run("remove with nothing running", func(t *testing.T) {
		h := h.sub(t)
		h.sh("systemctl stop " + running + " && rpm -e aztec-spartan")
		h.want("nft list tables; ls /usr/lib/systemd/system | grep aztec; systemctl is-enabled aztec.target 2>/dev/null", "")
		h.want("cat /var/lib/aztec/val1/marker; ls -d /etc/aztec-spartan/instances/val*/keystore* | wc -l", "precious\n3")
	})
}

// Where SELinux is enforced, images have the type of programs: the module is
// taken by the policy of Debian, which has the same names.
func TestSELinuxModule(t *testing.T) {
	h := set(t, "bookworm", "")
	h.archive("selinux-policy-default policycoreutils selinux-utils semodule-utils")
	h.put("../selinux/aztec-spartan.cil", "/root/aztec-spartan.cil")
	h.sh("semodule -s default -n -X 200 -i /root/aztec-spartan.cil")
	const image = "/var/lib/aztec-spartan/images/sha256-0/rootfs/usr/local/bin/node"
	h.want("matchpathcon -n -f /etc/selinux/default/contexts/files/file_contexts "+image, "system_u:object_r:bin_t:s0")
	h.want("matchpathcon -n -f /etc/selinux/default/contexts/files/file_contexts /var/lib/aztec-spartan/instances | cut -d: -f3", "var_lib_t")
	h.sh("semodule -s default -n -X 200 -r aztec-spartan")
}

// Both architectures build; the other one runs in an emulator.
func TestArm64(t *testing.T) {
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
