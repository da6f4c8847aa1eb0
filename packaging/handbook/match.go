package handbook

import (
	"regexp"
	"strings"
)

// matches tells whether what was printed is what a chapter shows.
func matches(want, got string) bool {
	var re strings.Builder
	re.WriteString(`\A`)
	for _, line := range strings.Split(strings.TrimRight(want, "\n"), "\n") {
		if line == "..." {
			re.WriteString(`(?:.*\n)*?`)
			continue
		}
		parts := strings.Split(line, "...")
		for i, p := range parts {
			parts[i] = regexp.QuoteMeta(p)
		}
		re.WriteString(strings.Join(parts, `.*`) + `[ \t]*\n`)
	}
	re.WriteString(`\z`)
	got = strings.TrimRight(got, "\n") + "\n"
	return regexp.MustCompile(re.String()).MatchString(got)
}
