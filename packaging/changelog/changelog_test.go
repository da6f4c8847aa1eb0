package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const sample = `# Changelog

Words before the first section.
- a list among them

## [Unreleased]

### Added

- ` + "`config`" + `: makes an instance, with words enough that the line has to be broken somewhere before
  its end, after [the form](https://example.com).

## [1.0.0-rc.1] - 2026-11-30

### Fixed

- **Nothing** is lost.
`

func changelog(t *testing.T, text string, args ...string) (string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "CHANGELOG.md")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOURCE_DATE_EPOCH", "1800000000")
	var out bytes.Buffer
	err := run(append(args, path), &out)
	return out.String(), err
}

func TestDebian(t *testing.T) {
	const want = `aztec-spartan (1.0.0+5.gabcdef-1) stable; urgency=medium

  * config: makes an instance, with words enough that the line has to be
    broken somewhere before its end, after the form.

 -- The aztec-spartan authors <maintainers@aztec-spartan.invalid>  Fri, 15 Jan 2027 08:00:00 +0000

aztec-spartan (1.0.0~rc.1-1) stable; urgency=medium

  * Nothing is lost.

 -- The aztec-spartan authors <maintainers@aztec-spartan.invalid>  Mon, 30 Nov 2026 00:00:00 +0000
`
	if got, err := changelog(t, sample, "-version", "1.0.0+5.gabcdef"); err != nil || got != want {
		t.Errorf("%v, got\n%s", err, got)
	}
	// What is built is always the newest entry.
	released := strings.Replace(sample, "- `config`: makes", "`config`: makes", 1)
	got, err := changelog(t, released, "-version", "1.0.0")
	if err != nil || !strings.HasPrefix(got, "aztec-spartan (1.0.0-1) stable; urgency=medium\n\n  * Built anew.\n") {
		t.Errorf("%v, got\n%s", err, got)
	}
}

func TestRPM(t *testing.T) {
	got, err := changelog(t, sample, "-version", "1.0.0~git20270115.abcdef", "-format", "rpm")
	if err != nil || !strings.HasPrefix(got, `[{"semver":"1.0.0","date":"2027-01-15T08:00:00Z"`) || !strings.Contains(got, `{"semver":"1.0.0-rc.1","date":"2026-11-30T00:00:00Z"`) {
		t.Errorf("%v, got\n%s", err, got)
	}
}

func TestRefused(t *testing.T) {
	for name, c := range map[string]struct{ text, args, want string }{
		"no section of the release": {sample, "-release -version 2.0.0", "nothing under ## [2.0.0]"},
		"changes left":              {sample, "-release -version 1.0.0-rc.1", "1 changes are under Unreleased"},
		"no version":                {sample, "", "want -version"},
		"a version of no form":      {sample, "-version latest -format rpm", "MAJOR.MINOR.PATCH"},
		"another format":            {sample, "-version 1.0.0 -format html", "want debian or rpm"},
		"no sections":               {"# Changelog\n", "-version 1.0.0", "no section"},
		"a section of no form":      {"## 1.0.0\n", "-version 1.0.0", `"## 1.0.0" is not`},
		"a day that is none":        {"## [1.0.0] - 2026-02-30\n", "-version 1.0.0", "the date of 1.0.0"},
	} {
		t.Run(name, func(t *testing.T) {
			if out, err := changelog(t, c.text, strings.Fields(c.args)...); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v and\n%s", err, out)
			}
		})
	}
}

// The changelog of this tree becomes both.
func TestOwn(t *testing.T) {
	text, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"debian", "rpm"} {
		if out, err := changelog(t, string(text), "-version", "9.9.9", "-format", format); err != nil || !strings.Contains(out, "9.9.9") {
			t.Errorf("%s: %v, got\n%s", format, err, out)
		}
	}
}
