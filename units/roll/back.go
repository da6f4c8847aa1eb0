package roll

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	// abandonTimeout must be shorter than the TimeoutStopSec= of the service
	// that the engine runs in.
	abandonTimeout = 90 * time.Second
	// abandonStop leaves time to queue the start after a stop that hangs.
	abandonStop = 75 * time.Second

	cancelled = "the roll was cancelled"
)

// goBack puts the old generation back after cause and starts it. Nothing that
// fails on the way keeps it from the start: a node must not stay down because
// a disk is full.
func (r *run) goBack(ctx context.Context, cause error) (Outcome, error) {
	if ctx.Err() != nil {
		return r.abandon(ctx)
	}
	r.halted = errors.Is(cause, ErrStopped)
	switch {
	case r.interrupted && r.state.Intent.Recovered:
		r.say("the host went down in the middle of the roll; %s was put back at boot", r.from.Version)
	case r.interrupted:
		r.say("an earlier run was killed")
	default:
		r.say("%s failed: %v", r.to.Version, cause)
	}
	r.say("going back to %s", r.from.Version)
	for _, step := range slices.Backward(r.steps()) {
		step.undo(ctx)
	}
	if ctx.Err() != nil {
		return r.abandon(ctx)
	}
	r.holdBroken(ctx)
	b := r.back
	switch {
	case r.halted || errors.Is(b.failed, ErrStopped):
		// Who stops a node in the middle of a roll wants it down, whatever the
		// version.
	case b.failed != nil && b.inPlace:
		// The old version fails the same gate: the cause is outside of both,
		// and nothing is held against the new one.
		r.out.Environment = r.tried
		r.trouble = append(r.trouble, fmt.Sprintf("then %s failed too: %v", r.from.Version, b.failed))
	case b.failed != nil:
		r.trouble = append(r.trouble, fmt.Sprintf("%s is in place and failed too: %v", r.present(), b.failed))
	case !b.inPlace && b.up:
		r.trouble = append(r.trouble, r.present()+" is in place and was started")
	case r.tried && b.inPlace && r.from.Digest != r.to.Digest:
		r.state.skip(r.to, cause.Error(), time.Now().UTC())
	}
	result := RolledBack
	switch {
	case !b.inPlace || r.undone():
		result = Failed
	case r.halted || errors.Is(b.failed, ErrStopped):
		result = Cancelled
	}
	if b.failed != nil || !b.inPlace || len(r.trouble) > 0 || r.undone() {
		r.out.Situation = r.situation(ctx)
	}
	return r.finish(result, r.reason(cause.Error()))
}

// undone reports whether the way back did not come to its end: the data are
// not those of the old version, or what must be known of them is not. Its
// intent stays, for another engine to take the roll back.
func (r *run) undone() bool { return r.back.broken != nil || r.back.left }

// situation is what is in place and what runs, for who has to go on from there
// by hand.
func (r *run) situation(ctx context.Context) string {
	text := "what is in place is not known"
	if meta, err := r.Files.Active(r.state.Unit); err == nil {
		text = fmt.Sprintf("generation %d (%s) is in place", meta.Generation, orElse(meta.Version, "an unnamed version"))
	}
	now, err := r.Manager.Running(ctx, r.state.Unit)
	switch {
	case err != nil:
		return text + fmt.Sprintf("; what %s does is not known: %v", r.state.Unit, err)
	case now.ActiveState == "active":
		text += fmt.Sprintf("; %s runs as pid %d", r.state.Unit, now.PID)
	default:
		text += fmt.Sprintf("; %s is %s", r.state.Unit, orElse(now.ActiveState, "not there"))
		if now.Exit != "" {
			text += ", the node " + now.Exit
		}
	}
	if !r.loaded {
		text += "; systemd has not read the unit file again"
	}
	return text
}

// wanted reports whether the instance is to run after the way back. now is
// what it does, if err is nil.
func (r *run) wanted(now Running, err error) bool {
	in := r.state.Intent
	if r.halted {
		r.say("%s was stopped by somebody else and stays stopped", r.state.Unit)
		return false
	}
	if err != nil {
		return in.WasActive
	}
	switch now.ActiveState {
	case "inactive", "failed", "deactivating":
	default:
		return true
	}
	if in.WasActive && in.WasEnabled && !now.Enabled {
		r.say("%s was stopped on purpose since the roll began", r.state.Unit)
		return false
	}
	if in.Recovered && !now.Enabled {
		return false // a boot does not start it either
	}
	return in.WasActive
}

// putBack puts the old generation in place and reports whether it is there.
func (r *run) putBack(ctx context.Context) bool {
	if err := r.putFiles(); err != nil {
		r.fails("putting %s back: %v", r.from.Version, err)
	}
	err := r.Manager.Reload(ctx)
	if err != nil {
		r.fails("%v", err)
	}
	r.loaded = err == nil
	if !r.inPlace() {
		return false
	}
	r.say("generation %d (%s) is in place", r.from.Number, r.from.Version)
	return true
}

func (r *run) inPlace() bool {
	meta, err := r.Files.Active(r.state.Unit)
	return err == nil && meta.Generation == r.from.Number
}

// present names the version in place.
func (r *run) present() string {
	meta, err := r.Files.Active(r.state.Unit)
	if err != nil {
		return "an unreadable unit"
	}
	return orElse(meta.Version, "an unnamed version")
}

// putFiles does not write a unit that is there: a full disk could refuse it.
// Settings that cannot be written do not keep the unit from being so.
func (r *run) putFiles() error {
	there := r.inPlace()
	old, err := r.Files.Read(r.instance, r.from.Number)
	if err != nil {
		if there {
			r.say("%v", err)
			return nil
		}
		return err
	}
	if !there || r.halfway(old) {
		if err := r.Files.putSettings(r.instance, old); err != nil {
			r.fails("putting the settings of %s back: %v", r.from.Version, err)
		}
	}
	if there {
		return nil
	}
	return r.Files.putUnit(r.state.Unit, old)
}

// halfway reports whether the settings in place are those of the new version,
// as an Activate leaves them that ended before its second write. Others are an
// edit by hand, and not for a roll to take back.
func (r *run) halfway(old Content) bool {
	now, err := os.ReadFile(r.Files.settingsPath(r.instance))
	if err != nil || bytes.Equal(now, old.Instance) {
		return false
	}
	next, err := r.Files.Read(r.instance, r.to.Number)
	return err == nil && bytes.Equal(now, next.Instance)
}

// abandon answers a request to stop. The old version is put back, and started
// again if the roll has stopped it, but not waited for: who asked waits, and a
// host that shuts down starts nothing any more. The context of the roll has
// ended, so it has its own.
func (r *run) abandon(ctx context.Context) (Outcome, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonTimeout)
	defer cancel()
	// Those of a way back that the request cut short.
	r.trouble, r.back.left, r.back.broken = nil, false, nil
	r.say("cancelled: putting %s back", r.from.Version)
	inPlace := r.putBack(ctx)
	if (r.interrupted || !r.stopped.IsZero()) && !r.restored {
		r.restart(ctx, inPlace)
	} else {
		r.giveBack(ctx)
	}
	r.holdBroken(ctx)
	result := Cancelled
	if !inPlace || r.undone() {
		result = Failed
		r.out.Situation = r.situation(ctx)
	}
	return r.finish(result, r.reason(cancelled))
}

// restart stops what runs under the unit file that was replaced and queues a
// start of the old version.
func (r *run) restart(ctx context.Context, inPlace bool) {
	now, err := r.Manager.Running(ctx, r.state.Unit)
	if err != nil {
		r.fails("%v", err)
	}
	if !r.wanted(now, err) {
		r.giveBack(ctx)
		return
	}
	// What runs under its own unit file need not make room for itself.
	if inPlace {
		stop, cancel := context.WithTimeout(ctx, abandonStop)
		defer cancel()
		if err := r.stop(stop); err != nil {
			r.fails("%v", err)
		}
	}
	r.giveBack(ctx)
	if r.back.broken != nil {
		r.fails("it was not started: %v", r.back.broken)
		return
	}
	if err := r.Manager.ResetFailed(ctx, r.state.Unit); err != nil {
		r.say("%v", err)
	}
	r.say("queueing a start of %s", r.state.Unit)
	for _, unit := range append([]string{r.state.Unit}, r.state.Intent.Dependents...) {
		if err := r.Manager.StartNoWait(ctx, unit); err != nil {
			r.say("%s was not started: %v", unit, err)
		}
	}
}

// fails says what went wrong on the way back and keeps it for the reason.
func (r *run) fails(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	r.trouble = append(r.trouble, line)
	r.say("%s", line)
}

func (r *run) reason(first string) string {
	return strings.Join(append([]string{first}, r.trouble...), "; ")
}
