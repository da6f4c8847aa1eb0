package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/units/atomicfile"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
	"github.com/aztec-spartan/aztec-spartan/units/notify"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// failureCommand is what aztec-failure@.service runs when a unit has failed.
// Units restart after everything but what outdated names.
func (a *app) failureCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "failure UNIT",
		Short:  "See to a node that ended because its version is out of date",
		Hidden: true, // for aztec-failure@.service only
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if err := a.needRoot("failure", false); err != nil {
				return err
			}
			if !a.live() {
				return withCode(exitUnsupported, errors.New("failure: --root never talks to systemd"))
			}
			unit := args[0]
			if strings.ContainsRune(unit, '/') {
				return usage(fmt.Errorf("failure: %s is no unit", quoted(unit)))
			}
			meta, err := a.files().Active(unit)
			if errors.Is(err, roll.ErrNotInstalled) { // removed meanwhile: trying again helps nobody
				a.print("%v", err)
				return nil
			}
			if err != nil {
				return err
			}
			m, err := connect(ctx)
			if err != nil {
				return err
			}
			defer m.Close()
			err = a.seeToOutdated(ctx, m, unit, meta.Instance)
			if ctx.Err() != nil {
				// The unit was stopped, by an operator, or by the roll that was just begun.
				a.print("%s: no more is done about it here", unit)
				return nil
			}
			return err
		},
	}
}

// seeToOutdated looks for a newer version, at once, and installs it if updates
// are unattended. If that changes nothing, the node is started again, later
// each time: what it waits for may be on L1, and not in a registry.
func (a *app) seeToOutdated(ctx context.Context, m *manager.Manager, unit, name string) error {
	// A roll judges what it starts, and puts the old version back.
	if err := a.awaitRoll(ctx, m, name); err != nil {
		return err
	}
	was, err := m.State(ctx, unit)
	if err != nil || !outdated(was) {
		return err
	}
	wait := a.backoff(name)
	a.print("%s: the node %s: its version is out of date", name, exitWords(was))
	on, err := m.IsEnabled(ctx, updateTimer)
	if err != nil { // as if auto-update were off
		a.note("aztec-spartan: %s", words(err))
	}
	if err := a.lookAtOnce(ctx, name, on); err != nil {
		a.note("aztec-spartan: %s", words(err)) // whatever it is, the node is started again
	}
	now, err := m.State(ctx, unit)
	if err != nil || !outdated(now) || ctx.Err() != nil {
		return err
	}
	a.print("%s: starting it again in %s", name, wait)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(wait):
	}
	// Not in the middle of an export, a removal or a roll.
	return a.locked(ctx, name, "failure", func() error {
		if now, err = m.State(ctx, unit); err != nil || !outdated(now) || now.InvocationID != was.InvocationID {
			return err // somebody was faster
		}
		state, err := a.files().Load(name)
		if err != nil {
			return err
		}
		if err := unfinishedRoll(state, "starting", name); err != nil {
			return err
		}
		if now.Result == startLimitHit {
			if err := m.ResetFailed(ctx, unit); err != nil {
				return err
			}
		}
		// Else it stays failed until it starts: the next try would take one that is
		// not for a node that somebody has stopped.
		return m.StartNoWait(ctx, unit)
	})
}

// lookAtOnce updates an instance as its policy says, or only says what there
// is. The window and the splay do not count: the node is down.
func (a *app) lookAtOnce(ctx context.Context, name string, install bool) error {
	f := updateFlags{unattended: true, urgent: true}
	if install {
		_, err := a.rollOne(ctx, "update", name, f, a.prepareUpdate)
		return err
	}
	c, err := a.checkOne(ctx, name, f)
	if err != nil || c == nil || !c.Now {
		return err
	}
	text := fmt.Sprintf("%s is out of date, and %s is there; auto-update is off: aztec-spartan update %s takes it", c.Version, c.To, name)
	a.print("%s: %s", name, text)
	a.tell(ctx, notify.UpdateAvailable, name, text)
	return nil
}

// awaitRoll waits for the end of a roll of the instance, if there is one.
func (a *app) awaitRoll(ctx context.Context, m *manager.Manager, name string) error {
	for {
		s, err := m.State(ctx, rollUnit(name))
		if err != nil || s.Down() {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

const (
	firstBackoff = 5 * time.Second
	lastBackoff  = 10 * time.Minute
	// backoffFor is how long a node has to last for its next end to be the first again.
	backoffFor = time.Hour
)

// backoffs is what is remembered of ends by which a node said that it is out of
// date. A reboot forgets them.
type backoffs struct {
	Count int       `json:"count"`
	Last  time.Time `json:"last"`
}

// backoff is nextBackoff, or the longest where it cannot be known: that is no
// reason to leave the node down.
func (a *app) backoff(name string) time.Duration {
	wait, err := a.nextBackoff(name)
	if err != nil {
		a.note("aztec-spartan: %s", words(err))
		return lastBackoff
	}
	return wait
}

// nextBackoff is how long the next start has to wait: twice as long as before
// the one before.
func (a *app) nextBackoff(name string) (time.Duration, error) {
	path := filepath.Join(a.path(lockDir), name+".outdated")
	var b backoffs
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("reading how often %s ended: %w", name, err)
	}
	if err == nil && json.Unmarshal(data, &b) != nil {
		b = backoffs{}
	}
	now := time.Now()
	if age := now.Sub(b.Last); age > backoffFor || age < 0 || b.Count < 0 {
		b.Count = 0
	}
	wait := lastBackoff
	if b.Count < 7 { // 5 s times 2^7 is more than ten minutes
		wait = firstBackoff << b.Count
	}
	b.Count, b.Last = b.Count+1, now
	if data, err = json.Marshal(b); err != nil {
		return 0, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return 0, fmt.Errorf("remembering how often %s ended: %w", name, err)
	}
	return wait, atomicfile.Write(path, data, 0o644)
}
