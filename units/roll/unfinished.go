package roll

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrUnfinished is returned by Run when the way back did not come to its end:
// the data could not be put back. The intent stays, and another Run tries again.
var ErrUnfinished = errors.New("the way back is not over")

// ErrGivenUp is returned instead when it was tried often enough. The intent
// stays, for somebody to put the cause right and have it taken back.
var ErrGivenUp = errors.New("the way back was tried often enough, and is given up")

// retryWaits are the times before the second way back and those after it, for
// what may be over in a moment, such as a disk that is away. The node is down
// meanwhile; without an end it would be stopped and started for ever.
var retryWaits = []time.Duration{2 * time.Second, 10 * time.Second, 30 * time.Second}

// unfinished is the error of a way back that did not come to its end.
func (r *run) unfinished(reason string) error {
	tries := r.state.Intent.Tries
	if tries > len(retryWaits) {
		return fmt.Errorf("rolling %s back: %s: %w after %d times: %s is not started before it is taken back", r.instance, reason, ErrGivenUp, tries, r.state.Unit)
	}
	return fmt.Errorf("rolling %s back: %s: %w; it is tried again in %s", r.instance, reason, ErrUnfinished, retryWaits[tries-1])
}

// awaitRetry waits before a way back that is not the first. A request to stop
// ends the wait; the way back is then tried at once.
func (r *run) awaitRetry(ctx context.Context) {
	tries := r.state.Intent.Tries
	if tries == 0 || r.state.Intent.Recovered {
		return
	}
	wait := retryWaits[min(tries, len(retryWaits))-1]
	r.say("the way back did not come to its end %d times; it is tried again in %s", tries, wait)
	select {
	case <-ctx.Done():
	case <-time.After(wait):
	}
}
