package main

import (
	"fmt"
	"regexp"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// carried is what of the state of an instance holds on any host: at which
// version it is kept, and what its updates do not take. [update] is part of its
// settings.
type carried struct {
	Pin     *roll.Pin   `json:"pin,omitempty"`
	Skipped []roll.Skip `json:"skipped,omitempty"`
}

// maxCarried is how many versions a bundle may have skipped.
const maxCarried = 1000

var digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// check refuses what no export writes, and makes texts fit to be shown.
func (c *carried) check() error {
	if c.Pin != nil {
		if _, err := profiles.ParseVersion(c.Pin.Version); err != nil {
			return fmt.Errorf("its pin: %w", err)
		}
	}
	if len(c.Skipped) > maxCarried {
		return fmt.Errorf("it skips %d versions", len(c.Skipped))
	}
	for i, s := range c.Skipped {
		if !digestForm.MatchString(s.Digest) {
			return fmt.Errorf("what it skips: %s is not a digest", quoted(s.Digest))
		}
		c.Skipped[i].Version, c.Skipped[i].Reason = quotedLine(s.Version), quotedLine(s.Reason)
	}
	return nil
}

// saveCarried writes it into the state of an instance that has just come.
func (a *app) saveCarried(name, unit string, c carried) error {
	if c.Pin == nil && len(c.Skipped) == 0 {
		return nil
	}
	state, err := a.files().Load(name)
	if err != nil {
		return err
	}
	state.Unit, state.Pin, state.Skipped = unit, c.Pin, c.Skipped
	if err := a.files().Save(name, state); err != nil {
		return err
	}
	if c.Pin != nil {
		a.note("it is pinned to %s, as it was there: aztec-spartan unpin %s takes that back", c.Pin, name)
	}
	for _, s := range c.Skipped {
		a.note("it skips %s, as it did there (%s): aztec-spartan unskip %s takes that back", s.Version, s.Reason, name)
	}
	return nil
}
