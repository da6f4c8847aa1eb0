package manager

import (
	"context"
	"errors"
	"fmt"
	"time"

	godbus "github.com/godbus/dbus/v5"
)

var (
	// ErrNoSystemd is returned by Connect where no systemd can be talked to.
	ErrNoSystemd = errors.New("systemd does not run this host")
	// ErrNoUnit is returned for a unit that systemd cannot find.
	ErrNoUnit = errors.New("no such unit")
	// ErrDenied is returned when systemd or polkit refuses the caller.
	ErrDenied = errors.New("not allowed")
)

// JobResult is how a job ended, as in the signal JobRemoved
// (org.freedesktop.systemd1(5)).
type JobResult string

// The results that systemd knows.
const (
	Done       JobResult = "done"
	Canceled   JobResult = "canceled"
	TimedOut   JobResult = "timeout"
	Failed     JobResult = "failed"
	Dependency JobResult = "dependency"
	Skipped    JobResult = "skipped"
)

// JobError says that a job ended in another way than done.
type JobError struct {
	Unit   string
	Verb   string // start, stop, restart
	Result JobResult
	// UnitResult is the unit's own result (UnitState.Result) when Result is
	// Failed. A unit that exceeds its TimeoutStartSec= is such a failure, with
	// "timeout": the job's TimedOut is only for JobTimeoutSec=.
	UnitResult string
}

func (e *JobError) Error() string {
	if e.Result == Failed && e.UnitResult == "timeout" {
		return fmt.Sprintf("%s %s: %s", gerund(e.Verb), e.Unit, TimedOut.words(e.Verb))
	}
	return fmt.Sprintf("%s %s: %s", gerund(e.Verb), e.Unit, e.Result.words(e.Verb))
}

func (r JobResult) words(verb string) string {
	switch r {
	case Canceled:
		return "the " + verb + " was cancelled by another one for the same unit, or by hand"
	case TimedOut:
		return "it did not " + verb + " in the time that the unit allows"
	case Failed:
		return "it failed to " + verb
	case Dependency:
		return "a unit that it needs failed to start"
	case Skipped:
		return "the " + verb + " did not apply to the state the unit was in"
	}
	return fmt.Sprintf("systemd ended the job with %q", string(r))
}

func gerund(verb string) string {
	switch verb {
	case "start", "restart":
		return verb + "ing"
	case "stop":
		return "stopping"
	}
	return verb
}

// Names of D-Bus errors that mean something to callers.
const (
	nameNoUnit       = "org.freedesktop.systemd1.NoSuchUnit"
	nameNoJob        = "org.freedesktop.systemd1.NoSuchJob"
	nameNoFile       = "org.freedesktop.DBus.Error.FileNotFound"
	nameDenied       = "org.freedesktop.DBus.Error.AccessDenied"
	nameNoReply      = "org.freedesktop.DBus.Error.NoReply"
	nameNoOwner      = "org.freedesktop.DBus.Error.NameHasNoOwner"
	nameNoService    = "org.freedesktop.DBus.Error.ServiceUnknown"
	nameNoSpawn      = "org.freedesktop.DBus.Error.Spawn." // nobody but systemd itself can take its name
	nameAuthRequired = "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"
)

// explain turns the errors of a call into ones that callers can tell apart.
func explain(err error, allowed time.Duration) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("systemd did not answer within %s: %w", allowed, err)
	}
	switch errorName(err) {
	case nameNoUnit, nameNoFile:
		return fmt.Errorf("%w: %w", ErrNoUnit, err)
	case nameDenied, nameAuthRequired:
		return fmt.Errorf("%w: %w", ErrDenied, err)
	}
	return err
}

func errorName(err error) string {
	var e godbus.Error // returned by value
	if errors.As(err, &e) {
		return e.Name
	}
	return ""
}
