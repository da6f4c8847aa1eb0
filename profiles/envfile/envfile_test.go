package envfile

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tricky are values that a careless encoder gets wrong. The file is also what
// a test on a booted host sets a real unit's environment from.
func tricky(t testing.TB) []Var {
	t.Helper()
	data, err := os.ReadFile("testdata/tricky.json")
	if err != nil {
		t.Fatal(err)
	}
	var vars []Var
	if err := json.Unmarshal(data, &vars); err != nil {
		t.Fatal(err)
	}
	return vars
}

func TestTrickyValuesSurvive(t *testing.T) {
	vars := tricky(t)
	if len(vars) < 50 {
		t.Fatalf("only %d tricky values", len(vars))
	}
	data, err := Encode(vars, "a header\nof two lines")
	if err != nil {
		t.Fatal(err)
	}
	file, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(File{Vars: vars}, file); d != "" {
		t.Error(d)
	}
}

func TestEncode(t *testing.T) {
	for _, c := range []struct {
		name, header string
		vars         []Var
		want         string
	}{
		{"nothing", "", nil, ""},
		{"header", "one\n\n#two", nil, "# one\n#\n# #two\n"},
		{"plain stays plain", "", []Var{{"A", "https://eth.example:8545/x"}, {"B", "0x1F"}}, "A=https://eth.example:8545/x\nB=0x1F\n"},
		{"empty", "", []Var{{"A", ""}}, "A=\"\"\n"},
		{"blanks", "", []Var{{"A", " a "}}, "A=\" a \"\n"},
		{"nothing is expanded", "", []Var{{"A", "$B `c`"}}, "A=\"$B `c`\"\n"},
		{"escapes", "", []Var{{"A", `\"`}}, "A=\"\\\\\\\"\"\n"},
		{"newline", "", []Var{{"A", "a\nb"}}, "A=\"a\nb\"\n"},
	} {
		got, err := Encode(c.vars, c.header)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %q, %v, want %q", c.name, got, err, c.want)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	const secret = "hunter2"
	long := strings.Repeat("x", maxAssignment-len("A=")-1)
	for _, c := range []struct {
		name, header string
		vars         []Var
		want         string
	}{
		{"NUL", "", []Var{{"A", secret + "\x00"}}, "variable A: contains U+0000"},
		{"UTF-8", "", []Var{{"A", secret + "\xff"}}, "not valid UTF-8"},
		{"surrogate", "", []Var{{"A", secret + "\xed\xa0\x80"}}, "not valid UTF-8"},
		{"noncharacter", "", []Var{{"A", secret + "\uffff"}}, "U+FFFF"},
		{"noncharacter of an upper plane", "", []Var{{"A", secret + "\U0010fffe"}}, "U+10FFFE"},
		{"noncharacter in the middle", "", []Var{{"A", secret + "\ufdd0"}}, "U+FDD0"},
		{"byte order mark", "", []Var{{"A", "\ufeff" + secret}}, "U+FEFF"},
		{"no name", "", []Var{{"", secret}}, "empty"},
		{"digit first", "", []Var{{"1A", secret}}, `"1A"`},
		{"dash", "", []Var{{"A-B", secret}}, `"A-B"`},
		{"newline in a name", "", []Var{{"A\nB", secret}}, `"A\nB"`},
		{"twice", "", []Var{{"A", secret}, {"A", secret}}, "twice"},
		{"too long", "", []Var{{"A", long + "x"}}, "longer than"},
		{"header that goes on", "a\\\nb", nil, "comment"},
		{"header with a carriage return", "a\rB=c", nil, "comment"},
		{"header with NUL", "a\x00", nil, "comment"},
	} {
		_, err := Encode(c.vars, c.header)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error shows the value: %v", c.name, err)
		}
	}
	if _, err := Encode([]Var{{"A", long}}, ""); err != nil {
		t.Errorf("the longest value: %v", err)
	}
}

// The lines of systemd.exec(5), EnvironmentFile=, one by one.
func TestParse(t *testing.T) {
	one := func(v string) []Var { return []Var{{"A", v}} }
	for _, c := range []struct {
		name, file string
		want       []Var
		ignored    []int
	}{
		{"comments", "# A=1\n; A=2\n  # A=3\nA=4\n", one("4"), nil},
		{"no final newline", "A=1", one("1"), nil},
		{"blanks around", " A = 1 \n", one("1"), nil},
		{"blanks inside stay", "A=a  b\n", one("a  b"), nil},
		{"carriage returns end lines", "A=1\r\nB=2\r\n", []Var{{"A", "1"}, {"B", "2"}}, nil},
		{"later quotes stay", `A=a"b"'c'` + "\n", one(`a"b"'c'`), nil},
		{"a hash inside is no comment", "A=a #b\n", one("a #b"), nil},
		{"continued line", "A=a\\\nb\n", one("ab"), nil},
		{"escaped character", `A=\a\\\"\$` + "\n", one(`a\"$`), nil},
		{"escaped blank at the end", "A=a\\ \n", one("a "), nil},
		{"single quotes", "A='a\\\n$b\"'\n", one("a\\\n$b\""), nil},
		{"double quotes", "A=\"a\n$b'\"\n", one("a\n$b'"), nil},
		{"double quotes unescape four", "A=\"\\\"\\\\\\`\\$\\a\"\n", one("\"\\`$\\a"), nil},
		{"double quotes continue", "A=\"a\\\nb\"\n", one("ab"), nil},
		{"quotes side by side", `A="a"'b'` + "\n", one("ab"), nil},
		{"text after quotes", `A="a" b` + "\n", one("ab"), nil},
		{"unclosed quotes", `A="a` + "\n", one("a\n"), nil},
		{"unclosed quotes at a backslash", `A="a\`, one("a"), nil},
		{"empty", "A=\nB=\"\"\n", []Var{{"A", ""}, {"B", ""}}, nil},
		{"nothing is expanded", "A=$B${C}`d`\n", one("$B${C}`d`"), nil},
		{"the last one wins, in the first one's place", "A=1\nB=2\nA=3\n", []Var{{"A", "3"}, {"B", "2"}}, nil},
		{"no assignment", "A=1\nexport\nB=2\n", []Var{{"A", "1"}, {"B", "2"}}, []int{2}},
		{"no assignment at the end", "A=1\nexport", one("1"), []int{2}},
		{"export", "export B=1\nA=1\n", one("1"), []int{1}},
		{"no name", "=1\nA=1\n", one("1"), []int{1}},
		{"bad name", "A.B=1\n1=2\nA=1\n", one("1"), []int{1, 2}},
		{"comment that versions read differently", "# a\\\nA=1\n", one("1"), []int{1}},
		{"backslash inside a comment", "# a\\b\nA=1\n", one("1"), nil},
	} {
		got, err := Parse([]byte(c.file))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if d := cmp.Diff(File{Vars: c.want, Ignored: c.ignored}, got); d != "" {
			t.Errorf("%s:\n%s", c.name, d)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ name, file, want string }{
		{"NUL", "A=hunter2\x00\n", "NUL"},
		{"UTF-8 in a value", "A=1\nB=hunter2\xff\n", "line 2: not valid UTF-8"},
		{"UTF-8 in a name", "\xff=hunter2\n", "line 1"},
		{"UTF-8 across both", "\xc3=\xa4hunter2\n", "line 1"},
		{"noncharacter", "A=hunter2\ufffe\n", "U+FFFE"},
	} {
		_, err := Parse([]byte(c.file))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error %v, want %q and no value", c.name, err, c.want)
		}
	}
}

// Whatever Encode accepts, Parse reads back.
func FuzzRoundTrip(f *testing.F) {
	for _, v := range tricky(f) {
		f.Add(v.Name, v.Value, "header")
	}
	f.Add("A", "\xff", "a\nb")
	f.Fuzz(func(t *testing.T, name, value, header string) {
		vars := []Var{{"FIRST", "1"}, {name, value}, {"LAST", "2"}}
		data, err := Encode(vars, header)
		if err != nil {
			return
		}
		file, err := Parse(data)
		if err != nil {
			t.Fatalf("%q does not parse: %v", data, err)
		}
		if d := cmp.Diff(File{Vars: vars}, file); d != "" {
			t.Fatalf("%q:\n%s", data, d)
		}
	})
}

// Whatever Parse makes of a file, writing it down again says the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"A=1\n", "# a\\\nA='b\nc'\"d\\\ne\"f \n", "A=\\", "=\n\r;", " A b = c\\ "} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			return
		}
		again, err := Encode(file.Vars, "")
		if err != nil {
			if strings.Contains(string(data), "\ufeff") || len(data) > maxAssignment/2 {
				return // what Encode is stricter about
			}
			t.Fatalf("%q: %v", data, err)
		}
		if got, err := Parse(again); err != nil || !cmp.Equal(got, File{Vars: file.Vars}) {
			t.Fatalf("%q is read as %q and then %q, %v", data, file.Vars, got.Vars, err)
		}
	})
}
