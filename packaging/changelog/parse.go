package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// entry is one version of the changelog.
type entry struct {
	version string // "": Unreleased
	date    time.Time
	changes []string // one line each
}

var (
	sectionForm = regexp.MustCompile(`^## \[([^\]]+)\](?: - (\d{4}-\d{2}-\d{2}))?$`)
	codeForm    = regexp.MustCompile("`([^`]*)`")
	linkForm    = regexp.MustCompile(`\[([^\]]+)\]\([^)]+\)`)
)

// parse reads what https://keepachangelog.com/en/1.1.0/ describes.
func parse(text string) ([]entry, error) {
	var entries []entry
	item := false // the last line belongs to an item of a list
	for number, line := range strings.Split(text, "\n") {
		line = strings.TrimRight(line, " ")
		switch rest, isItem := strings.CutPrefix(line, "- "); {
		case strings.HasPrefix(line, "## "):
			m := sectionForm.FindStringSubmatch(line)
			if m == nil {
				return nil, fmt.Errorf("line %d: %q is not ## [VERSION] - YYYY-MM-DD", number+1, line)
			}
			e := entry{version: m[1]}
			if m[1] == "Unreleased" {
				e.version = ""
			} else if date, err := time.Parse(time.DateOnly, m[2]); err != nil {
				return nil, fmt.Errorf("line %d: the date of %s: %w", number+1, m[1], err)
			} else {
				e.date = date
			}
			entries, item = append(entries, e), false
		case len(entries) == 0: // the preface
		case isItem:
			last := &entries[len(entries)-1]
			last.changes, item = append(last.changes, plain(rest)), true
		case item && strings.HasPrefix(line, "  "):
			last := &entries[len(entries)-1]
			last.changes[len(last.changes)-1] += " " + plain(strings.TrimSpace(line))
		default:
			item = false
		}
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("no section ## [Unreleased] or ## [VERSION] - YYYY-MM-DD")
	}
	return entries, nil
}

// plain takes the marks of Markdown away.
func plain(text string) string {
	text = codeForm.ReplaceAllString(text, "$1")
	text = linkForm.ReplaceAllString(text, "$1")
	return strings.ReplaceAll(text, "**", "")
}

// released refuses a changelog that does not say what is in a version.
func released(entries []entry, version string) error {
	at := slices.IndexFunc(entries, func(e entry) bool { return e.version == version })
	if at < 0 || len(entries[at].changes) == 0 {
		return fmt.Errorf("nothing under ## [%s] - YYYY-MM-DD", version)
	}
	for _, e := range entries {
		if e.version == "" && len(e.changes) > 0 {
			return fmt.Errorf("%d changes are under Unreleased still", len(e.changes))
		}
	}
	return nil
}

// built gives what is unreleased the version that is built. A build without
// changes since the last version is told too: tools compare the newest entry
// with the version of the package.
func built(entries []entry, version string, at time.Time) []entry {
	var list []entry
	for _, e := range entries {
		switch {
		case e.version != "":
			list = append(list, e)
		case len(e.changes) > 0:
			list = append(list, entry{version, at, e.changes})
		}
	}
	if len(list) == 0 || list[0].version != version {
		list = append([]entry{{version, at, []string{"Built anew."}}}, list...)
	}
	return list
}
