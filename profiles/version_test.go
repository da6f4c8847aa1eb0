package profiles

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestParseVersion(t *testing.T) {
	for _, s := range []string{"4.1.2", "v5.0.0", "6.0.0-rc.1", "0.0.1-commit.abc123", "5.0.0-nightly.20260415", "3.0.0-devnet.6-patch.1", "4.1.2+build.1"} {
		if _, err := ParseVersion(s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	for _, s := range []string{"", "latest", "4", "4.1", "4.1.2.3", "4.1.2-", "4.1.2 ", "4.1.2\n", "-4.1.2", "4.1.x", "docker.io/a:4.1.2", "4.1.2-a/b", strings.Repeat("9", 40) + ".0.0", "4.1.2-" + strings.Repeat("a", 65), "1234567.0.0"} {
		if v, err := ParseVersion(s); err == nil {
			t.Errorf("%q is taken for %s", s, v)
		}
	}
}

func TestEraMatchesTheCore(t *testing.T) {
	for _, c := range []struct {
		version, constraint string
		want                bool
	}{
		{"6.0.0-rc.1", ">= 5", true},
		{"5.0.0-rc.1", ">= 5", true},
		{"4.4.0", ">= 5", false},
		{"4.1.3-test", ">= 0.87, < 5", true},
		{"0.86.0", "< 0.87", true},
		{"unknown", ">= 5", true},
		{"unknown", "< 5", false},
		{"0.0.1-commit.abc", ">= 5", true},
	} {
		e, _ := eraOf(c.version)
		if got, err := e.within(c.constraint); err != nil || got != c.want {
			t.Errorf("%s within %q: %v, %v", c.version, c.constraint, got, err)
		}
	}
	if _, err := (era{}).within("about 5"); err == nil {
		t.Error("a broken constraint is accepted")
	}
}

func TestParseRelease(t *testing.T) {
	for _, s := range []string{"4.1.2", "6.0.0-rc.1", "v5.0.0"} {
		if _, err := ParseRelease(s); err != nil {
			t.Error(err)
		}
	}
	for _, s := range []string{"", "latest", "0.0.1-commit.abc"} {
		if v, err := ParseRelease(s); err == nil {
			t.Errorf("%q is the release %s", s, v)
		}
	}
}

func TestImageVersion(t *testing.T) {
	const stdlib, manifest, inner = "usr/src/yarn-project/stdlib/package.json", "usr/src/.release-please-manifest.json", "usr/src/yarn-project/.release-please-manifest.json"
	for _, c := range []struct {
		name  string
		files map[string]string
		label string
		tag   string
		want  string
	}{
		{name: "nothing", want: ""},
		{name: "stdlib", files: map[string]string{stdlib: `{"name":"@aztec/stdlib","version":"5.2.0"}`, manifest: `{".":"5.1.0"}`}, label: "9.9.9", tag: "9.9.8", want: "5.2.0"},
		{name: "placeholder", files: map[string]string{stdlib: `{"version":"0.1.0"}`, manifest: `{".":"4.1.2"}`}, tag: "latest", want: "4.1.2"},
		{name: "manifest of the packages", files: map[string]string{stdlib: `{"version":"0.0.0"}`, inner: `{".":"2.1.11"}`}, want: "2.1.11"},
		{name: "label", files: map[string]string{stdlib: `{"version":"0.1.0"}`}, label: "3.0.3", tag: "3.0.2", want: "3.0.3"},
		{name: "label of the base image", label: "24.04", tag: "4.1.2", want: "4.1.2"},
		{name: "tag", tag: "0.67.1", want: "0.67.1"},
		{name: "nickname", tag: "troll-turtle", want: ""},
		{name: "commit", files: map[string]string{stdlib: `{"version":"0.0.1-commit.abc"}`}, tag: "abc", want: "0.0.1-commit.abc"},
		{name: "no JSON", files: map[string]string{stdlib: `{"version":`, manifest: `[]`}, tag: "4.1.2", want: "4.1.2"},
		{name: "hostile", files: map[string]string{stdlib: `{"version":"4.1.2\nExecStart=x"}`, manifest: `{".":7}`}, tag: "4.1.2\n", want: ""},
	} {
		root := fstest.MapFS{}
		for path, text := range c.files {
			root[path] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := ImageVersion(root, map[string]string{versionLabel: c.label}, c.tag); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
