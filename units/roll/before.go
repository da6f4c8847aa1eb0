package roll

import (
	"context"
	"strings"
	"time"
)

// restless is how long an old version that is not at the tip is looked at, to
// see whether it moves. It runs meanwhile.
const restless = 10 * time.Second

// health is how the old version is before it is stopped.
func (r *run) health(ctx context.Context) Before {
	meta, err := r.Files.Active(r.state.Unit)
	if err != nil {
		return Before{} // the gate spares nothing that is not known
	}
	a := r.Probe(ctx, meta)
	if !a.Healthy {
		b := Before{Silent: true, Stuck: true, Alone: true, Why: orElse(a.Reason, "it did not answer as it should")}
		r.say("before: %s is not healthy: %s", r.from.Version, b.Why)
		return b
	}
	b := Before{Alone: a.alone()}
	if b.Alone {
		r.say("before: %s has no peers", r.from.Version)
	}
	if a.AtTip || !a.Follows {
		return b
	}
	b.Why = a.Reason
	b.Stuck = !r.moves(ctx, a.Head, min(restless, r.state.Intent.Gate.Progress))
	moves := "and moves"
	if b.Stuck {
		moves = "and does not move"
	}
	r.say("before: %s is not at the tip, %s: %s", r.from.Version, moves, b.Why)
	return b
}

// moves reports whether the node in place gets further within a time.
func (r *run) moves(ctx context.Context, head Head, within time.Duration) bool {
	meta, err := r.Files.Active(r.state.Unit)
	for end := time.Now().Add(within); err == nil && time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pollEvery):
		}
		if a := r.Probe(ctx, meta); a.Healthy && a.Head.beyond(head) != "" {
			return true
		}
	}
	return false
}

// major is the first number of a version, or all of what is none.
func major(version string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	return first
}
