//go:build booted || packages

package packages

import (
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
			"rpm -V --nodeps aztec-spartan": "S.5....T.  c /etc/aztec-spartan/config.toml",
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

// nextRPM makes the rpm of a later version, and returns it with that version.
func nextRPM(t *testing.T) (path, version string) {
	t.Helper()
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
	version = buildVersion(t) + "+next"
	build(t, tree, "package", "VERSION="+version)
	return filepath.Join(tree, "dist", filepath.Base(rpmPath(t))), version
}

// TestRPM runs the real rpm, its database and our scriptlets on Debian hosts,
// and dnf.
func TestRPM(t *testing.T) {
	t.Parallel()
	keys := newSigner(t)
	next, nextVersion := nextRPM(t)
	t.Run("transitions", func(t *testing.T) {
		t.Parallel()
		rpmTransits(t, next, nextVersion)
	})
	t.Run("dnf", func(t *testing.T) {
		t.Parallel()
		byDNF(t, keys, next, nextVersion)
	})
}

// rpmTransits is the matrix of an rpm: what else a Fedora would have is not in
// rpm's database there, hence --nodeps.
func rpmTransits(t *testing.T, next, nextVersion string) {
	h := set(t, "bookworm", "")
	h.archive("rpm")
	h.put(rpmPath(t), "/root/base.rpm")
	h.put(next, "/root/next.rpm")
	h.sh("rpm --force-debian --nodeps -i /root/base.rpm")
	h.installed()
	h.configure()
	for i := range rpmTransitions {
		rpmTransitions[i].run = strings.ReplaceAll(rpmTransitions[i].run, "{rpm}", "rpm --force-debian --nodeps")
	}
	h.table(rpmTransitions, rpmVersion, buildVersion(t)+"-1", nextVersion+"-1")
	h.t.Run("remove with nothing running", func(t *testing.T) {
		h := h.sub(t)
		h.sh("systemctl stop " + running + " && rpm -e aztec-spartan")
		h.want("nft list tables; ls /usr/lib/systemd/system | grep aztec; systemctl is-enabled aztec.target 2>/dev/null", "")
		h.want("cat /var/lib/aztec/val1/marker; ls -d /etc/aztec-spartan/instances/val*/keystore* | wc -l", "precious\n3")
	})
}

const rpmVersion = `rpm -q --qf 'installed %{VERSION}-%{RELEASE}' aztec-spartan`

// hostSpec is a package that provides what comes from Debian.
const hostSpec = `Name: host
Version: 1
Release: 1
Summary: What is there without rpm
License: none
BuildArch: noarch
Provides: systemd = 252, nftables = 1, ca-certificates = 1
%description
%summary
%files
`

// byDNF takes the package and a newer one from the repository, as README says;
// what nobody signed is not taken.
func byDNF(t *testing.T, keys signer, next, nextVersion string) {
	dir := t.TempDir()
	repo, spec := filepath.Join(dir, "repo"), filepath.Join(dir, "host.spec")
	keys.publish(t, repo, rpmPath(t))
	write(t, spec, hostSpec)
	tool(t, "rpmbuild", "--quiet", "--define", "_topdir "+dir, "--define", "_rpmdir "+dir, "-bb", spec)
	h := set(t, "bookworm", "")
	h.archive("dnf rpm sudo")
	h.offer(repo)
	h.put(filepath.Join(dir, "noarch/host-1-1.noarch.rpm"), "/root/host.rpm")
	h.sh("rpm --force-debian -i /root/host.rpm && mkdir -p /etc/yum.repos.d /etc/dnf && echo 'assumeyes=True' >>/etc/dnf/dnf.conf")
	h.sh("set -e\n" + readmeInstall(t)[onHostWithDNF])
	h.installed()
	h.configure()
	before := h.nodes()
	h.want(rpmVersion, "installed "+buildVersion(t)+"-1")
	keys.publish(t, repo, next)
	h.sh("dnf upgrade --refresh")
	h.want(rpmVersion, "installed "+nextVersion+"-1")
	h.unchanged(before)

	tool(t, "sh", "-c", `echo '<!-- -->' >>"$1"`, "sh", filepath.Join(repo, "rpm/x86_64/repodata/repomd.xml"))
	// As configured, dnf would go on without it.
	r, err := h.Sh(t.Context(), "dnf makecache --refresh --setopt=aztec-spartan.skip_if_unavailable=0")
	if err != nil || r.Code == 0 || !strings.Contains(r.Stderr, "signature") {
		t.Errorf("dnf takes a forged repository: %v\n%s%s", err, r.Stdout, r.Stderr)
	}
}
