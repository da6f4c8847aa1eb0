package policy

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-version"

	"github.com/aztec-spartan/aztec-spartan/profiles"
)

// platforms are what upstream's builds for one platform end in.
var platforms = []string{"amd64", "arm64"}

// judge checks what a tag's name says.
func (q Question) judge(c candidate, now *version.Version) *Reason {
	last := c.tag[strings.LastIndexAny(c.tag, "-.")+1:]
	switch order := c.version.Compare(now); {
	case slices.Contains(platforms, last):
		return &Reason{Rule: Platform, Text: "is a build for " + last + " only"}
	case order == 0:
		return &Reason{Rule: Running, Text: "runs already"}
	case order < 0:
		return &Reason{Rule: Older, Text: "is older than " + q.Current}
	}
	for _, rule := range []func(candidate) *Reason{q.major(now), q.constraint, q.channel, q.pin} {
		if reason := rule(c); reason != nil {
			return reason
		}
	}
	return nil
}

// major keeps to the major version, which may want another command line,
// wipes data and needs a human. A constraint can allow others, but not to an
// unattended update.
func (q Question) major(now *version.Version) func(candidate) *Reason {
	return func(c candidate) *Reason {
		switch {
		case c.version.Segments()[0] == now.Segments()[0]:
			return nil
		case q.Unattended:
			return &Reason{Rule: Major, Text: "is another major version, which unattended updates never take"}
		case q.Settings.Constraint == "":
			return &Reason{Rule: Major, Text: "is another major version: --to " + c.tag + " takes it"}
		}
		return nil
	}
}

func (q Question) constraint(c candidate) *Reason {
	if q.Settings.Constraint == "" {
		return nil
	}
	if ok, err := profiles.Meets(c.version, q.Settings.Constraint); err != nil || !ok {
		return &Reason{Rule: Constraint, Text: fmt.Sprintf("does not meet %q", q.Settings.Constraint)}
	}
	return nil
}

// channel lets pre-releases pass only if the channel has them, or a pin names
// them.
func (q Question) channel(c candidate) *Reason {
	kind, _, _ := strings.Cut(c.version.Prerelease(), ".")
	var of int // the first channel that has it
	switch {
	case kind == "" && c.version.Metadata() == "":
		return nil
	case q.pinHolds() && same(c.tag, q.Pin.Version):
		return nil
	case kind == profiles.RC || kind == profiles.Nightly:
		of = slices.Index(profiles.Channels, kind)
	default:
		return &Reason{Rule: Channel, Text: "is a pre-release that no channel has"}
	}
	mine := q.Settings.Channel
	if mine == "" {
		mine = profiles.Stable
	}
	if slices.Index(profiles.Channels, mine) < of {
		return &Reason{Rule: Channel, Text: fmt.Sprintf("is of the channel %s, not %s", kind, mine)}
	}
	return nil
}

func (q Question) pinHolds() bool {
	return q.Pin != nil && (q.Pin.Until.IsZero() || q.Now.Before(q.Pin.Until))
}

func (q Question) pin(c candidate) *Reason {
	if !q.pinHolds() || same(c.tag, q.Pin.Version) {
		return nil
	}
	return q.pinned()
}

func (q Question) pinned() *Reason {
	r := &Reason{Rule: Pinned, Text: q.Instance + " is pinned to " + q.Pin.Version}
	if until := q.Pin.Until; !until.IsZero() {
		r.Text, r.Until = r.Text+" until "+minute(until), &until
	}
	return r
}

// look asks what a tag is and checks that.
func (q Question) look(c candidate) (Release, *Reason, error) {
	// What is skipped by name need not be asked for; that the tag has become
	// something else since makes it no better.
	if reason := q.skip(c.tag, Release{}); reason != nil {
		return Release{}, reason, nil
	}
	r, err := q.Look(c.tag)
	if err != nil {
		return r, nil, err
	}
	if r.Unfit != "" {
		return r, &Reason{Rule: Unfit, Text: r.Unfit}, nil
	}
	for _, rule := range []func(string, Release) *Reason{q.moved, q.skip, q.age, q.splay} {
		if reason := rule(c.tag, r); reason != nil {
			return r, reason, nil
		}
	}
	return r, nil, nil
}

// moved: a release is not expected to change, and one that did may have been
// changed by somebody else.
func (q Question) moved(_ string, r Release) *Reason {
	if r.Seen == nil || r.Seen.Digest == r.Digest {
		return nil
	}
	return &Reason{Rule: Moved, Text: fmt.Sprintf("the tag has moved: it was %s on %s, and is %s", r.Seen.Digest, day(r.Seen.At), r.Digest)}
}

func (q Question) skip(tag string, r Release) *Reason {
	for _, s := range q.Skipped {
		if same(s.Version, tag) || r.Digest != "" && s.Digest == r.Digest {
			return &Reason{Rule: Skipped, Text: "is skipped: " + s.Reason}
		}
	}
	return nil
}

// born is when a release was made, as far as this host knows. Builds without a
// time carry none, or the beginning of time.
func (q Question) born(r Release) (at time.Time, source string) {
	switch {
	case r.Created.Year() > 2020 && !r.Created.After(q.Now):
		return r.Created, "created"
	case r.Seen != nil && !r.Seen.At.After(q.Now):
		return r.Seen.At, "seen first"
	}
	return q.Now, "seen first"
}

func (q Question) age(_ string, r Release) *Reason {
	at, source := q.born(r)
	ripe := at.Add(profiles.Age(q.Settings.MinAge, 0))
	if !q.Now.Before(ripe) {
		return nil
	}
	return &Reason{Rule: Age, Until: &ripe, Text: fmt.Sprintf("was %s on %s, and has to be %s old", source, minute(at), q.Settings.MinAge)}
}

// splay spreads hosts over a time, each at a moment of its own that a release
// does not change: a bad release meets some of them first.
func (q Question) splay(tag string, r Release) *Reason {
	splay := profiles.Age(q.Settings.Splay, 0)
	if splay == 0 {
		return nil
	}
	at, _ := q.born(r)
	sum := sha256.Sum256([]byte(q.Host + "\x00" + q.Instance + "\x00" + tag))
	share := float64(binary.BigEndian.Uint32(sum[:])) / (1 << 32)
	mine := at.Add(profiles.Age(q.Settings.MinAge, 0)).Add(time.Duration(share * float64(splay))).Truncate(time.Minute)
	if !q.Now.Before(mine) {
		return nil
	}
	return &Reason{Rule: Splay, Until: &mine, Text: fmt.Sprintf("hosts take it within %s, this one at %s", q.Settings.Splay, minute(mine))}
}

// retryAfter is how long a version that failed with the one before it is not
// tried again where there is no window to wait for.
const retryAfter = time.Hour

// environs is about a version that is not skipped, since the one before it
// failed the same gate: another try has to wait until something may have
// changed, and costs the node two more stops.
func (q Question) environs(tag string) *Reason {
	b := q.Both
	if !q.Unattended || b == nil || !same(tag, b.Version) || b.At.After(q.Now) {
		return nil
	}
	next := b.Next
	switch {
	case q.Settings.Window == "":
		next = b.At.Add(retryAfter)
	case !q.Window.Open:
		return nil // which is reason enough
	}
	if !next.IsZero() && !q.Now.Before(next) {
		return nil
	}
	r := &Reason{Rule: Environment, Text: fmt.Sprintf("it failed at %s, and so did the version before it: the cause is outside of both", minute(b.At))}
	if !next.IsZero() {
		r.Text, r.Until = r.Text+"; it is tried again from "+minute(next)+" on", &next
	}
	return r
}

// waits is what keeps the instance from taking a version now.
func (q Question) waits(tag string) []Reason {
	var list []Reason
	if until, err := profiles.ParseDate(q.Settings.HoldUntil); err == nil && q.Now.Before(until) {
		list = append(list, Reason{Rule: Hold, Text: "nothing is taken before " + minute(until), Until: &until})
	}
	if q.Settings.Window != "" && !q.Window.Open {
		r := Reason{Rule: Closed, Text: fmt.Sprintf("outside of the window %q, which does not open again", q.Settings.Window)}
		if next := q.Window.Next; !next.IsZero() {
			r.Text, r.Until = fmt.Sprintf("outside of the window %q, which opens at %s", q.Settings.Window, minute(next)), &next
		}
		list = append(list, r)
	}
	if r := q.environs(tag); r != nil {
		list = append(list, *r)
	}
	if q.Unattended && q.Settings.Mode == profiles.NotifyMode {
		list = append(list, Reason{Rule: Notify, Text: "the mode is notify: an operator has to ask for it"})
	}
	return list
}
