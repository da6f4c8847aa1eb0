package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aztec-spartan/aztec-spartan/extract"
	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/profiles/policy"
	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// checked is one instance as update --check --json prints it.
type checked struct {
	Name      string             `json:"name"`
	Version   string             `json:"version"`   // that runs
	Reference string             `json:"reference"` // that it was installed by
	To        string             `json:"to"`        // the version to take; "": none
	ToRef     string             `json:"to_reference"`
	ToDigest  string             `json:"to_digest,omitempty"`
	Now       bool               `json:"now"` // update would take it now
	Waits     []policy.Reason    `json:"waits"`
	Overrides []policy.Reason    `json:"overrides"` // by --to
	Rejected  []policy.Rejection `json:"rejected"`  // every other tag
	MovedFrom string             `json:"moved_from,omitempty"`
	Deleted   bool               `json:"deleted"` // the tag that runs is not in the registry any more
	Pin       *roll.Pin          `json:"pin,omitempty"`
	Data      *dataOutlook       `json:"data,omitempty"` // what becomes of the data; absent where no version is to be taken
	Policy    profiles.Update    `json:"policy"`
	Looked    time.Time          `json:"looked"`
}

// checkEach says what update would do. It changes nothing but what is
// remembered of tags.
func (a *app) checkEach(ctx context.Context, args []string, f updateFlags) (err error) {
	if err := a.needRoot("update", false); err != nil {
		return err
	}
	names, err := a.selected(args, f.all || f.unattended && len(args) == 0, onlyInstance)
	if err != nil {
		return err
	}
	list := []checked{}
	if a.json {
		defer func() { err = errors.Join(err, a.printJSON(list)) }()
	}
	for _, name := range a.inOrder("update", names) {
		c, err := a.checkOne(ctx, name, f)
		if err != nil {
			return err
		}
		if c != nil {
			list = append(list, *c)
		}
	}
	return nil
}

// checkOne returns nothing for an instance whose last roll comes first.
func (a *app) checkOne(ctx context.Context, name string, f updateFlags) (*checked, error) {
	inst, state, meta, err := a.updatable(name)
	if err != nil {
		return nil, err
	}
	if state.Intent != nil && state.Intent.Begun {
		a.print("%s: its last roll was interrupted; update or rollback takes it back first", name)
		return nil, nil
	}
	q, err := a.question(ctx, inst, meta, state, f)
	if err != nil {
		return nil, err
	}
	t, err := a.target(ctx, &q, meta, f)
	if err != nil {
		return nil, err
	}
	c := &checked{
		Name: name, Version: meta.Version, Reference: meta.Reference, Pin: state.Pin, Policy: q.Settings, Looked: q.Now.UTC(),
		Waits: append([]policy.Reason{}, t.decision.Waits...), Overrides: append([]policy.Reason{}, t.override...),
		Rejected: append([]policy.Rejection{}, t.decision.Rejected...), ToDigest: t.decision.Digest,
	}
	if _, c.Deleted = q.Gone[q.Tag]; c.Deleted {
		a.note("warning: the tag %s that %s runs is not in the registry any more: keep its image, or pull another version", quoted(q.Tag), name)
	}
	ref := orDefault(t.ref, meta.Reference)
	if ref != meta.Reference {
		c.To, c.ToRef, c.Now = orDefault(tagOf(ref), ref), ref, len(c.Waits) == 0
	}
	if err := a.checkReference(ctx, c, meta, ref, f); err != nil {
		return nil, err
	}
	if err := a.checkData(c, state, meta); err != nil {
		return nil, err
	}
	a.tellRejected(t.decision)
	a.tellOverrides(t.ref, t.override)
	return c, nil
}

// checkReference prints what would be done, and whether tags are what they were.
func (a *app) checkReference(ctx context.Context, c *checked, current units.Meta, ref string, f updateFlags) error {
	say := func() {
		switch {
		case ref == current.Reference:
			a.print("%s: %s is the newest version", c.Name, current.Version)
		case len(c.Waits) > 0:
			a.print("%s: %s -> %s, but %s", c.Name, current.Version, ref, waitText(c.Waits))
		default:
			a.print("%s: %s -> %s", c.Name, current.Version, ref)
		}
	}
	if f.noPull {
		img, err := a.imageToRoll(ctx, ref, f)
		if err != nil {
			return err
		}
		c.ToDigest = img.Digest
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
		c.Deleted = true
		a.note("warning: %v", err)
		return nil
	case err != nil:
		return a.orHere(ref, err)
	}
	say()
	if ref != current.Reference {
		c.ToDigest = now.Digest
	}
	seen, err := a.store().Seen(ref)
	if err != nil {
		return err
	}
	switch {
	case now.Tag == "" || strings.Contains(ref, "@"):
	case ref == current.Reference && now.Digest != current.Digest:
		c.MovedFrom = current.Digest
		a.note("warning: the tag %s has moved: %s runs %s, and it is %s now; update rolls to that", ref, c.Name, current.Digest, now.Digest)
	case seen != nil && seen.Digest != now.Digest:
		c.MovedFrom = seen.Digest
		a.warnMoved(ref, seen, now.Digest)
	}
	return nil
}
