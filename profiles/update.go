package profiles

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/hashicorp/go-version"
)

// Update says which versions an instance takes, when, and what else happens
// then: [update] of instance.toml and of the host's config.toml. What an
// instance does not set is as the host has it; "none" sets nothing where the
// host sets something.
type Update struct {
	Constraint   string `toml:"constraint,omitempty" json:"constraint,omitempty"`       // "~> 4.1", ">= 5, < 6"; "": the same major
	Channel      string `toml:"channel,omitempty" json:"channel,omitempty"`             // one of Channels; "": stable
	HoldUntil    string `toml:"hold_until,omitempty" json:"hold_until,omitempty"`       // date or RFC 3339: no version is taken before
	MinAge       string `toml:"min_age,omitempty" json:"min_age,omitempty"`             // of a release: "48h", "7d"; "": none
	Window       string `toml:"window,omitempty" json:"window,omitempty"`               // systemd.time(7), calendar events: when windows begin; "": always
	WindowLength string `toml:"window_length,omitempty" json:"window_length,omitempty"` // "": DefaultWindowLength
	Splay        string `toml:"splay,omitempty" json:"splay,omitempty"`                 // hosts take a release this far apart; "": all at once
	Keep         int    `toml:"keep,omitzero" json:"keep,omitempty"`                    // versions that stay on the disk, the one that runs among them; 0: DefaultKeep
	Mode         string `toml:"mode,omitempty" json:"mode,omitempty"`                   // one of Modes, for unattended updates; "": apply
	PreHook      string `toml:"pre_hook,omitempty" json:"pre_hook,omitempty"`           // program that runs before the stop; its failure aborts
	PostHook     string `toml:"post_hook,omitempty" json:"post_hook,omitempty"`         // program that runs after the outcome
	HookTimeout  string `toml:"hook_timeout,omitempty" json:"hook_timeout,omitempty"`   // of each; "": DefaultHookTimeout
	// ResumeSigning says how a node signs again that was kept from it on a way
	// back: ResumeByHand or ResumeWhenSafe; "": by hand.
	ResumeSigning string `toml:"resume_signing,omitempty" json:"resume_signing,omitempty"`
}

// Channels, each of which has all that those before it have.
const (
	Stable  = "stable"  // releases
	RC      = "rc"      // and release candidates, 6.0.0-rc.1
	Nightly = "nightly" // and nightly builds, 5.0.0-nightly.20260415
)

// Channels are all of them, the most careful first.
var Channels = []string{Stable, RC, Nightly}

// Modes of unattended updates.
const (
	ApplyMode  = "apply"
	NotifyMode = "notify" // it is only told that there is something
)

// Values of Update.ResumeSigning.
const (
	ResumeByHand   = "by-hand"   // start NAME --sign
	ResumeWhenSafe = "when-safe" // once every slot is past that another version could have signed
)

// Defaults of Update.
const (
	DefaultWindowLength = time.Hour
	DefaultKeep         = 2 // the one that runs, and the one that rollback goes to
	DefaultHookTimeout  = 5 * time.Minute
)

// unset is what an instance writes to have nothing where the host has
// something.
const unset = "none"

// Over returns what holds for an instance on a host.
func (u Update) Over(host Update) Update {
	for _, k := range updateSettings() {
		mine := k.of(&u)
		if *mine == "" {
			*mine = *k.of(&host)
		}
		if *mine == unset {
			*mine = ""
		}
	}
	if u.Keep == 0 {
		u.Keep = host.Keep
	}
	if u.Keep == 0 {
		u.Keep = DefaultKeep
	}
	return u
}

// Check finds what is wrong with the settings. Whether Window is a calendar
// event is for systemd-analyze(1) to say.
func (u Update) Check() error {
	var c checks
	for _, k := range updateSettings() {
		if value := *k.of(&u); value != "" && value != unset {
			c.fail("update."+k.key, k.check(value))
		}
	}
	if u.Keep != 0 {
		c.fail("update."+keepKey, keepRange(u.Keep))
	}
	return oneLine(c.errs)
}

// updateSetting is a key of [update] that is a text.
type updateSetting struct {
	key   string
	of    func(*Update) *string
	check func(string) error
}

// keepKey is the one that is a number.
const keepKey = "keep"

func updateSettings() []updateSetting {
	return []updateSetting{
		{"constraint", func(u *Update) *string { return &u.Constraint }, checkRange},
		{"channel", func(u *Update) *string { return &u.Channel }, oneOf(Channels...)},
		{"hold_until", func(u *Update) *string { return &u.HoldUntil }, func(s string) error { _, err := ParseDate(s); return err }},
		{"min_age", func(u *Update) *string { return &u.MinAge }, anyAge},
		{"window", func(u *Update) *string { return &u.Window }, calendarForm},
		{"window_length", func(u *Update) *string { return &u.WindowLength }, windowLength},
		{"splay", func(u *Update) *string { return &u.Splay }, anyAge},
		{"mode", func(u *Update) *string { return &u.Mode }, oneOf(ApplyMode, NotifyMode)},
		{"pre_hook", func(u *Update) *string { return &u.PreHook }, validPath},
		{"post_hook", func(u *Update) *string { return &u.PostHook }, validPath},
		{"hook_timeout", func(u *Update) *string { return &u.HookTimeout }, hookTimeout},
		{"resume_signing", func(u *Update) *string { return &u.ResumeSigning }, oneOf(ResumeByHand, ResumeWhenSafe)},
	}
}

var errNotUpdateSetting = errors.New("it wants KEY=VALUE")

// Set changes what a word KEY=VALUE says; KEY= takes it back.
func (u *Update) Set(word string) error {
	key, value, ok := strings.Cut(word, "=")
	if !ok {
		return errNotUpdateSetting
	}
	if key == keepKey {
		return at("update."+key, u.setKeep(value))
	}
	known := []string{keepKey}
	for _, k := range updateSettings() {
		if known = append(known, k.key); k.key != key {
			continue
		}
		if value != "" && value != unset {
			if err := k.check(value); err != nil {
				return at("update."+key, err)
			}
		}
		*k.of(u) = value
		return nil
	}
	return unknown("setting", clip(key), known)
}

func (u *Update) setKeep(value string) error {
	if value == "" {
		u.Keep = 0
		return nil
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		return fmt.Errorf("%q is not a number", clip(value))
	}
	if err := keepRange(n); err != nil {
		return err
	}
	u.Keep = n
	return nil
}

func keepRange(n int) error {
	if n < DefaultKeep || n > 100 {
		return fmt.Errorf("%d is not between %d and 100: rollback needs the version before", n, DefaultKeep)
	}
	return nil
}

func anyAge(s string) error {
	_, err := ParseAge(s)
	return err
}

// windowLength is an hour at least: the timer looks once an hour.
func windowLength(s string) error {
	d, err := ParseAge(s)
	if err == nil && d < time.Hour {
		err = fmt.Errorf("%s is less than an hour, and the timer looks once an hour", s)
	}
	return err
}

func hookTimeout(s string) error {
	d, err := ParseAge(s)
	if err == nil && (d < time.Second || d > time.Hour) {
		err = fmt.Errorf("%s is not between 1s and 1h", s)
	}
	return err
}

// calendarForm refuses what is no calendar event whatever systemd it is for.
func calendarForm(s string) error {
	odd := func(r rune) bool {
		return !unicode.IsDigit(r) && !unicode.IsLetter(r) && !strings.ContainsRune(" -,.:*/~_+", r) || r > unicode.MaxASCII
	}
	if len(s) > 256 || s[0] == '-' || strings.ContainsFunc(s, odd) {
		return fmt.Errorf("%q is not a calendar event such as \"Mon..Thu 02:00\"", clip(s))
	}
	return nil
}

// ParseAge reads a duration as in Go (90s, 48h), or in whole days (7d). It is
// never negative.
func ParseAge(s string) (time.Duration, error) {
	const longest = 10 * 366 * 24 * time.Hour
	if s == "0" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 12)
		d = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || d < 0 || d > longest {
		return 0, fmt.Errorf("%q is not a time such as 90m, 48h or 7d", clip(s))
	}
	return d, nil
}

// ParseDate reads a day (2026-12-24, its first moment here) or a moment as in
// RFC 3339 (2026-12-24T18:00:00Z).
func ParseDate(s string) (time.Time, error) {
	if t, err := time.ParseInLocation(time.DateOnly, s, time.Local); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, fmt.Errorf("%q is neither a date such as 2026-12-24 nor a time such as 2026-12-24T18:00:00Z", clip(s))
	}
	return t, nil
}

// Meets reports whether a version meets constraints. They see its core only:
// go-version would keep 6.0.0-rc.1 out of ">= 5".
func Meets(v *version.Version, constraints string) (bool, error) {
	c, err := version.NewConstraint(constraints)
	if err != nil {
		return false, fmt.Errorf("reading the constraint %q: %w", clip(constraints), err)
	}
	return c.Check(v.Core()), nil
}

// Age is a setting that Check has seen, 0 for none.
func Age(s string, otherwise time.Duration) time.Duration {
	if s == "" {
		return otherwise
	}
	d, _ := ParseAge(s)
	return d
}
