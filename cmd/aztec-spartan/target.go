package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aztec-spartan/aztec-spartan/extract"
	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// target is the reference to roll to: the one asked for, or the newest stable
// version of the same major, none that was skipped, in the repository of the
// current one.
func (a *app) target(ctx context.Context, current units.Meta, state roll.State, f updateFlags) (string, error) {
	repository, to := repositoryOf(current.Reference), f.to
	switch {
	case strings.ContainsAny(to, "/:@"):
		return to, nil
	case to != "":
		if _, err := profiles.ParseVersion(to); err == nil {
			return a.tagged(repository, to)
		}
		return repository + ":" + to, nil
	}
	tags := a.offered
	if f.noPull {
		tags = a.tagsHere
	}
	offered, err := tags(ctx, repository)
	if err != nil {
		return "", err
	}
	for _, skip := range state.Skipped {
		skipped := func(tag string) bool { return tag == skip.Version }
		if slices.ContainsFunc(offered, skipped) {
			a.note("%s is skipped: %s; --to %s tries it again", skip.Version, skip.Reason, skip.Version)
			offered = slices.DeleteFunc(offered, skipped)
		}
	}
	newest, err := profiles.Newest(current.Version, offered)
	if err != nil || newest == "" {
		return current.Reference, err
	}
	return repository + ":" + newest, nil
}

// tagsHere is offered without a registry.
func (a *app) tagsHere(_ context.Context, repository string) ([]string, error) {
	images, _, err := a.imagesOf(nil) // one that is damaged is not in the way
	if err != nil {
		return nil, err
	}
	var tags []string
	for _, img := range images {
		tag := tagOf(img.Reference)
		// The repository may be written in another way: docker.io is index.docker.io.
		if here, err := a.here(repository + ":" + tag); tag != "" && err == nil && here.Reference == img.Reference {
			tags = append(tags, tag)
		}
	}
	return tags, nil
}

// imageToRoll brings the image here that a roll leads to.
func (a *app) imageToRoll(ctx context.Context, ref string, f updateFlags) (*extract.Image, error) {
	if !f.noPull {
		return a.fetch(ctx, ref)
	}
	img, err := a.here(ref)
	if errors.Is(err, extract.ErrNotFound) {
		err = withHint(err, "aztec-spartan pull %s, or load, brings it here", ref)
	}
	return img, err
}

// checkUpdate says what update would do, and whether tags are what they were.
func (a *app) checkUpdate(ctx context.Context, name string, current units.Meta, ref string, f updateFlags) error {
	say := func() {
		if ref == current.Reference {
			a.print("%s: %s is the newest version", name, current.Version)
		} else {
			a.print("%s: %s -> %s", name, current.Version, ref)
		}
	}
	if f.noPull {
		if _, err := a.imageToRoll(ctx, ref, f); err != nil {
			return err
		}
		say()
		return nil
	}
	o, err := a.pullOptions(ref)
	if err != nil {
		return err
	}
	now, err := extract.Resolve(ctx, ref, o)
	switch {
	case errors.Is(err, extract.ErrUnknown) && ref == current.Reference:
		// A loaded image need not be anywhere else.
		say()
		a.note("warning: %v", err)
		return nil
	case err != nil:
		return a.orHere(ref, err)
	}
	say()
	seen, err := a.store().Seen(ref)
	if err != nil {
		return err
	}
	switch {
	case now.Tag == "" || strings.Contains(ref, "@"):
	case ref == current.Reference && now.Digest != current.Digest:
		a.note("warning: the tag %s has moved: %s runs %s, and it is %s now; update rolls to that", ref, name, current.Digest, now.Digest)
	case seen != nil && seen.Digest != now.Digest:
		a.warnMoved(ref, seen, now.Digest)
	}
	return nil
}
