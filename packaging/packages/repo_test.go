//go:build booted || packages

package packages

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// signer has the key of README's commands, for as long as the test runs.
type signer struct {
	home string // gpg's
}

func newSigner(t *testing.T) signer {
	t.Helper()
	home, err := os.MkdirTemp("/tmp", "gpg") // paths of its sockets are short
	if err != nil {
		t.Fatal(err)
	}
	s := signer{home}
	t.Cleanup(func() {
		s.tool(t, "gpgconf", "--kill", "all")
		if err := os.RemoveAll(home); err != nil {
			t.Error(err)
		}
	})
	s.tool(t, "gpg", "--batch", "--quiet", "--passphrase", "", "--quick-gen-key", "you@example.com", "rsa3072", "sign", "never")
	s.tool(t, "gpgconf", "--kill", "all") // no agent for hosts that see the directory
	return s
}

// tool runs a program that finds the key.
func (s signer) tool(t *testing.T, argv ...string) {
	t.Helper()
	// Also when the test has ended: it is there to clean up.
	out, err := exec.CommandContext(context.WithoutCancel(t.Context()), "env", append([]string{"GNUPGHOME=" + s.home}, argv...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
}

// publish adds packages to a repository.
func (s signer) publish(t *testing.T, repo string, packages ...string) {
	t.Helper()
	dist := t.TempDir()
	for _, path := range packages {
		tool(t, "cp", path, filepath.Join(dist, "aztec-spartan_amd64"+filepath.Ext(path)))
	}
	s.tool(t, "../scripts/repo.sh", "you@example.com", "http://packages.example/", dist, repo)
}

// offer makes a repository the one that README's commands name.
func (h *host) offer(repo string) {
	h.serve("127.0.0.1:80", http.FileServer(http.Dir(repo)))
	h.sh(`echo 127.0.0.1 packages.example >>/etc/hosts
		printf 'Acquire::http::Proxy::packages.example "DIRECT";\nAPT::Get::Assume-Yes "true";\n' >/etc/apt/apt.conf.d/91test`)
}

// The rpm of the repository is signed, and so is what lists it.
func TestRPMRepository(t *testing.T) {
	t.Parallel()
	keys := newSigner(t)
	repo, db := t.TempDir(), t.TempDir()
	keys.publish(t, repo, rpmPath(t))
	tool(t, "rpm", "--dbpath", db, "--import", filepath.Join(repo, "aztec-spartan.asc"))
	rpms, err := filepath.Glob(filepath.Join(repo, "rpm/x86_64/*.rpm"))
	if err != nil || len(rpms) != 1 {
		t.Fatalf("%q, %v", rpms, err)
	}
	if out := tool(t, "rpm", "--dbpath", db, "-K", rpms[0]); !strings.HasSuffix(out, "digests signatures OK") {
		t.Error(out)
	}
	list := filepath.Join(repo, "rpm/x86_64/repodata/repomd.xml")
	keys.tool(t, "gpg", "--batch", "--verify", list+".asc", list)
}

// Without a key, or a URL that dnf could be told, nothing is made.
func TestRepositoryWants(t *testing.T) {
	for _, c := range []struct{ key, url, want string }{{"", "http://packages.example", "KEY="}, {"you@example.com", "", "URL="}, {"you@example.com", "packages.example", "URL="}} {
		repo := filepath.Join(t.TempDir(), "repo")
		out, err := command(t, "../scripts/repo.sh", c.key, c.url, t.TempDir(), repo)
		if _, stat := os.Stat(repo); err == nil || !strings.HasPrefix(out, c.want) || stat == nil {
			t.Errorf("%+v: %v: %s", c, err, out)
		}
	}
}
