package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/aztec-spartan/aztec-spartan/units/atomicfile"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
)

// lastStopPath has another content after each stop of an instance, until the
// next boot.
func (a *app) lastStopPath(name string) string {
	return filepath.Join(a.path(lockDir), name+".stopped")
}

// noteStop says to a start that goes on that its instance was stopped. It may
// fetch an image or a reference string, or wait until another host cannot sign
// any more: there is no job yet that a stop could cancel.
func (a *app) noteStop(name string) error {
	path := a.lastStopPath(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return atomicfile.Write(path, []byte(randomHex(8)+"\n"), 0o600)
}

// lastStop is what the last stop of an instance has noted: "" if there was none.
func (a *app) lastStop(name string) string {
	text, _ := os.ReadFile(a.lastStopPath(name)) // what cannot be read never changes
	return string(text)
}

// stopper is the service manager as what takes a start back sees it.
type stopper interface {
	Disable(ctx context.Context, units ...string) error
	Stop(ctx context.Context, unit string, opts ...manager.Option) error
}

var errStoppedMeanwhile = errors.New("it was stopped meanwhile")

func stoppedMeanwhile(name string, others ...error) error {
	err := errors.Join(append([]error{fmt.Errorf("starting %s: %w", name, errStoppedMeanwhile)}, others...)...)
	return withHint(err, "aztec-spartan start %s starts it", name)
}

// inOwnTurn is do for instances that are started one after the other. One before
// may wait for an hour, and who stops another meanwhile wants that down.
func (a *app) inOwnTurn(names []string, do func(name string) error) func(name string) error {
	last := map[string]string{}
	for _, name := range names {
		last[name] = a.lastStop(name)
	}
	return func(name string) error {
		if a.lastStop(name) != last[name] {
			return stoppedMeanwhile(name)
		}
		return do(name)
	}
}

// unlessStopped runs a job that starts an instance, unless that was stopped
// since last, what lastStop said when the start was asked for. One that is
// stopped while the job is queued is stopped again, so that a stop which has said
// that it is done stays done.
func (a *app) unlessStopped(ctx context.Context, m stopper, name, unit, last string, job func() error) error {
	var err error
	if a.lastStop(name) == last {
		err = job()
	}
	if a.lastStop(name) == last {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	return stoppedMeanwhile(name, m.Disable(ctx, unit), m.Stop(ctx, unit))
}
