package handbook

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	got, err := parse("# A title\n\nWords.\n\n<!-- do new\ntouch a\ntouch b\n-->\n<!-- said to nobody -->\n" +
		"<!-- typed: -f => -n 3 -->\n```console exit=4\n$ logs \\\n    -f\n$ update\nall\n...\n$ status\n```\n" +
		"<!-- until\nprobe\n-->\n```toml\n[notify]\nurl = \"x\"\n```\n```console by=TestX new\n$ a\n```\n")
	if err != nil {
		t.Fatal(err)
	}
	want := Chapter{Title: "A title", Steps: []Step{
		{Kind: Do, Line: 5, New: true, Text: "touch a\ntouch b"},
		{Kind: Session, Line: 11, Exit: 4, Commands: []Command{
			{Shown: "logs \\\n    -f", Run: "logs \\\n    -n 3"}, {Shown: "update", Run: "update", Want: "all\n...\n"}, {Shown: "status", Run: "status"},
		}},
		{Kind: Until, Line: 19, Text: "probe"},
		{Kind: Settings, Line: 22, Text: "[notify]\nurl = \"x\""},
		{Kind: Session, Line: 26, New: true, By: "TestX", Commands: []Command{{Shown: "a", Run: "a"}}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"no title":                                          "line 1: ",
		"# t\n```\n$ a\n```":                                "line 2: a block of no kind",
		"# t\n```sh\n$ a\n```":                              `a block of "sh"`,
		"# t\n```console\n$ a":                              "no ``` ends it",
		"# t\n```console\na\n```":                           `"a" is printed by no command`,
		"# t\n```console exit=x\n$ a\n```":                  "no exit code",
		"# t\n```console old\n$ a\n```":                     `what is "old"`,
		"# t\n<!-- typed: a -->":                            "not A => B",
		"# t\n<!-- typed: a => b -->":                       `"a" is typed in no session`,
		"# t\n<!-- do\ntouch a":                             "no --> ends it",
		"# t\n<!-- typed: b => c -->\n```console\n$ a\n```": `"b" is not typed here`,
	} {
		if _, err := parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		want, got string
		is        bool
	}{
		{"a\nb\n", "a\nb\n", true},
		{"a\nb\n", "a\nb", true},
		{"a\n", "a\nb\n", false},
		{"b\n", "a\nb\n", false},
		{"a ... c\n", "a b c\n", true},
		{"a ... c\n", "a b\nc\n", false},
		{"...\nb\n", "a\na\nb\n", true},
		{"...\nb\n", "b\n", true},
		{"a\n...\nc\n...\n", "a\nb\nc\nd\n", true},
		{"a\n...\nc\n...\n", "a\nb\n", false},
		{"a.c\n", "abc\n", false},
	} {
		if is := matches(c.want, c.got); is != c.is {
			t.Errorf("%q, printed %q: %v", c.want, c.got, is)
		}
	}
}

func TestEdit(t *testing.T) {
	const file = "schema = 1\n\n[update]\nsettle = \"5s\"\n# window = \"Mon 02:00\"\n\n[notify]\nurl = \"\"\n"
	got, err := edit(file, "[notify]\nurl = \"x\"       # a secret\n[update]\nwindow = \"Tue 03:00\"\nkeep = 2")
	want := "schema = 1\n\n[update]\nkeep = 2\nsettle = \"5s\"\nwindow = \"Tue 03:00\"\n\n[notify]\nurl = \"x\"       # a secret\n"
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, settings := range []string{"[none]\na = 1", "a = 1", "[notify]\nnonsense"} {
		if _, err := edit(file, settings); err == nil {
			t.Errorf("%q is taken", settings)
		}
	}
}
