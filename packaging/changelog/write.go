package main

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
)

// writeDebian writes what Debian Policy 4.4 says. The revision is the one of
// nfpm.yaml.
func writeDebian(out io.Writer, entries []entry) error {
	var b strings.Builder
	for i, e := range entries {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "aztec-spartan (%s-1) stable; urgency=medium\n\n", debianVersion(e.version))
		for _, c := range e.changes {
			for j, line := range wrap(c, 74) {
				mark := "  * "
				if j > 0 {
					mark = "    "
				}
				b.WriteString(mark + line + "\n")
			}
		}
		fmt.Fprintf(&b, "\n -- %s  %s\n", builder, e.date.Format(time.RFC1123Z))
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// debianVersion sorts a pre-release before its release, as nfpm does.
func debianVersion(version string) string {
	number, metadata, built := strings.Cut(version, "+")
	number = strings.Replace(number, "-", "~", 1)
	if built {
		number += "+" + metadata
	}
	return number
}

// semver is what nfpm can take apart of a version for rpm.
var semver = regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?`)

// writeRPM writes YAML for nfpm, which is JSON here: strings need no rules of
// their own then.
func writeRPM(out io.Writer, entries []entry) error {
	type change struct {
		Note string `json:"note"`
	}
	type version struct {
		Semver   string    `json:"semver"`
		Date     time.Time `json:"date"`
		Packager string    `json:"packager"`
		Changes  []change  `json:"changes"`
	}
	list := []version{}
	for _, e := range entries {
		v := version{semver.FindString(e.version), e.date, builder, nil}
		if v.Semver == "" {
			return fmt.Errorf("version %q does not begin with MAJOR.MINOR.PATCH", e.version)
		}
		for _, c := range e.changes {
			v.Changes = append(v.Changes, change{strings.Join(wrap(c, 74), "\n")})
		}
		list = append(list, v)
	}
	return json.NewEncoder(out).Encode(list)
}

// wrap breaks a text into lines of at most width bytes, words permitting.
func wrap(text string, width int) []string {
	var lines []string
	for word := range strings.FieldsSeq(text) {
		if n := len(lines); n > 0 && len(lines[n-1])+1+len(word) <= width {
			lines[n-1] += " " + word
		} else {
			lines = append(lines, word)
		}
	}
	return lines
}
