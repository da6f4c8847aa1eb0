// Package policy decides which version an instance takes, and says of every
// other one why not.
//
// It is a function of what is known (Question): the version that runs, the tags
// of the registry, what failed here before, the settings, the time. What it has
// to learn about single tags it asks for (Question.Look), the newest first, and
// only until one is good: a registry has thousands of tags. So the same
// decision is what `update` does, what `update --check` explains, and what is
// tested.
//
// Rules about tags are checked in the order of the constants of Rule, and the
// first that a tag breaks is its reason. What keeps the instance from taking a
// version that is fine (a hold, a window, a mode) is apart: Decision.Waits.
package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-version"

	"github.com/aztec-spartan/aztec-spartan/profiles"
)

// Question is what a decision is made from.
type Question struct {
	Instance   string
	Current    string          // version that runs
	Tag        string          // that it was installed by; "" if by digest
	Digest     string          // of the image that runs
	Offered    []string        // tags
	Gone       map[string]Seen // tags that were seen before and are not offered any more
	Skipped    []Skip          // versions that failed here
	Pin        *Pin            // nil: none
	Both       *Both           // the last update failed for a cause outside of both versions; nil: it did not
	Settings   profiles.Update // what holds, without defaults; Check has seen them
	Window     Window          // if Settings has one
	Host       string          // who splays: an identity of this host that no other has
	Now        time.Time       //
	Unattended bool            // nobody watches: no other major version, and the mode counts
	Look       func(tag string) (Release, error)
}

// Seen is what a tag was when it was seen first.
type Seen struct {
	Digest string
	At     time.Time
}

// Release is what a tag is.
type Release struct {
	Digest  string    // of the manifest for this host's platform
	Created time.Time // as its author says; zero if not said
	Seen    *Seen     // what the tag was when this host saw it first; nil: never before
	Unfit   string    // why this host cannot use it; "": it can
}

// Skip is a version that failed here.
type Skip struct {
	Version, Digest, Reason string
}

// Pin keeps an instance at a version.
type Pin struct {
	Version string
	Until   time.Time // zero: until it is taken back
}

// Both is an update whose new version failed, and the old one after it.
type Both struct {
	Version string // that was to be
	At      time.Time
	Next    time.Time // when the first window after it begins, if Question.Settings has one; zero: never
}

// Window is where Question.Now is.
type Window struct {
	Open bool
	Next time.Time // when the next one begins; zero: never
}

// Decision is what comes of it.
type Decision struct {
	Tag      string      // to take, now or when Waits are over; "": none
	Digest   string      // that the tag is
	Waits    []Reason    // why not now
	Rejected []Rejection // all other tags, newest versions first
}

// Rejection is why a tag is not taken.
type Rejection struct {
	Tag string `json:"tag"`
	Reason
}

// Reason is a rule that is in the way.
type Reason struct {
	Rule  Rule       `json:"rule"`
	Text  string     `json:"reason"`
	Until *time.Time `json:"until,omitempty"` // when it will not be any more, where that is known
}

// Rule names what is in the way.
type Rule string

// The rules, in the order in which they are checked.
const (
	NoVersion   Rule = "no-version" // the tag is no version of upstream's form
	Platform    Rule = "platform"   // a build for one platform
	Running     Rule = "running"
	Older       Rule = "older"
	Major       Rule = "major"
	Constraint  Rule = "constraint"
	Channel     Rule = "channel"
	Pinned      Rule = "pin"
	Superseded  Rule = "superseded" // a newer one is taken
	Unfit       Rule = "unfit"      // no image for this host
	Moved       Rule = "moved"      // the tag is something else than it was
	Skipped     Rule = "skip"
	Age         Rule = "age"
	Splay       Rule = "splay"
	Deleted     Rule = "deleted" // the registry had it and has it no more
	Hold        Rule = "hold"
	Closed      Rule = "window"
	Notify      Rule = "mode"
	Environment Rule = "environment" // both versions failed
)

// candidate is a tag that is a version.
type candidate struct {
	tag     string
	version *version.Version
}

// Decide fails if the version that runs is none of upstream's, or counts
// commits, since nothing is known to be newer then; and if Look does.
func Decide(q Question) (Decision, error) {
	now, err := profiles.ParseRelease(q.Current)
	if err != nil {
		return Decision{}, err
	}
	var d Decision
	var versions []candidate
	var others []Rejection
	for _, tag := range q.Offered {
		v, err := profiles.ParseVersion(tag)
		if err != nil {
			others = append(others, Rejection{tag, Reason{Rule: NoVersion, Text: "is not a version"}})
			continue
		}
		versions = append(versions, candidate{tag, v})
	}
	slices.SortStableFunc(versions, newestFirst)
	for _, c := range versions {
		reason := q.judge(c, now)
		if reason == nil && d.Tag != "" {
			reason = &Reason{Rule: Superseded, Text: "gives way to " + d.Tag}
		}
		if reason == nil {
			var release Release
			if release, reason, err = q.look(c); err != nil {
				return Decision{}, err
			}
			if reason == nil {
				d.Tag, d.Digest = c.tag, release.Digest
				continue
			}
		}
		d.Rejected = append(d.Rejected, Rejection{c.tag, *reason})
	}
	slices.SortFunc(others, func(a, b Rejection) int { return cmp.Compare(a.Tag, b.Tag) })
	d.Rejected = append(append(d.Rejected, others...), q.gone()...)
	if d.Tag != "" {
		d.Waits = q.waits(d.Tag)
	}
	return d, nil
}

func newestFirst(a, b candidate) int {
	if c := b.version.Compare(a.version); c != 0 {
		return c
	}
	return cmp.Compare(a.tag, b.tag)
}

func (q Question) gone() []Rejection {
	var list []Rejection
	for tag, was := range q.Gone {
		list = append(list, Rejection{tag, Reason{Rule: Deleted, Text: fmt.Sprintf("is not in the registry; it was %s when it was seen on %s", was.Digest, day(was.At))}})
	}
	slices.SortFunc(list, func(a, b Rejection) int { return cmp.Compare(a.Tag, b.Tag) })
	return list
}

// Overrides returns what would have kept the instance from taking a tag that an
// operator asks for by name, or a reference without one (""). Of a release
// whose Digest is empty only the name is judged.
func (q Question) Overrides(tag string, r Release) []Reason {
	var list []Reason
	if v, err := profiles.ParseVersion(tag); err == nil {
		c := candidate{tag, v}
		for _, rule := range []func(candidate) *Reason{q.constraint, q.channel, q.pin} {
			if reason := rule(c); reason != nil {
				list = append(list, *reason)
			}
		}
	} else if q.pinHolds() {
		list = append(list, *q.pinned())
	}
	rules := []func(string, Release) *Reason{q.skip}
	if r.Digest != "" {
		rules = []func(string, Release) *Reason{q.moved, q.skip, q.age, q.splay}
	}
	for _, rule := range rules {
		if reason := rule(tag, r); reason != nil {
			list = append(list, *reason)
		}
	}
	q.Unattended = false // whoever names a version approves of it
	return append(list, q.waits(tag)...)
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// same reports whether two texts name one version: v4.1.2 is 4.1.2.
func same(a, b string) bool { return strings.TrimPrefix(a, "v") == strings.TrimPrefix(b, "v") }
