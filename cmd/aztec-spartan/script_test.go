package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"aztec-spartan": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", UpdateScripts: *update})
}

// verbs lists the command and its verbs, depth first.
func verbs(c *cobra.Command) []*cobra.Command {
	list := []*cobra.Command{c}
	for _, sub := range c.Commands() {
		if !sub.Hidden {
			list = append(list, verbs(sub)...)
		}
	}
	return list
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: make golden", err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s: -golden +now:\n%s", path, d)
	}
}

func TestHelp(t *testing.T) {
	var out bytes.Buffer
	for _, c := range verbs(newApp(&out).command()) {
		if c.Name() == "help" || c.Parent() != nil && c.Parent().Name() == "completion" {
			continue // cobra's own text
		}
		out.Reset()
		args := append(strings.Fields(c.CommandPath())[1:], "--help")
		if code := run(context.Background(), args, strings.NewReader(""), &out, &out); code != 0 {
			t.Errorf("%v: exit code %d", args, code)
		}
		golden(t, filepath.Join("testdata/help", strings.ReplaceAll(c.CommandPath(), " ", "-")+".txt"), out.Bytes())
		for line := range strings.Lines(out.String()) {
			if n := len(strings.TrimSuffix(line, "\n")); n > helpColumns {
				t.Errorf("%v: a line of %d columns: %s", args, n, line)
			}
		}
	}
}

// What is indented is to be typed, by spaces or, in cobra's texts, by a tab.
func TestFolded(t *testing.T) {
	const typed = "  first   line\n  second\n\n\tsource <(aztec-spartan completion bash)"
	if got, want := folded("one\ntwo\n\n"+typed, helpColumns), "one two\n\n"+typed; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The man pages of the packages are rendered here, so that they cannot say
// anything else than the help text.
func TestManPages(t *testing.T) {
	var out bytes.Buffer
	for _, c := range verbs(newApp(&out).command()) {
		if c.Name() == "completion" || c.Parent() != nil && c.Parent().Name() == "completion" || c.Name() == "help" {
			continue
		}
		c.DisableAutoGenTag = true
		out.Reset()
		date := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
		header := &doc.GenManHeader{Section: "1", Source: "aztec-spartan", Manual: "aztec-spartan", Date: &date}
		if err := doc.GenMan(c, header, &out); err != nil {
			t.Fatal(err)
		}
		golden(t, filepath.Join("../../packaging/man", strings.ReplaceAll(c.CommandPath(), " ", "-")+".1"), out.Bytes())
	}
}
