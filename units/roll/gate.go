package roll

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units"
)

// Gate is how long a version may take to prove itself.
type Gate struct {
	Timeout time.Duration `json:"timeout_ns"` // until its RPC answers
	Settle  time.Duration `json:"settle_ns"`  // for which it must then stay the same process
}

// DefaultGate leaves, with stop and way back, most of an epoch (38 min on
// mainnet): a node that is down for an epoch is slashed.
var DefaultGate = Gate{Timeout: 5 * time.Minute, Settle: 5 * time.Second}

// Running is what the service manager says about a unit.
type Running struct {
	ActiveState string
	SubState    string
	Invocation  string // changes with every start
	PID         uint32
	Restarts    uint32
	Exit        string // how the main process ended last, in words; empty if it did not
	Enabled     bool   // starts at boot
}

// Answer is what the node says about itself.
type Answer struct {
	Version string // as it calls itself, for texts only; may be empty
	Reason  string // why it is not healthy
	Healthy bool   // the version is the one wanted, on the chain wanted
	Wrong   bool   // it answers as something else than was installed: waiting is in vain
}

// pollEvery is how often the gate looks.
const pollEvery = 250 * time.Millisecond

// watch decides whether the version that was just started holds. before is
// the invocation that ran until now. It returns when the RPC first gave the
// right answer, and the evidence line by line through say.
func (e *Engine) watch(ctx context.Context, unit string, meta units.Meta, before string, g Gate) (time.Time, error) {
	deadline := time.Now().Add(g.Timeout)
	var first Running
	var up time.Time
	why := "the RPC did not answer"
	for {
		now, err := e.Manager.Running(ctx, unit)
		if err != nil {
			return up, err
		}
		if first.Invocation == "" && now.Invocation != "" && now.Invocation != before && now.PID != 0 {
			first = now
			e.say("invocation %s, pid %d", first.Invocation, first.PID)
		}
		switch {
		case first.Invocation == "":
			why = "the unit has not started: " + now.ActiveState
			if now.Exit != "" {
				why += ", the node " + now.Exit
			}
		case now.Invocation != first.Invocation || now.PID != first.PID || now.Restarts != first.Restarts:
			return up, fmt.Errorf("the node %s and was restarted", orElse(now.Exit, "stopped"))
		default:
			a := e.Probe(ctx, meta)
			switch {
			case a.Wrong:
				return up, wrong(a, meta)
			case a.Healthy && up.IsZero():
				up = time.Now()
				e.say("RPC answers as %s", orElse(a.Version, "an unnamed version"))
			case a.Healthy && time.Since(up) >= g.Settle:
				e.say("pid %d unchanged for %s", first.PID, g.Settle)
				return up, nil
			case !a.Healthy:
				why = orElse(a.Reason, why)
			}
		}
		if up.IsZero() && time.Now().After(deadline) {
			return up, fmt.Errorf("not healthy within %s: %s", g.Timeout, why)
		}
		if !up.IsZero() && time.Since(up) > g.Settle+g.Timeout {
			return up, fmt.Errorf("did not stay healthy for %s: %s", g.Settle, why)
		}
		select {
		case <-ctx.Done():
			return up, ctx.Err()
		case <-time.After(pollEvery):
		}
	}
}

func wrong(a Answer, meta units.Meta) error {
	text := fmt.Sprintf("it answers as %s, not as %s", orElse(a.Version, "something else"), orElse(meta.Version, "what was installed"))
	if a.Reason != "" {
		text += ": " + a.Reason
	}
	return errors.New(text)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
