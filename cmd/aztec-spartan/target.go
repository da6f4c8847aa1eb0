package main

import (
	"context"
	"errors"
	"strings"

	"github.com/aztec-spartan/aztec-spartan/extract"
	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/profiles/policy"
	"github.com/aztec-spartan/aztec-spartan/units"
)

// goal is what an update leads to.
type goal struct {
	ref      string          // "": nothing
	tag      string          // of ref, where the policy chose it
	decision policy.Decision // of the policy, where nobody asked for a version
	override []policy.Reason // what the version that was asked for overrides
}

// target is the reference to roll to: the one asked for, or the newest version
// that the policy allows.
func (a *app) target(ctx context.Context, q *policy.Question, current units.Meta, f updateFlags) (goal, error) {
	if f.to != "" {
		return a.askedFor(ctx, *q, current, f)
	}
	if err := a.offer(ctx, q, current, f); err != nil {
		return goal{}, err
	}
	d, err := policy.Decide(*q)
	if err != nil || d.Tag == "" {
		return goal{decision: d}, err
	}
	ref, err := a.referenceOf(current, d.Tag)
	return goal{ref: ref, tag: d.Tag, decision: d}, err
}

// askedFor is the reference that --to means.
func (a *app) askedFor(ctx context.Context, q policy.Question, current units.Meta, f updateFlags) (goal, error) {
	t := goal{ref: f.to}
	if !strings.ContainsAny(f.to, "/:@") {
		t.ref = repositoryOf(current.Reference) + ":" + f.to
		if _, err := profiles.ParseVersion(f.to); err == nil {
			if t.ref, err = a.tagged(current.Network, repositoryOf(current.Reference), f.to); err != nil {
				return t, err
			}
		}
	}
	tag := tagOf(t.ref)
	var r policy.Release
	if (q.Settings.MinAge != "" || q.Settings.Splay != "") && tag != "" && !strings.Contains(t.ref, "@") {
		// What cannot be learned is not needed: it is taken in any case.
		if is, err := a.releaseOf(ctx, t.ref, f.noPull); err == nil {
			r = is
		}
	}
	t.override = q.Overrides(tag, r)
	return t, nil
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
