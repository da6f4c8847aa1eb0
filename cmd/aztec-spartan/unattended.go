package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aztec-spartan/aztec-spartan/profiles/policy"
	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/notify"
	"github.com/aztec-spartan/aztec-spartan/units/probe"
)

// unattended updates all instances, or those that are named, as their policies
// say, and removes what nothing needs afterwards.
func (a *app) unattended(ctx context.Context, args []string, f updateFlags) (err error) {
	if err := a.needRoot("update", false); err != nil {
		return err
	}
	if all, err := a.instanceNames(); err != nil || len(all) == 0 && len(args) == 0 {
		if err == nil {
			a.note("there is no instance on this host")
		}
		return err
	}
	names, err := a.selected(args, false, everyInstance)
	if err != nil {
		return err
	}
	done := []rolled{}
	if a.json {
		defer func() { err = errors.Join(err, a.printJSON(done)) }()
	}
	names = a.inOrder("update", names)
	done, err = a.rollInTurn(ctx, names, f)
	err = errors.Join(err, a.resumeAll(ctx, names, true))
	a.collectAfter(ctx)
	return err
}

// rollInTurn updates one instance after the other until a roll fails. An
// instance whose roll cannot even be prepared has not changed, and says nothing
// about the version: the others go on.
func (a *app) rollInTurn(ctx context.Context, names []string, f updateFlags) ([]rolled, error) {
	done := []rolled{}
	canary := ""
	var errs []error
	for i, name := range names {
		if err := a.stillWell(ctx, canary); err != nil {
			return done, errors.Join(append(errs, a.leftAlone(err, names[i:]))...)
		}
		out, err := a.rollOne(ctx, "update", name, f, a.prepareUpdate)
		if out != nil {
			done = append(done, rolled{name, *out})
			// One that was stopped has shown nothing.
			if canary == "" && err == nil && out.DowntimeSeconds > 0 {
				canary = name
			}
		}
		if _, ok := errors.AsType[*notBegunError](err); ok && ctx.Err() == nil {
			a.note("aztec-spartan: %s", words(err))
			errs = append(errs, err)
			continue
		}
		if err != nil {
			return done, errors.Join(append(errs, a.leftAlone(err, names[i+1:]))...)
		}
	}
	if len(errs) > 1 {
		return done, fmt.Errorf("%d instances could not be updated, and were not changed; the first: %w", len(errs), errs[0])
	}
	return done, errors.Join(errs...)
}

// tellDecision tells whoever wants to know what nobody sees on a terminal.
func (a *app) tellDecision(ctx context.Context, name string, current units.Meta, t goal) {
	a.rememberUpdate(name, t.tag)
	if waits := t.decision.Waits; len(waits) > 0 {
		kind := notify.Waiting
		if waits[len(waits)-1].Rule == policy.Notify {
			kind = notify.UpdateAvailable
		}
		e := a.event(kind, name, fmt.Sprintf("%s -> %s waits: %s", current.Version, t.tag, waitText(waits)))
		e.Key = fmt.Sprintf("%s %s %s", kind, name, t.tag) // windows come and go
		a.tellEvents(ctx, e)
	}
	for _, r := range t.decision.Rejected {
		if r.Rule == policy.Moved || r.Rule == policy.Deleted && r.Tag == tagOf(current.Reference) {
			a.tell(ctx, notify.TagMoved, name, fmt.Sprintf("%s %s", r.Tag, r.Text))
		}
	}
}

// leftAlone says which instances are not tried after a failure.
func (a *app) leftAlone(err error, rest []string) error {
	if len(rest) > 0 {
		a.note("left as they are: %s", strings.Join(rest, ", "))
	}
	return err
}

// stillWell looks at the canary before the next instance is touched: a version
// can pass the gate and fail a minute later.
func (a *app) stillWell(ctx context.Context, canary string) error {
	if canary == "" || !a.live() {
		return nil
	}
	m, err := connect(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	s, err := a.status(ctx, m, canary)
	if err != nil {
		return fmt.Errorf("looking at %s, which was updated first: %w", canary, err)
	}
	return judgeCanary(s)
}

func judgeCanary(s status) error {
	if s.Health != string(probe.Unhealthy) {
		return nil
	}
	return withHint(withCode(exitUnhealthy, fmt.Errorf("%s, which was updated first, is unhealthy by now: %s", s.Name, s.Reason)),
		"aztec-spartan rollback %s brings %s back", s.Name, orDefault(s.PreviousVersion, "the version before"))
}

// collectAfter is gc after updates. What it cannot remove now it can the next
// time.
func (a *app) collectAfter(ctx context.Context) {
	err := a.lockedHost(ctx, "gc", func() error {
		c, _, err := a.collectImages(false)
		for _, r := range c.Removed {
			a.note("removed %s, which nothing needs: %s", label(r.Image), bytesOf(r.Freed))
		}
		return err
	})
	if err != nil {
		a.note("warning: no image was removed: %s", words(err))
	}
}
