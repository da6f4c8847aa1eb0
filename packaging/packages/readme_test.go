//go:build booted || packages

package packages

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/packaging/testhost"
)

// The blocks of commands in README's section Install, in their order.
const (
	byPackage = iota
	byRepository
	onHost
	onHostWithDNF
	fromSource
	blocks
)

// readmeInstall reads them, word by word.
func readmeInstall(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Install\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var list []string
	inside := false
	for line := range strings.Lines(section) {
		command, ok := strings.CutPrefix(line, "    ")
		switch {
		case ok && inside:
			list[len(list)-1] += command
		case ok:
			list = append(list, command)
		}
		inside = ok
	}
	if len(list) != blocks {
		t.Fatalf("README's section Install has %d blocks of commands, want %d: %q", len(list), blocks, list)
	}
	return list
}

// TestReadmeInstall does what README says on fresh hosts which have what it
// presumes: git, Go and the source. Two of them, since the last block is
// another way to the same files.
func TestReadmeInstall(t *testing.T) {
	commands := readmeInstall(t)
	t.Parallel()
	keys := newSigner(t)
	run := func(t *testing.T, need string) (*host, func(block int)) {
		tree := sourceCopy(t)
		tool(t, "sh", "-c", `cd "$1" && git init -q && git add -A && git -c user.name=a -c user.email=a@example.com commit -qm all`, "sh", tree)
		boot := testhost.Options{Binds: []testhost.Bind{{Host: tree, Guest: "/root/aztec-spartan"}, {Host: keys.home, Guest: "/root/.gnupg"}}}
		for _, v := range []string{"GOROOT", "GOMODCACHE", "GOCACHE"} {
			dir := tool(t, "go", "env", v)
			boot.Binds = append(boot.Binds, testhost.Bind{Host: dir, Guest: "/go/" + v})
		}
		h := &host{t: t}
		var err error
		if h.Host, err = testhost.Boot(t.Context(), boot); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := h.Host.Close(); err != nil {
				t.Error(err)
			}
		})
		h.archive("sudo git make " + need)
		h.offer(filepath.Join(tree, "dist/repo"))
		return h, func(block int) {
			t.Helper()
			t.Logf("$ %s", strings.TrimSpace(commands[block]))
			h.sh("export GOROOT=/go/GOROOT GOMODCACHE=/go/GOMODCACHE GOCACHE=/go/GOCACHE GOPROXY=file:///go/GOMODCACHE/cache/download GOSUMDB=off GOTOOLCHAIN=local PATH=/go/GOROOT/bin:$PATH\n" +
				"set -e; cd /root/aztec-spartan\n" + commands[block])
		}
	}
	t.Run("packages", func(t *testing.T) {
		t.Parallel()
		h, do := run(t, "apt-utils gnupg rpm createrepo-c")
		do(byPackage)
		h.want("aztec-spartan version >/dev/null && systemctl is-enabled aztec.target", "enabled")
		h.sh("apt-get purge aztec-spartan")
		do(byRepository)
		do(onHost)
		h.want("aztec-spartan version >/dev/null && apt-cache policy aztec-spartan | grep -c 'packages.example/apt stable/main'", "1")
	})
	t.Run("source", func(t *testing.T) {
		t.Parallel()
		h, do := run(t, "")
		do(fromSource)
		h.want("find /usr -name '*aztec-spartan*' -o -name 'aztec*.service'; ls /etc/aztec-spartan", "config.toml\ninstances")
	})
}
