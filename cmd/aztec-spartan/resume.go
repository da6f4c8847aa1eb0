package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
	"github.com/aztec-spartan/aztec-spartan/units/notify"
)

// resumeWait bounds the wait for the slots that another version could have
// signed: they are past five minutes after its end. A clock that was set back
// makes it longer, and is not waited for.
const resumeWait = 10 * time.Minute

// resumeAll lets those instances sign again whose policies say so, and that may.
// wait is set where somebody has the time until the last slot is past in which
// another version could have signed.
func (a *app) resumeAll(ctx context.Context, names []string, wait bool) error {
	var errs []error
	for _, name := range names {
		if err := a.resumeByPolicy(ctx, name, wait); err != nil {
			errs = append(errs, fmt.Errorf("letting %s sign again: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// resumesByPolicy reports whether nobody has to let an instance sign again.
func (a *app) resumesByPolicy(name string) (bool, error) {
	inst, err := a.loadInstance(name)
	if err != nil {
		return false, err
	}
	u, err := a.updateSettings(inst)
	return u.ResumeSigning == profiles.ResumeWhenSafe, err
}

func (a *app) resumeByPolicy(ctx context.Context, name string, wait bool) error {
	if by, err := a.resumesByPolicy(name); !by || err != nil {
		return err
	}
	state, err := a.files().Load(name)
	if err != nil || state.NoSigning == nil || state.Intent != nil && state.Intent.Begun {
		return err
	}
	left := state.NoSigning.Left()
	if left > resumeWait || left > 0 && !wait {
		return nil
	}
	if left > 0 {
		a.note("%s: it signs again in %s, when every slot is past that the other version could have signed", name, left.Round(time.Second))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(left):
		}
	}
	if _, resumed, err := a.endNoSigning(ctx, name); err != nil || !resumed {
		return err
	}
	text := fmt.Sprintf("it signs again: every slot is past that the other version could have signed (resume_signing); it did not since %s", state.NoSigning.Since.Local().Format(time.DateTime))
	a.print("%s: %s", name, text)
	a.tell(ctx, notify.SigningResumed, name, text)
	return nil
}

// endNoSigning takes back under the lock that an instance must not sign, and
// restarts it if it runs. It reports whether it ran, and whether there was
// anything to take back.
func (a *app) endNoSigning(ctx context.Context, name string) (running, resumed bool, err error) {
	err = a.lockedInstance(ctx, name, "start", func(inst profiles.Instance) error {
		unit, err := a.installedUnit(name)
		if err != nil {
			return err
		}
		if running, err = a.isRunning(ctx, unit); err != nil {
			return err
		}
		resumed, err = a.resumeSigning(ctx, name, unit, func() error {
			if !running {
				return nil
			}
			return a.withManager(ctx, func(m *manager.Manager) error { return a.restartIfRuns(ctx, m, inst) })
		})
		return err
	})
	return running, resumed, err
}
