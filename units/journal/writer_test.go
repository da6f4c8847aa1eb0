package journal

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestWriters(t *testing.T) {
	f := journalctl(t, map[string]string{"out": story() +
		entryOf(19, node, "[10:58:12.000] \x1b[32mINFO\x1b[39m: \x1b[36mnode coloured\x1b[39m") +
		entryOf(20, node, "[10:58:12.000] INFO: p2p evil \x1b]0;title\x07\x9b2J\u202e\x00 <&>\ttab") +
		byManager(21, node, "two\nlines\n") +
		entryOf(22, node, `{"level":20,"time":1,"pid":3,"hostname":"vm","msg":"plain"}`) +
		entryOf(23, "a\x1bb@c\x1bd.service", "odd")})
	for name, c := range map[string]struct {
		format  string
		colours bool
	}{
		"short": {"short", false}, "colours": {"short", true}, "cat": {"cat", false}, "json": {"json", true},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			w, err := NewWriter(&out, c.format, c.colours)
			if err != nil {
				t.Fatal(err)
			}
			w.zone = time.FixedZone("test", 2*60*60)
			if err := Read(t.Context(), f.query(Query{Lines: -1}), w.Write); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), out.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
	if _, err := NewWriter(nil, "yaml", false); err == nil || err.Error() != `output format "yaml": none of short, cat, json` {
		t.Errorf("got %v", err)
	}
}

// checkWritten writes an entry and checks that a terminal would only show it.
func checkWritten(t *testing.T, format string, e Entry) {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, format, false)
	if err != nil {
		t.Fatal(err)
	}
	w.zone = time.UTC
	if err := w.Write(e); err != nil {
		t.Errorf("%+v: %v", e, err)
		return
	}
	text := out.String()
	for _, r := range text {
		if unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) {
			t.Errorf("%s has %q", format, r)
		}
	}
	if !strings.HasSuffix(text, "\n") {
		t.Errorf("%s is %q", format, text)
	}
	switch format {
	case "json":
		var l line
		if err := json.Unmarshal(out.Bytes(), &l); err != nil || l.Message != e.Message || l.Unit != e.Unit || strings.Count(text, "\n") != 1 {
			t.Errorf("%q is %+v, %v", text, l, err)
		}
	case "short":
		for _, l := range strings.Split(strings.TrimSuffix(text, "\n"), "\n")[1:] {
			if !strings.HasPrefix(l, "    ") {
				t.Errorf("%q passes for an entry", l)
			}
		}
	}
}

func TestHarmless(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                            "plain",
		"\x1b[31mred\x1b[0m \x1b[38;5;1mx": "red x",
		"\x1b[2J\x1b]0;t\x07":              `\x1b[2J\x1b]0;t\x07`,
		"\x1b\x1b[0m[2J":                   `\x1b[2J`,
		"a\rb\x00\x7f":                     `a\x0db\x00\x7f`,
		"\u009b31m\u0085":                  `\u009b31m\u0085`,
		"\u202eevil\u2066\u200f\u2028":     `\u202eevil\u2066\u200f\u2028`,
		"tab\tand\nline":                   "tab\tand\nline",
		"bad \xff utf":                     "bad \uFFFD utf",
		"日本 é 🙂":                           "日本 é 🙂",
	} {
		if got := harmless(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
