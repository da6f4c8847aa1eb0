package redact

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const key = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"":                     "",
		"flag --port=0x" + key: "flag --port=(64 digits not shown)",
		key + "ab":             "(64 digits not shown)",
		strings.ToUpper(key):   "(64 digits not shown)",
		"image sha256:" + key:  "image sha256:" + key,
		"image sha256-" + key:  "image sha256-" + key,
		"/images/sha256-" + key + "/layers/" + key + ": no":                 "/images/sha256-" + key + "/layers/" + key + ": no",
		"blobs/sha256/" + key:                                               "blobs/sha256/" + key,
		"/layers/" + key:                                                    "/layers/(64 digits not shown)",
		"sha256-" + key + " " + key:                                         "sha256-" + key + " (64 digits not shown)",
		`Post "https://eth.example/v3/KEY?a=b": dial tcp`:                   `Post "https://eth.example/...": dial tcp`,
		"https://user:password@eth.example:8545, http://b.example/.":        "https://...@eth.example:8545, http://b.example/.",
		"at http://127.0.0.1:8545":                                          "at http://127.0.0.1:8545",
		"postgres://aztec:pw@db.example/ha":                                 "postgres://...@db.example/...",
		"https://us/er:pw@eth.example":                                      "https://.../...",
		"wss://eth.example/KEY)":                                            "wss://eth.example/...)",
		"https://h/KEY,https://i/KEY2":                                      "https://h/...",
		`{"url":"https://h?token=KEY\u0026x=1"}`:                            `{"url":"https://h/...\u0026x=1"}`,
		`Get "https://r.example/v2/aztecprotocol/aztec/manifests/9.9.9": x`: `Get "https://r.example/v2/aztecprotocol/aztec/manifests/9.9.9": x`,
		"https://r.example/v2/: refused":                                    "https://r.example/v2/: refused",
		"https://alchemy.example/v2/KEY":                                    "https://alchemy.example/...",
		"https://a:b@r.example/v2/":                                         "https://...@r.example/...",
		"no URL: //x/y, 10:30":                                              "no URL: //x/y, 10:30",
	} {
		if got := Text(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestURLWords(t *testing.T) {
	for in, want := range map[string][]string{
		"http://127.0.0.1:8545":                             nil,
		"https://eth.example/v3/0123456789?apikey=abcdefgh": {"0123456789", "abcdefgh"},
		"https://user:pass%21word@eth.example":              {"pass%21word", "pass!word", "user:pass%21word", "user:pass!word"},
		"https://longtoken@eth.example/eth":                 {"longtoken"},
		"not a URL":                                         nil,
	} {
		if d := cmp.Diff(want, URLWords(in)); d != "" {
			t.Errorf("%s:\n%s", in, d)
		}
	}
}

func TestWords(t *testing.T) {
	w := NewWords([]string{"", "secret", "secrets of all"})
	if got := w.Text("a secret, secrets of all"); got != "a ..., ..." {
		t.Error(got)
	}
	if got := NewWords(nil).Text("as it is"); got != "as it is" {
		t.Error(got)
	}
}

func FuzzText(f *testing.F) {
	f.Add("https://user:", "@eth.example/v3/")
	f.Add("x=http://h/", "?a=1&b=")
	f.Add("0x", "/")
	f.Fuzz(func(t *testing.T, before, after string) {
		if strings.Contains(Keys(before+" "+key+" "+after), key) {
			t.Error("a key is shown")
		}
		// Doing it again changes nothing more.
		once := URLs(before + after)
		if again := URLs(once); again != once {
			t.Errorf("%q becomes %q", once, again)
		}
	})
}
