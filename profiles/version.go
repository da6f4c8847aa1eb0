package profiles

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/hashicorp/go-version"
)

// versionForm is a version as upstream writes it: semver.org, all three
// numbers, a leading v allowed.
var versionForm = regexp.MustCompile(`^v?[0-9]{1,6}\.[0-9]{1,6}\.[0-9]{1,6}(-[0-9A-Za-z.-]{1,64})?(\+[0-9A-Za-z.-]{1,64})?$`)

// ParseVersion reads a version such as 4.1.2, v5.0.0 or 6.0.0-rc.1.
func ParseVersion(s string) (*version.Version, error) {
	if !versionForm.MatchString(s) {
		return nil, fmt.Errorf("reading version %q: not of the form 1.2.3 or 1.2.3-rc.1", clip(s))
	}
	v, err := version.NewVersion(s)
	if err != nil {
		return nil, fmt.Errorf("reading version %q: %w", s, err)
	}
	return v, nil
}

// clip keeps a line of ours from being as long as somebody else's text.
func clip(s string) string {
	const most = 80
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

// era is a version reduced to what command lines and variables depend on.
type era struct {
	core *version.Version // nil: not known, taken for newer than all
	name string
}

// eraOf returns the era of a version, and whether the version says it:
// nightly builds carry 0.0.1-commit.HASH or nothing at all.
func eraOf(s string) (e era, known bool) {
	v, err := ParseVersion(s)
	if err != nil || development(v) {
		return era{name: "unknown"}, false
	}
	return era{core: v.Core(), name: s}, true
}

// development reports versions that count commits, not releases.
func development(v *version.Version) bool {
	return v.Core().LessThan(version.Must(version.NewVersion("0.1.1")))
}

func (e era) String() string { return e.name }

// since reports whether the era is at or after a release.
func (e era) since(release string) bool {
	return e.core == nil || !e.core.LessThan(version.Must(version.NewVersion(release)))
}

// within reports whether the era meets constraints. They see the core of the
// version only: go-version would keep 6.0.0-rc.1 out of ">= 5".
func (e era) within(constraints string) (bool, error) {
	c, err := version.NewConstraint(constraints)
	if err != nil {
		return false, fmt.Errorf("reading the constraint %q: %w", constraints, err)
	}
	core := e.core
	if core == nil {
		core = version.Must(version.NewVersion("999999.0.0"))
	}
	return c.Check(core), nil
}

// ParseRelease is ParseVersion for versions that can be compared with others:
// it fails for builds that count commits.
func ParseRelease(s string) (*version.Version, error) {
	v, err := ParseVersion(s)
	if err == nil && development(v) {
		err = fmt.Errorf("looking for something newer than %s: it is a development build", clip(s))
	}
	return v, err
}
