package roll

import (
	"context"
	"fmt"
	"time"
)

// settled reports whether nothing is to be done, or looked at, while no version
// runs, where the data stay as they are.
func (r *run) settled() bool {
	d, err := r.openData()
	if d == nil || err != nil {
		return err == nil
	}
	defer d.Close()
	// Until it stops, the old version may still begin to sign.
	p := r.state.Intent.Data
	is, err := d.Settled()
	return err == nil && is && p.FromSigns <= p.ToSigns
}

// replace stops the old version and starts the new one, by one job. Who stops the
// node meanwhile cancels that. If we stopped it and then started it, a stop of
// somebody else's would be one job with ours, and the start would undo it. A node
// that is stopping may also have ended by itself: what it ends as says which.
func (r *run) replace(ctx context.Context) error {
	// A job that is not even asked for disturbs nothing.
	if err := ctx.Err(); err != nil {
		return err
	}
	r.stopped = time.Now()
	r.started = r.stopped
	for {
		before, err := r.standing(ctx)
		switch {
		case err != nil:
			return err
		case before.Outdated: // there is nothing to stop, and a restart leaves it down
			r.tried = true
			return r.start(ctx)
		case before.down():
			return ErrStopped
		}
		if done, err := r.restartOnce(ctx, before); done || err != nil {
			return err
		}
	}
}

// restartOnce reports whether the node was restarted. If not, it was stopping, or
// is down, before the job came to it.
func (r *run) restartOnce(ctx context.Context, before Running) (bool, error) {
	// If it matters that this failed, the start fails and says why.
	if err := r.Manager.ResetFailed(ctx, r.state.Unit); err != nil {
		r.say("%v", err)
	}
	r.say("restarting %s", r.state.Unit)
	limited, cancel := context.WithCancel(ctx)
	defer cancel()
	var gone time.Time // the old version, which may take long to stop
	err := r.Manager.TryRestart(limited, r.state.Unit, func() {
		if !gone.IsZero() {
			if time.Since(gone) > r.state.Intent.Gate.Start {
				cancel()
			}
			return
		}
		if now, err := r.Manager.Running(limited, r.state.Unit); err == nil && (now.down() || now.Invocation != before.Invocation) {
			gone = time.Now()
			r.say("stopped after %.0f s", gone.Sub(r.stopped).Seconds())
		}
	})
	now, lost := r.Manager.Running(ctx, r.state.Unit)
	left := lost == nil && now.Invocation == before.Invocation
	r.tried = r.tried || !left || now.down()
	switch {
	case err != nil:
		return false, r.notStarted(ctx, err, limited.Err() != nil)
	case left && now.Outdated, left && !now.Unmet && (now.down() || now.ActiveState == "deactivating"):
		return false, nil
	}
	r.phase(PhaseJob, Passed, fmt.Sprintf("restart job done after %.1f s", time.Since(r.started).Seconds()))
	return true, nil
}

// standing is what the unit does once it is not stopping, nor between that and a
// start, whoever does it.
func (r *run) standing(ctx context.Context) (Running, error) {
	for {
		now, err := r.Manager.Running(ctx, r.state.Unit)
		if err != nil || !now.between() {
			return now, err
		}
		select {
		case <-ctx.Done():
			return now, ctx.Err()
		case <-time.After(pollEvery):
		}
	}
}
