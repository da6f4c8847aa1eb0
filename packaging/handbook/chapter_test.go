package handbook

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	got, err := parse("# A title\n\nWords.\n\n" +
		"```console exit=4\n$ logs \\\n    -f\n$ update\nall\n...\n$ status\n```\n" +
		"```toml\n[notify]\nurl = \"x\"\n```\n```console by=TestX new\n$ a\n```\n")
	if err != nil {
		t.Fatal(err)
	}
	want := Chapter{Title: "A title", Steps: []Step{
		{Kind: Session, Line: 5, Exit: 4, Commands: []Command{
			{Typed: "logs \\\n    -f"}, {Typed: "update", Want: "all\n...\n"}, {Typed: "status"},
		}},
		{Kind: Settings, Line: 13, Text: "[notify]\nurl = \"x\""},
		{Kind: Session, Line: 17, New: true, By: "TestX", Commands: []Command{{Typed: "a"}}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"no title":                         "line 1: ",
		"# t\n```\n$ a\n```":               "line 2: a block of no kind",
		"# t\n```sh\n$ a\n```":             `a block of "sh"`,
		"# t\n```console\n$ a":             "no ``` ends it",
		"# t\n```console\na\n```":          `"a" is printed by no command`,
		"# t\n```console exit=x\n$ a\n```": "no exit code",
		"# t\n```console old\n$ a\n```":    `what is "old"`,
	} {
		if _, err := parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
