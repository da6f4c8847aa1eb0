package manager

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// DefaultTimeout bounds the wait for a job: longer than any TimeoutStartSec=
// and TimeoutStopSec= of a generated unit together, so that systemd's own
// verdict comes first.
const DefaultTimeout = 15 * time.Minute

const (
	// cancelTimeout is how long a job that was given up may take to go.
	cancelTimeout = 5 * time.Second
	// waitEvery is how often OnWait is told, and the connection looked at.
	waitEvery = time.Second
)

// jobMode lets the new job replace a queued one that conflicts, as systemctl
// does by default.
const jobMode = "replace"

// Option changes how a job is waited for.
type Option func(*wait)

type wait struct {
	began   time.Time
	timeout time.Duration
	onWait  func(elapsed time.Duration)
	onEnd   func()
	every   time.Duration
	goesOn  bool
}

// OnWait has f called about every second while the job is not done, with the
// time since it was asked for. f runs on the caller's goroutine.
func OnWait(f func(elapsed time.Duration)) Option { return func(w *wait) { w.onWait = f } }

// OnEnd has f called when the wait is over, however it ended.
func OnEnd(f func()) Option { return func(w *wait) { w.onEnd = f } }

// Timeout bounds the wait instead of DefaultTimeout.
func Timeout(d time.Duration) Option { return func(w *wait) { w.timeout = d } }

// GoesOn leaves a job be that is given up. A restart that is cancelled once it has
// begun leaves the unit down: only its stop is done still.
func GoesOn() Option { return func(w *wait) { w.goesOn = true } }

// Start starts a unit and waits for the end of the job. A job that did not
// end as done is a *JobError. When ctx or the timeout ends first, the job is
// cancelled, unless GoesOn is given, and the error is that of the context
// (context.Canceled or context.DeadlineExceeded); a unit that was already
// starting is then left as it is, which may be halfway (activating).
func (m *Manager) Start(ctx context.Context, unit string, opts ...Option) error {
	return m.job(ctx, "start", unit, m.bus.StartUnitContext, opts)
}

// Stop stops a unit and waits until it is gone; see Start. Stopping a unit
// that does not run is done at once.
func (m *Manager) Stop(ctx context.Context, unit string, opts ...Option) error {
	return m.job(ctx, "stop", unit, m.bus.StopUnitContext, opts)
}

// Restart stops a unit if it runs and starts it; see Start.
func (m *Manager) Restart(ctx context.Context, unit string, opts ...Option) error {
	return m.job(ctx, "restart", unit, m.bus.RestartUnitContext, opts)
}

// TryRestart restarts a unit if it runs; see Start. One that does not, or that
// somebody has asked to stop, is left so.
func (m *Manager) TryRestart(ctx context.Context, unit string, opts ...Option) error {
	return m.job(ctx, "restart", unit, m.bus.TryRestartUnitContext, opts)
}

// StartNoWait queues the start of a unit and returns: the job goes on after
// the caller has ended.
func (m *Manager) StartNoWait(ctx context.Context, unit string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if _, err := m.bus.StartUnitContext(ctx, unit, jobMode, nil); err != nil && !errors.Is(err, errHeard) {
		return fmt.Errorf("starting %s: %w", unit, explain(err, callTimeout))
	}
	return nil
}

type enqueue func(ctx context.Context, name, mode string, ch chan<- string) (int, error)

func (m *Manager) job(ctx context.Context, verb, unit string, call enqueue, opts []Option) error {
	w := wait{began: time.Now(), timeout: DefaultTimeout, every: waitEvery}
	for _, o := range opts {
		o(&w)
	}
	if w.onEnd != nil {
		defer w.onEnd()
	}
	// One place in the channel: go-systemd delivers results one after the
	// other and would otherwise wait for a reader that has given up.
	result := make(chan string, 1)
	alive := m.bus.alive()
	callCtx, cancel := context.WithTimeout(ctx, callTimeout)
	id, err := call(callCtx, unit, jobMode, result)
	cancel()
	var r JobResult
	switch {
	case err == nil:
		r, err = m.await(ctx, w, uint32(id), result, alive)
	case !errors.Is(err, errHeard):
		return fmt.Errorf("%s %s: %w", gerund(verb), unit, explain(err, callTimeout))
	}
	if errors.Is(err, errLost) || errors.Is(err, errHeard) {
		r, err = m.rejoin(ctx, w, verb, unit, uint32(id))
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", gerund(verb), unit, err)
	}
	if r == Done {
		return nil
	}
	failure := &JobError{Unit: unit, Verb: verb, Result: r}
	if r == Failed {
		if s, err := m.State(ctx, unit); err == nil {
			failure.UnitResult = s.Result
		}
	}
	return failure
}

// await waits for the result of a job, and cancels the job when it gives up. It
// returns errLost once the connection over which the result comes is not alive.
func (m *Manager) await(ctx context.Context, w wait, id uint32, result <-chan string, alive func() bool) (JobResult, error) {
	limit := time.NewTimer(time.Until(w.began.Add(w.timeout)))
	defer limit.Stop()
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	for {
		select {
		case r := <-result:
			return JobResult(r), nil
		case <-ctx.Done():
			return m.giveUp(ctx, w, id, result, ctx.Err())
		case <-limit.C:
			return m.giveUp(ctx, w, id, result, fmt.Errorf("no result within %s: %w", w.timeout, context.DeadlineExceeded))
		case <-tick.C:
			if !alive() {
				return "", errLost
			}
			if w.onWait != nil {
				w.onWait(time.Since(w.began))
			}
		}
	}
}

// giveUp cancels a job and returns why. If the job was done before it could
// be cancelled, that is what counts: the unit has changed.
func (m *Manager) giveUp(ctx context.Context, w wait, id uint32, result <-chan string, why error) (JobResult, error) {
	if w.goesOn {
		return "", fmt.Errorf("%w; the job goes on", why)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelTimeout)
	defer cancel()
	// NoSuchJob: it has just ended, and its result is on the way.
	if err := m.bus.cancelJob(ctx, id); err != nil && errorName(err) != nameNoJob {
		return "", fmt.Errorf("%w; the job goes on, cancelling it failed: %w", why, explain(err, cancelTimeout))
	}
	if result == nil { // over a connection that was lost
		return "", fmt.Errorf("%w; the job was cancelled", why)
	}
	select {
	case r := <-result:
		if JobResult(r) == Canceled {
			return "", fmt.Errorf("%w; the job was cancelled", why)
		}
		return JobResult(r), nil
	case <-ctx.Done():
		return "", fmt.Errorf("%w; systemd did not say how the job ended", why)
	}
}

// rejoinTimeout is how long a job is waited for that nothing is known of: no
// connection to systemd can be made.
const rejoinTimeout = 30 * time.Second

// rejoin waits for the end of a job whose result does not come any more. Once
// the unit has no job, what it does says how the job ended; who has cancelled it
// is not known.
func (m *Manager) rejoin(ctx context.Context, w wait, verb, unit string, id uint32) (JobResult, error) {
	limit := time.NewTimer(time.Until(w.began.Add(w.timeout)))
	defer limit.Stop()
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	for seen := time.Now(); ; {
		s, err := m.State(ctx, unit)
		switch {
		case err == nil && !s.Job:
			return ended(verb, s), nil
		case err == nil:
			seen = time.Now()
		case ctx.Err() == nil && time.Since(seen) > rejoinTimeout:
			return "", fmt.Errorf("%w; the job may go on: %w", errLost, err)
		}
		select {
		case <-ctx.Done():
			return m.giveUp(ctx, w, id, nil, ctx.Err())
		case <-limit.C:
			return m.giveUp(ctx, w, id, nil, fmt.Errorf("no result within %s: %w", w.timeout, context.DeadlineExceeded))
		case <-tick.C:
			if w.onWait != nil {
				w.onWait(time.Since(w.began))
			}
		}
	}
}

// ended is how a job has ended that has left a unit so.
func ended(verb string, s UnitState) JobResult {
	runs := s.ActiveState == "active" || s.ActiveState == "reloading"
	gone := s.Down()
	// One that ends at once runs no more, and has failed if it was killed, by a stop
	// too (systemd.service(5), SuccessExitStatus=).
	over := s.Type == "oneshot" && s.ActiveState == "inactive" && s.Result == "success"
	if verb == "stop" && gone || verb != "stop" && (runs || over) {
		return Done
	}
	return Failed
}
