//go:build booted || packages

package packages

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rpmFiles lists an rpm as files lists a tree.
func rpmFiles(t *testing.T, rpm string) map[string]string {
	t.Helper()
	list := map[string]string{}
	for line := range strings.Lines(tool(t, "rpm", "-qp", "--qf", `[%{FILEMODES:perms}\t%{FILEDIGESTS}\t%{FILELINKTOS}\t%{FILENAMES}\n]`, rpm)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 4 {
			t.Fatalf("rpm lists %q", line)
		}
		switch name := strings.TrimPrefix(f[3], "/"); {
		case strings.HasPrefix(f[0], "d"):
		case f[2] != "":
			list[name] = f[2]
		default:
			list[name] = f[0] + " " + f[1]
		}
	}
	return list
}

// The two packages hold the same files, byte by byte, apart from what each
// distribution wants for itself, and call the same ones settings.
func TestPackagesHoldTheSame(t *testing.T) {
	deb, rpm := files(t, unpacked(t)), rpmFiles(t, rpmPath(t))
	const zsh = "share/zsh/vendor-completions/_aztec-spartan"
	rpm["usr/"+zsh] = rpm["usr/share/zsh/site-functions/_aztec-spartan"]
	only := func(in, other map[string]string) []string {
		var list []string
		for _, name := range slices.Sorted(maps.Keys(in)) {
			if _, ok := other[name]; !ok {
				list = append(list, name)
				delete(in, name)
			}
		}
		return list
	}
	if d := cmp.Diff([]string{
		"usr/share/doc/aztec-spartan/changelog.Debian.gz", "usr/share/doc/aztec-spartan/changelog.gz", "usr/share/doc/aztec-spartan/copyright",
		"usr/share/lintian/overrides/aztec-spartan",
	}, only(deb, rpm)); d != "" {
		t.Errorf("only in the deb (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{
		"usr/share/doc/aztec-spartan/CHANGELOG.md", "usr/share/licenses/aztec-spartan/LICENSE", "usr/share/selinux/packages/aztec-spartan.cil",
		"usr/share/zsh/site-functions/_aztec-spartan",
	}, only(rpm, deb)); d != "" {
		t.Errorf("only in the rpm (-want +got):\n%s", d)
	}
	if d := cmp.Diff(deb, rpm); d != "" {
		t.Errorf("-deb +rpm:\n%s", d)
	}
	conffiles := tool(t, "sh", "-c", `dpkg-deb --ctrl-tarfile "$1" | tar -xO ./conffiles`, "sh", debPath(t))
	const settings = "/etc/aztec-spartan/config.toml\n/etc/needrestart/conf.d/aztec-spartan.conf"
	if configs := tool(t, "rpm", "-qpc", rpmPath(t)); conffiles != settings || configs != settings {
		t.Errorf("settings of the deb are\n%s\nof the rpm\n%s\nwant\n%s", conffiles, configs, settings)
	}
}

// The chapters of the handbook are there, without what only their test reads.
func TestHandbookIsPackaged(t *testing.T) {
	chapters, err := filepath.Glob(filepath.Join(top, "packaging", "handbook", "*.md"))
	if err != nil || len(chapters) == 0 {
		t.Fatalf("%d chapters, %v", len(chapters), err)
	}
	dir := filepath.Join(unpacked(t), "usr/share/doc/aztec-spartan/handbook")
	for _, chapter := range chapters {
		text, err := os.ReadFile(filepath.Join(dir, filepath.Base(chapter)))
		if err != nil {
			t.Error(err)
		}
		for _, unwanted := range []string{"<!--", "-->", "](../", "console new", "console by="} {
			if strings.Contains(string(text), unwanted) {
				t.Errorf("%s has %q", filepath.Base(chapter), unwanted)
			}
		}
		if !strings.HasPrefix(string(text), "# ") || strings.Count(string(text), "```")%2 != 0 || !strings.Contains(string(text), "$ sudo ") {
			t.Errorf("%s is not whole:\n%s", filepath.Base(chapter), text)
		}
	}
}

// Each verb that help lists has its man page, and both files of settings do.
func TestManPagesOfVerbs(t *testing.T) {
	tree := unpacked(t)
	program := filepath.Join(tree, "usr/bin/aztec-spartan")
	pages := map[string]bool{}
	for name := range files(t, filepath.Join(tree, "usr/share/man")) {
		pages[strings.TrimSuffix(name, ".gz")] = true
	}
	verbs := 0
	for _, line := range strings.Split(tool(t, program, "__complete", ""), "\n") {
		verb, _, ok := strings.Cut(line, "\t")
		if !ok || verb == "help" || verb == "completion" { // cobra's own
			continue
		}
		if verbs++; !pages["man1/aztec-spartan-"+verb+".1"] {
			t.Errorf("no man page of %s", verb)
		}
	}
	if verbs < 20 {
		t.Errorf("completion offers %d verbs", verbs)
	}
	for _, page := range []string{"man1/aztec-spartan.1", "man5/aztec-spartan-config.toml.5", "man5/aztec-spartan-instance.toml.5"} {
		if !pages[page] {
			t.Errorf("no %s", page)
		}
	}
}
