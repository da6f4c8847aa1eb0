package roll

import (
	"context"
	"fmt"
	"time"
)

// BusyPlan is how long a roll waits for a node that must not be stopped at the
// moment. The zero BusyPlan does not wait, and does not ask.
type BusyPlan struct {
	Wait time.Duration `json:"wait_ns,omitempty"`
	// GiveUp ends the roll when the node is busy still; else it goes on.
	GiveUp bool `json:"give_up,omitempty"`
}

// askBusyEvery is how often a busy node is asked again.
const askBusyEvery = 2 * time.Second

// waitIdle waits until the node is not busy, as far as it says. It returns
// what it is busy with if the roll is to end. Nothing has begun yet.
func (r *run) waitIdle(ctx context.Context) string {
	p := r.state.Intent.Busy
	if r.Busy == nil || p.Wait <= 0 || !r.state.Intent.WasActive {
		return ""
	}
	meta, err := r.Files.Active(r.state.Unit)
	if err != nil {
		return "" // what follows says it
	}
	deadline := time.Now().Add(p.Wait)
	for said := ""; ; {
		why := r.Busy(ctx, meta)
		switch {
		case why == "" && said == "":
			return ""
		case why == "":
			r.say("it is not busy any more")
			return ""
		case ctx.Err() != nil:
			return ""
		case !time.Now().Before(deadline) && p.GiveUp:
			return fmt.Sprintf("it was busy for %s: %s", p.Wait, why)
		case !time.Now().Before(deadline):
			r.say("it is busy still after %s (%s): going on", p.Wait, why)
			return ""
		case why != said:
			r.say("waiting up to %s: %s", time.Until(deadline).Round(time.Second), why)
			said = why
		}
		select {
		case <-ctx.Done():
			return ""
		case <-time.After(min(askBusyEvery, max(time.Until(deadline), 0))):
		}
	}
}
