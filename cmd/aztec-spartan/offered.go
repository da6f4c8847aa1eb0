package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aztec-spartan/aztec-spartan/extract"
	"github.com/aztec-spartan/aztec-spartan/profiles"
)

// offered asks a repository for its tags.
func (a *app) offered(ctx context.Context, repository string) ([]string, error) {
	o, err := a.pullOptions(repository)
	if err != nil {
		return nil, err
	}
	return extract.Tags(ctx, repository, o)
}

// registryAnswers asks for what the first config will.
func (a *app) registryAnswers(ctx context.Context) error {
	c, err := a.hostConfig()
	if err == nil {
		_, err = a.offered(ctx, c.Registry.Repository)
	}
	return err
}

// printOffered lists what the repositories of the installed images offer, or
// the configured one's.
func (a *app) printOffered(ctx context.Context, list []installed, all bool) error {
	c, err := a.hostConfig()
	if err != nil {
		return err
	}
	repositories := []string{}
	seen := map[string]bool{}
	for _, v := range list {
		if r := repositoryOf(v.Reference); r != "" && !seen[r] {
			seen[r] = true
			repositories = append(repositories, r)
		}
	}
	if len(repositories) == 0 {
		repositories = append(repositories, c.Registry.Repository)
	}
	var errs []error // a registry that is away keeps no other from being asked
	for _, r := range repositories {
		tags, err := a.offered(ctx, r)
		if err == nil {
			a.print("\noffered by %s:\n%s", r, offerText(tags, all))
			err = a.tellMoved(ctx, list, r, tags)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// offerMost is how many tags are listed where nobody asks for all: upstream's
// nightly builds and commits have a thousand.
const offerMost = 20

// offerText lists tags, the newest first.
func offerText(tags []string, all bool) string {
	releases, others := sortTags(tags)
	shown := slices.Concat(releases, others)
	more := ""
	if !all && len(tags) > offerMost {
		shown = releases[:min(offerMost, len(releases))]
		more = fmt.Sprintf("  and %d that are older or not stable: --all lists them", len(tags)-len(shown))
	}
	lines := strings.Split(folded(join(shown), helpColumns-2), "\n")
	if len(tags) == 0 {
		lines = []string{"nothing"}
	}
	text := "  " + strings.Join(lines, "\n  ")
	switch {
	case len(shown) == 0 && more != "":
		return more
	case more != "":
		text += "\n" + more
	}
	return text
}

// sortTags tells stable releases, the newest first, from the other tags, of
// which those that are versions come first.
func sortTags(tags []string) (releases, others []string) {
	newest := func(a, b string) int {
		v, err1 := profiles.ParseVersion(a)
		w, err2 := profiles.ParseVersion(b)
		switch {
		case err1 == nil && err2 == nil:
			return w.Compare(v)
		case err1 == nil:
			return -1
		case err2 == nil:
			return 1
		}
		return strings.Compare(a, b)
	}
	for _, tag := range slices.SortedStableFunc(slices.Values(tags), newest) {
		if v, err := profiles.ParseVersion(tag); err == nil && v.Prerelease() == "" {
			releases = append(releases, tag)
		} else {
			others = append(others, tag)
		}
	}
	return releases, others
}

// newestRelease is what who asks for a version says of them; "" if there is none, or the
// registry does not say so within the patience of somebody at a terminal.
func (a *app) newestRelease(ctx context.Context, noPull bool) string {
	const patience = 3 * time.Second
	c, err := a.hostConfig()
	if err != nil || noPull {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return a.newestIn(ctx, c.Registry.Repository)
}

// newestIn is the newest release of those that who uses a repository may have.
func (a *app) newestIn(ctx context.Context, repository string) string {
	catalog, err := a.catalog()
	if err != nil {
		return ""
	}
	// The newest may have moved from there, as upstream's have.
	others, _ := catalog.Siblings("", repository)
	var tags []string
	for _, r := range append([]string{repository}, others...) {
		o, err := a.pullOptions(r)
		if err != nil {
			return ""
		}
		o.Report = nil // nothing depends on it
		found, err := extract.Tags(ctx, r, o)
		if errors.Is(err, extract.ErrUnknown) {
			continue // not there yet
		}
		if err != nil {
			return ""
		}
		tags = append(tags, found...)
	}
	releases, _ := sortTags(tags)
	if len(releases) == 0 {
		return ""
	}
	return releases[0]
}

// tellMoved compares the tags that images here were pulled by with what a
// repository has under them now.
func (a *app) tellMoved(ctx context.Context, list []installed, repository string, tags []string) error {
	o, err := a.pullOptions(repository)
	if err != nil {
		return err
	}
	told := map[string]bool{}
	for _, v := range list {
		ref := v.Reference
		if told[ref] || repositoryOf(ref) != repository || ref != repository+":"+tagOf(ref) || !slices.Contains(tags, tagOf(ref)) {
			continue
		}
		told[ref] = true
		o.Platform = v.platform
		now, err := extract.Resolve(ctx, ref, o)
		if err != nil {
			return err
		}
		seen, err := a.store().Seen(ref)
		if err != nil {
			return err
		}
		same := func(v installed) bool { return v.Reference == ref && v.Digest == now.Digest }
		if !slices.ContainsFunc(list, same) && (seen == nil || seen.Digest != now.Digest) {
			a.note("warning: the tag %s has moved: it is %s here, and %s there", ref, v.Digest, now.Digest)
		}
	}
	return nil
}
