//go:build packages

package packages

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A host that has the repository gets newer builds by apt upgrade and by
// unattended-upgrades, and its nodes do not notice.
func TestRepository(t *testing.T) {
	t.Parallel()
	keys := newSigner(t)
	base := debPath(t)
	next := nextDeb(t, base)
	last := nextDeb(t, next)
	for _, suite := range []string{"bookworm", "trixie"} {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			repo := filepath.Join(t.TempDir(), "repo")
			keys.publish(t, repo, base, rpmPath(t))
			h := set(t, suite, "")
			h.archive("unattended-upgrades sudo")
			h.offer(repo)
			h.sh("set -e\n" + readmeInstall(t)[onHost])
			h.configure()
			before := h.nodes()
			version := func(want string) {
				t.Helper()
				h.want("dpkg-query -Wf '${Version}' aztec-spartan", want)
				h.unchanged(before)
			}
			version(debVersion(t, base))

			keys.publish(t, repo, next)
			h.sh("apt-get update && apt-get upgrade")
			version(debVersion(t, next))

			keys.publish(t, repo, last)
			h.sh(`echo 'Unattended-Upgrade::Origins-Pattern { "origin=aztec-spartan"; };' >/etc/apt/apt.conf.d/92unattended && apt-get update && unattended-upgrade`)
			version(debVersion(t, last))

			// What nobody signed is not taken.
			packages := filepath.Join(repo, "apt/dists/stable/main/binary-amd64/Packages")
			text, err := os.ReadFile(packages)
			if err != nil {
				t.Fatal(err)
			}
			write(t, packages, strings.Replace(string(text), "aztec-spartan", "aztec-sparton", 1))
			tool(t, "sh", "-c", `gzip -9nkf "$1" && cd "$2" && sed -i "s/^Label: .*/Label: forged/" InRelease`, "sh", packages, filepath.Join(repo, "apt/dists/stable"))
			if r, err := h.Sh(t.Context(), "apt-get update -o APT::Update::Error-Mode=any"); err != nil || r.Code == 0 {
				t.Errorf("apt takes a forged repository: %v\n%s", err, r.Stdout)
			}
		})
	}
}
