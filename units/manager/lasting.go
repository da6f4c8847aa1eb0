package manager

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	systemd "github.com/coreos/go-systemd/v22/dbus"
)

// lasting is a bus that is opened again when its connection is lost, as by a
// restart of dbus-daemon. What waits for systemd then, a roll that has stopped
// its node for instance, goes on.
type lasting struct {
	open func(ctx context.Context) (bus, error)

	mu     sync.Mutex
	now    bus
	closed bool
}

// there is the connection, opened again if it was lost.
func (l *lasting) there(ctx context.Context) (bus, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.now.Connected() {
		return l.now, nil
	}
	b, err := l.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errLost, err)
	}
	l.now.Close()
	l.now = b
	return b, nil
}

// again makes a call, and makes it again where the connection was lost in the
// middle of it, or systemd was away, as while it replaces itself. Whether it has
// heard the first is not known, so it is for calls that come to the same when
// they are made twice.
func again[T any](ctx context.Context, l *lasting, call func(b bus) (T, error)) (T, error) {
	for began := time.Now(); ; {
		b, err := l.there(ctx)
		if err != nil {
			var none T
			return none, err
		}
		v, err := call(b)
		if err == nil || b.Connected() && !away(err) || time.Since(began) > awayFor {
			return v, err
		}
		select {
		case <-ctx.Done():
			return v, err
		case <-time.After(againAfter):
		}
	}
}

const (
	// awayFor is longer than systemd takes to replace itself (systemctl
	// daemon-reexec, as an upgrade of it does): a fraction of a second.
	awayFor    = 10 * time.Second
	againAfter = 50 * time.Millisecond
)

// away reports whether systemd was not on the bus, or has left it before it
// answered: "Message recipient disconnected from message bus without replying".
func away(err error) bool {
	name := errorName(err)
	return name == nameNoReply || name == nameNoOwner || name == nameNoService || strings.HasPrefix(name, nameNoSpawn)
}

// againErr is again for calls without a result.
func againErr(ctx context.Context, l *lasting, call func(b bus) error) error {
	_, err := again(ctx, l, func(b bus) (struct{}, error) { return struct{}{}, call(b) })
	return err
}

func (l *lasting) StartUnitContext(ctx context.Context, name, mode string, ch chan<- string) (int, error) {
	return l.once(ctx, name, func(b bus) (int, error) { return b.StartUnitContext(ctx, name, mode, ch) })
}

func (l *lasting) StopUnitContext(ctx context.Context, name, mode string, ch chan<- string) (int, error) {
	return again(ctx, l, func(b bus) (int, error) { return b.StopUnitContext(ctx, name, mode, ch) })
}

func (l *lasting) RestartUnitContext(ctx context.Context, name, mode string, ch chan<- string) (int, error) {
	return l.once(ctx, name, func(b bus) (int, error) { return b.RestartUnitContext(ctx, name, mode, ch) })
}

func (l *lasting) TryRestartUnitContext(ctx context.Context, name, mode string, ch chan<- string) (int, error) {
	return l.once(ctx, name, func(b bus) (int, error) { return b.TryRestartUnitContext(ctx, name, mode, ch) })
}

// once is again for a call that must not be carried out twice: that would be two
// restarts, or two runs of what ends at once. So the unit is looked at before it is made again. What has a job now
// that it had not, or runs anew, systemd was told of: then the error is errHeard,
// and the number that of the job, or 0 if that is over.
func (l *lasting) once(ctx context.Context, unit string, call func(b bus) (int, error)) (int, error) {
	before, err := l.GetAllPropertiesContext(ctx, unit)
	if err != nil {
		return 0, err
	}
	calls := 0
	return again(ctx, l, func(b bus) (int, error) {
		if calls++; calls > 1 {
			now, err := b.GetAllPropertiesContext(ctx, unit)
			if err != nil {
				return 0, err
			}
			job := jobOf(now)
			if job != 0 && job != jobOf(before) || invocation(now) != invocation(before) {
				return int(job), errHeard
			}
		}
		return call(b)
	})
}

func (l *lasting) ReloadContext(ctx context.Context) error {
	return againErr(ctx, l, func(b bus) error { return b.ReloadContext(ctx) })
}

func (l *lasting) ResetFailedUnitContext(ctx context.Context, name string) error {
	return againErr(ctx, l, func(b bus) error { return b.ResetFailedUnitContext(ctx, name) })
}

// EnableUnitFilesContext says that there is something to read where the call was
// made again: what the first has changed is not known.
func (l *lasting) EnableUnitFilesContext(ctx context.Context, files []string, runtime, force bool) (bool, []systemd.EnableUnitFileChange, error) {
	var changes []systemd.EnableUnitFileChange
	calls := 0
	installable, err := again(ctx, l, func(b bus) (installable bool, err error) {
		calls++
		installable, changes, err = b.EnableUnitFilesContext(ctx, files, runtime, force)
		return installable, err
	})
	if calls > 1 {
		changes = append(changes, systemd.EnableUnitFileChange{Filename: unitDir + "/" + files[0]})
	}
	return installable, changes, err
}

// DisableUnitFilesContext is as EnableUnitFilesContext.
func (l *lasting) DisableUnitFilesContext(ctx context.Context, files []string, runtime bool) ([]systemd.DisableUnitFileChange, error) {
	calls := 0
	changes, err := again(ctx, l, func(b bus) ([]systemd.DisableUnitFileChange, error) {
		calls++
		return b.DisableUnitFilesContext(ctx, files, runtime)
	})
	if calls > 1 {
		changes = append(changes, systemd.DisableUnitFileChange{Filename: unitDir + "/" + files[0]})
	}
	return changes, err
}

// unitDir is where links of enabled units are below.
const unitDir = "/etc/systemd/system"

func (l *lasting) ListUnitsByPatternsContext(ctx context.Context, states, patterns []string) ([]systemd.UnitStatus, error) {
	return again(ctx, l, func(b bus) ([]systemd.UnitStatus, error) {
		return b.ListUnitsByPatternsContext(ctx, states, patterns)
	})
}

func (l *lasting) GetAllPropertiesContext(ctx context.Context, unit string) (map[string]any, error) {
	return again(ctx, l, func(b bus) (map[string]any, error) { return b.GetAllPropertiesContext(ctx, unit) })
}

func (l *lasting) cancelJob(ctx context.Context, id uint32) error {
	return againErr(ctx, l, func(b bus) error { return b.cancelJob(ctx, id) })
}

func (l *lasting) unitFileState(ctx context.Context, name string) (string, error) {
	return again(ctx, l, func(b bus) (string, error) { return b.unitFileState(ctx, name) })
}

func (l *lasting) property(ctx context.Context, name string) (string, error) {
	return again(ctx, l, func(b bus) (string, error) { return b.property(ctx, name) })
}

// Connected reports whether there is a connection at the moment.
func (l *lasting) Connected() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now.Connected()
}

// alive is of the connection that there is now: the results of jobs come over
// the one that they were asked for by.
func (l *lasting) alive() func() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now.Connected
}

func (l *lasting) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.now.Close()
}

var (
	errLost  = errors.New("the connection to systemd was lost")
	errHeard = errors.New("systemd has the job, and its result does not come")
)
