//go:build packages

package packages

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// signingKey makes the key of README's commands, for as long as the test runs,
// and returns the directory of gpg that has it.
func signingKey(t *testing.T) string {
	t.Helper()
	home, err := os.MkdirTemp("/tmp", "gpg") // paths of its sockets are short
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GNUPGHOME", home)
	t.Cleanup(func() {
		if err := os.RemoveAll(home); err != nil {
			t.Error(err)
		}
	})
	tool(t, "gpg", "--batch", "--quiet", "--passphrase", "", "--quick-gen-key", "you@example.com", "rsa3072", "sign", "never")
	tool(t, "gpgconf", "--kill", "all")
	return home
}

// publish adds packages to a repository.
func publish(t *testing.T, repo string, packages ...string) {
	t.Helper()
	dist := t.TempDir()
	for _, path := range packages {
		tool(t, "cp", path, filepath.Join(dist, "aztec-spartan_amd64"+filepath.Ext(path)))
	}
	tool(t, "../scripts/repo.sh", "you@example.com", dist, repo)
	tool(t, "gpgconf", "--kill", "all")
}

// offer makes a repository the one that README's commands name.
func (h *host) offer(repo string) {
	h.serve("127.0.0.1:80", http.FileServer(http.Dir(repo)))
	h.sh(`echo 127.0.0.1 packages.example >>/etc/hosts
		printf 'Acquire::http::Proxy::packages.example "DIRECT";\nAPT::Get::Assume-Yes "true";\n' >/etc/apt/apt.conf.d/91test`)
}

// A host that has the repository gets newer builds by apt upgrade and by
// unattended-upgrades, and its nodes do not notice.
func TestRepository(t *testing.T) {
	signingKey(t)
	base := debPath(t)
	next := nextDeb(t, base)
	last := nextDeb(t, next)
	for _, suite := range []string{"bookworm", "trixie"} {
		t.Run(suite, func(t *testing.T) {
			repo := filepath.Join(t.TempDir(), "repo")
			publish(t, repo, base, rpmPath(t))
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

			publish(t, repo, next)
			h.sh("apt-get update && apt-get upgrade")
			version(debVersion(t, next))

			publish(t, repo, last)
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

// The rpm of the repository is signed, and so is what lists it.
func TestRPMRepository(t *testing.T) {
	signingKey(t)
	repo, db := t.TempDir(), t.TempDir()
	publish(t, repo, rpmPath(t))
	tool(t, "rpm", "--dbpath", db, "--import", filepath.Join(repo, "aztec-spartan.asc"))
	rpms, err := filepath.Glob(filepath.Join(repo, "rpm/x86_64/*.rpm"))
	if err != nil || len(rpms) != 1 {
		t.Fatalf("%q, %v", rpms, err)
	}
	if out := tool(t, "rpm", "--dbpath", db, "-K", rpms[0]); !strings.HasSuffix(out, "digests signatures OK") {
		t.Error(out)
	}
	list := filepath.Join(repo, "rpm/x86_64/repodata/repomd.xml")
	tool(t, "gpg", "--batch", "--verify", list+".asc", list)
}

// Without a key nothing is made.
func TestRepositoryWantsKey(t *testing.T) {
	repo := filepath.Join(t.TempDir(), "repo")
	out, err := command(t, "../scripts/repo.sh", "", t.TempDir(), repo)
	if _, stat := os.Stat(repo); err == nil || !strings.Contains(out, "KEY=") || stat == nil {
		t.Errorf("%v: %s", err, out)
	}
}
