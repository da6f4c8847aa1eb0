package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aztec-spartan/aztec-spartan/extract"
	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/profiles/policy"
	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// updateSettings are what holds for the updates of an instance.
func (a *app) updateSettings(inst profiles.Instance) (profiles.Update, error) {
	c, err := a.hostConfig()
	if err != nil {
		return profiles.Update{}, err
	}
	if err := inst.Update.Check(); err != nil {
		return profiles.Update{}, usage(fmt.Errorf("reading %s: %w", instancePath(inst.Name, settingsFile), err))
	}
	return inst.Update.Over(c.Update.Update), nil
}

// question gathers what the next version of an instance is decided from.
func (a *app) question(ctx context.Context, inst profiles.Instance, current units.Meta, state roll.State, f updateFlags) (policy.Question, error) {
	settings, err := a.updateSettings(inst)
	if err != nil {
		return policy.Question{}, err
	}
	if f.urgent {
		settings.Window, settings.Splay = "", ""
	}
	q := policy.Question{
		Instance: inst.Name, Current: current.Version, Tag: tagOf(current.Reference), Digest: current.Digest,
		Settings: settings, Host: a.hostIdentity(), Now: time.Now(), Unattended: f.unattended,
	}
	for _, s := range state.Skipped {
		q.Skipped = append(q.Skipped, policy.Skip{Version: s.Version, Digest: s.Digest, Reason: s.Reason})
	}
	if p := state.Pin; p != nil {
		q.Pin = &policy.Pin{Version: p.Version, Until: p.Until}
	}
	if q.Window, err = a.window(ctx, settings, q.Now); err != nil {
		return q, err
	}
	// A node that is down has nothing to lose by another try.
	if b := state.Blamed; b != nil && !f.urgent {
		q.Both = &policy.Both{Version: b.Version, At: b.At}
		if settings.Window != "" {
			if q.Both.Next, err = elapse(ctx, settings.Window, b.At); err != nil {
				return q, err
			}
		}
	}
	q.Look = func(tag string) (policy.Release, error) {
		ref, err := a.referenceOf(current, tag)
		if err != nil {
			return policy.Release{}, err
		}
		return a.releaseOf(ctx, ref, f.noPull)
	}
	return q, nil
}

// hostIdentity is what no other host has (machine-id(5)), "" if this one has
// none.
func (a *app) hostIdentity() string {
	id, err := os.ReadFile(a.path("/etc/machine-id"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// offer adds what there is to choose from: the tags of the repository that the
// instance runs from, and of those that versions may have moved to from there.
func (a *app) offer(ctx context.Context, q *policy.Question, current units.Meta, f updateFlags) error {
	repository := repositoryOf(current.Reference)
	list := a.offered
	if f.noPull {
		list = a.tagsHere
	}
	repositories := []string{repository}
	catalog, err := a.catalog()
	if err != nil {
		return err
	}
	// Upstream's moved with a major version, and without a constraint no other is taken.
	if others, own := catalog.Siblings(current.Network, repository); own || q.Settings.Constraint != "" && !f.unattended {
		repositories = append(repositories, others...)
	}
	// An old registry may be away for good by now.
	repositories = slices.DeleteFunc(repositories, func(r string) bool { return catalog.OnlyOlder(current.Network, r, current.Version) })
	for _, r := range repositories {
		tags, err := list(ctx, r)
		if r != repository && errors.Is(err, extract.ErrUnknown) {
			continue // not there yet
		}
		if err != nil {
			return err
		}
		for _, tag := range tags {
			// Whichever repository has it too, a version is taken from its own.
			if ref, err := a.referenceOf(current, tag); (r == repository || err == nil && repositoryOf(ref) == r) && !slices.Contains(q.Offered, tag) {
				q.Offered = append(q.Offered, tag)
			}
		}
	}
	if f.noPull || !slices.Contains(repositories, repository) {
		return nil
	}
	seen, err := a.store().SeenIn(repository)
	if err != nil {
		return err
	}
	for tag, was := range seen {
		if !slices.Contains(q.Offered, tag) {
			if q.Gone == nil {
				q.Gone = map[string]policy.Seen{}
			}
			q.Gone[tag] = policy.Seen{Digest: was.Digest, At: was.Seen}
		}
	}
	return nil
}

// referenceOf is a tag that was offered, where it is taken from.
func (a *app) referenceOf(current units.Meta, tag string) (string, error) {
	repository := repositoryOf(current.Reference)
	if _, err := profiles.ParseVersion(tag); err == nil {
		ref, err := a.tagged(current.Network, repository, tag)
		if err != nil {
			return "", err
		}
		repository = repositoryOf(ref)
	}
	return repository + ":" + tag, nil
}

// releaseOf asks what a reference with a tag is, and remembers when it was seen
// first.
func (a *app) releaseOf(ctx context.Context, ref string, noPull bool) (policy.Release, error) {
	if noPull {
		img, err := a.here(ref)
		if errors.Is(err, extract.ErrNotFound) {
			return policy.Release{Unfit: "is not in the store"}, nil
		}
		if err != nil {
			return policy.Release{}, err
		}
		return policy.Release{Digest: img.Digest, Seen: &policy.Seen{Digest: img.Digest, At: img.Pulled}}, nil
	}
	o, err := a.pullOptions(ref)
	if err != nil {
		return policy.Release{}, err
	}
	now, err := extract.Inspect(ctx, ref, o)
	switch {
	case errors.Is(err, extract.ErrNoPlatform), errors.Is(err, extract.ErrInvalidImage), errors.Is(err, extract.ErrUnknown):
		return policy.Release{Unfit: "cannot be used here: " + err.Error()}, nil
	case err != nil:
		return policy.Release{}, a.orHere(ref, err)
	}
	if err := a.store().Sight(now); err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.note("warning: %v", err)
	}
	r := policy.Release{Digest: now.Digest, Created: now.Created}
	seen, err := a.store().Seen(ref)
	if err != nil {
		return r, err
	}
	if seen != nil {
		r.Seen = &policy.Seen{Digest: seen.Digest, At: seen.Seen}
	}
	return r, nil
}

// told are the rules that an operator hears of without asking for them.
var told = []policy.Rule{policy.Pinned, policy.Unfit, policy.Moved, policy.Skipped, policy.Age, policy.Splay}

// tellRejected says why versions that are newer are not taken, each reason once.
func (a *app) tellRejected(d policy.Decision) {
	var said []policy.Rule
	for _, r := range d.Rejected {
		if !slices.Contains(told, r.Rule) || slices.Contains(said, r.Rule) {
			continue
		}
		said = append(said, r.Rule)
		again := "takes it all the same"
		if r.Rule == policy.Skipped {
			again = "tries it again"
		}
		if r.Rule == policy.Pinned {
			a.note("%s is not taken: %s; --to %s takes it all the same", quoted(r.Tag), r.Text, quoted(r.Tag))
			continue
		}
		a.note("%s %s; --to %s %s", quoted(r.Tag), r.Text, quoted(r.Tag), again)
	}
}

// tellOverrides says what a version that was asked for by name would else have
// been kept out by.
func (a *app) tellOverrides(ref string, reasons []policy.Reason) {
	for _, r := range reasons {
		a.note("--to %s overrides the %s: %s", ref, r.Rule, r.Text)
	}
}

func waitText(reasons []policy.Reason) string {
	var texts []string
	for _, r := range reasons {
		texts = append(texts, r.Text)
	}
	return strings.Join(texts, "; ")
}
