//go:build booted || packages

package packages

import (
	"debug/elf"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// unpacked is the tree of the deb.
func unpacked(t *testing.T) string {
	t.Helper()
	tree := filepath.Join(t.TempDir(), "deb")
	tool(t, "dpkg-deb", "-x", debPath(t), tree)
	return tree
}

func TestLintian(t *testing.T) {
	if out := tool(t, "lintian", "--allow-root", "--no-cfg", "--fail-on", "error,warning", debPath(t)); out != "" {
		t.Errorf("lintian says\n%s", out)
	}
}

func TestRpmlint(t *testing.T) {
	if out := tool(t, "rpmlint", "-c", "../rpmlint.toml", rpmPath(t)); !strings.Contains(out, " 0 errors, 0 warnings") {
		t.Errorf("rpmlint says\n%s", out)
	}
}

// Each override says why it is there.
func TestOverridesAreExplained(t *testing.T) {
	for _, path := range []string{"../lintian-overrides", "../rpmlint.toml"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		above := ""
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			if entry := strings.HasPrefix(line, `"`) || strings.HasPrefix(line, "aztec-spartan: "); entry && above == "" {
				t.Errorf("%s: nothing says why: %s", path, line)
			}
			if above = ""; strings.HasPrefix(line, "#") || strings.HasPrefix(line, `"no-binary"`) {
				above = line
			}
		}
	}
}

// Bytes that are promised at most.
const (
	maxPackage   = 8 << 20
	maxInstalled = 25 << 20
)

func TestSizes(t *testing.T) {
	for _, path := range []string{debPath(t), rpmPath(t)} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if t.Logf("%s: %.1f MiB", filepath.Base(path), float64(info.Size())/(1<<20)); info.Size() > maxPackage {
			t.Errorf("%s has %d bytes", path, info.Size())
		}
	}
	var sum int64
	err := filepath.WalkDir(unpacked(t), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		sum += info.Size()
		return err
	})
	if t.Logf("installed: %.1f MiB", float64(sum)/(1<<20)); err != nil || sum > maxInstalled {
		t.Errorf("installed, the package has %d bytes, %v", sum, err)
	}
}

// TestVersionIsQuick looks at the quickest of some runs: what the program takes
// and not what else the machine does. It is some 10 ms; a slow machine, on which a
// program that does nothing takes 4 ms, has it in 30 ms.
func TestVersionIsQuick(t *testing.T) {
	const most = 100 * time.Millisecond
	program := filepath.Join(unpacked(t), "usr/bin/aztec-spartan")
	best := time.Hour
	for range 20 {
		began := time.Now()
		tool(t, program, "version")
		best = min(best, time.Since(began))
	}
	if t.Logf("aztec-spartan version: %s", best); best > most {
		t.Errorf("aztec-spartan version takes %s", best)
	}
}

func TestProgramIsStatic(t *testing.T) {
	f, err := elf.Open(filepath.Join(unpacked(t), "usr/bin/aztec-spartan"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if libs, err := f.ImportedLibraries(); err != nil || len(libs) > 0 || f.Section(".symtab") != nil {
		t.Errorf("links with %q, %v", libs, err)
	}
}

func TestManPagesRender(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(unpacked(t), "usr/share/man/man[15]/*.gz"))
	if err != nil || len(pages) < 20 {
		t.Fatalf("%d man pages, %v", len(pages), err)
	}
	for _, page := range pages {
		if out := tool(t, "sh", "-c", `zcat "$1" | LC_ALL=C.UTF-8 groff -man -Tutf8 -ww -rLL=78n -z 2>&1`, "sh", page); out != "" {
			t.Errorf("%s: %s", filepath.Base(page), out)
		}
	}
}

// needrestart, which reads its settings as Perl, leaves nodes alone, and else does as it did.
func TestNeedrestartLeavesNodesAlone(t *testing.T) {
	file := filepath.Join(unpacked(t), "etc/needrestart/conf.d/aztec-spartan.conf")
	out := tool(t, "perl", "-we", `our %nrconf; defined do shift or die $@; foreach my $unit (@ARGV) { print join(" ", $unit, map { $nrconf{override_rc}{$_} } grep { $unit =~ $_ } keys %{$nrconf{override_rc}}), "\n" }`,
		file, running, "aztec-update.service", "ssh.service", "my-aztec-proxy.service")
	if want := running + " 0\naztec-update.service 0\nssh.service\nmy-aztec-proxy.service"; out != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}

// The completions of each shell are found under its name, and offer verbs.
func TestCompletionsLoad(t *testing.T) {
	tree := unpacked(t)
	t.Setenv("PATH", filepath.Join(tree, "usr/bin")+":"+os.Getenv("PATH"))
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	share := filepath.Join(tree, "usr/share")
	for shell, c := range map[string]struct{ script, want string }{
		"bash": {`. /usr/share/bash-completion/bash_completion && . "$1"/bash-completion/completions/aztec-spartan && complete -p aztec-spartan >/dev/null &&
			COMP_WORDS=(aztec-spartan rollb) COMP_CWORD=1 COMP_LINE="aztec-spartan rollb" COMP_POINT=19 COMP_TYPE=9 && __start_aztec-spartan 2>/dev/null; echo "${COMPREPLY[0]}"`, "rollback"},
		"zsh":  {`fpath=("$1/zsh/vendor-completions" $fpath); autoload -Uz compinit && compinit -u -D && autoload +X _aztec-spartan && echo $_comps[aztec-spartan]`, "_aztec-spartan"},
		"fish": {`source $argv[2]/fish/vendor_completions.d/aztec-spartan.fish; complete --do-complete "aztec-spartan rollb"`, "rollback"},
	} {
		t.Run(shell, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), shell, "-c", c.script, shell, share)
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.HasPrefix(string(out), c.want) {
				t.Errorf("%v, got %q, want %q", err, out, c.want)
			}
		})
	}
}
