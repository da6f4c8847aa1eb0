package handbook

import (
	"fmt"
	"regexp"
	"strings"
)

// edit writes settings into a configuration file as its owner would: a key that
// is there, or stands there as a comment, gets the value, and another one is
// added to its table, which must be there.
func edit(file, settings string) (string, error) {
	lines := strings.Split(file, "\n")
	table := -1
	for _, set := range strings.Split(settings, "\n") {
		set = strings.TrimSpace(set)
		if strings.HasPrefix(set, "[") {
			if table = index(lines, 0, regexp.QuoteMeta(set)); table < 0 {
				return "", fmt.Errorf("there is no %s in the file", set)
			}
			continue
		}
		key, _, ok := strings.Cut(set, " = ")
		switch {
		case set == "" || strings.HasPrefix(set, "#"):
			continue
		case !ok || table < 0:
			return "", fmt.Errorf("%q is no setting of a table", set)
		}
		end := index(lines, table+1, `\[.*`)
		if end < 0 {
			end = len(lines)
		}
		if at := index(lines[:end], table+1, `(# )?`+regexp.QuoteMeta(key)+` = .*`); at >= 0 {
			lines[at] = set
			continue
		}
		lines = append(lines[:table+1:table+1], append([]string{set}, lines[table+1:]...)...)
	}
	return strings.Join(lines, "\n"), nil
}

// index is the first line from one on that is as pattern says; -1: none is.
func index(lines []string, from int, pattern string) int {
	re := regexp.MustCompile(`^` + pattern + `$`)
	for i := from; i < len(lines); i++ {
		if re.MatchString(lines[i]) {
			return i
		}
	}
	return -1
}
