package roll

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units"
)

// pollEvery is how often the gate looks.
const pollEvery = 100 * time.Millisecond

// ErrStopped says that somebody else stopped the node, or cancelled its start.
var ErrStopped = errors.New("it was stopped by somebody else")

// watch is one version before the gate.
type watch struct {
	*run
	meta    units.Meta
	gate    Gate
	before  string    // invocation that it must not have
	since   time.Time // the phase that it is in
	first   Running   // its process
	head    Head      // when it first gave the right answer
	up      time.Time // and when that was
	waiting bool      // it is in standby
	moved   bool      // along its chain, or need not
	met     bool      // peers, or need not
	why     string    // it is not further
	byHand  int       // times that somebody has restarted it meanwhile
}

// mostByHand is how often a node may be restarted by hand while it is judged.
const mostByHand = 3

// watch decides whether the version that was just started holds.
func (w *watch) watch(ctx context.Context) error {
	w.begin()
	for {
		now, err := w.Manager.Running(ctx, w.state.Unit)
		if err != nil {
			return err
		}
		done, err := w.look(ctx, now)
		// A request to stop makes all sorts of things fail.
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollEvery):
		}
	}
}

// begin waits for a process, and for all that it has to show.
func (w *watch) begin() {
	w.first, w.up, w.moved, w.met = Running{}, time.Time{}, false, false
	w.since, w.why = time.Now(), "the RPC did not answer"
}

// look takes one look, and reports whether the gate is passed.
func (w *watch) look(ctx context.Context, now Running) (bool, error) {
	if w.first.Invocation == "" {
		return false, w.invoked(now)
	}
	if now.ActiveState == "deactivating" {
		return false, nil // what it ends as says whether it crashed or was stopped
	}
	// systemd counts its own restarts, and begins anew when somebody starts it.
	if now.between() && now.Restarts <= w.first.Restarts || now.Invocation != w.first.Invocation && now.Restarts == 0 {
		return false, w.restarted()
	}
	if now.stopped() {
		return false, ErrStopped
	}
	if now.Invocation != w.first.Invocation || now.PID != w.first.PID || now.Restarts != w.first.Restarts {
		return false, w.fell(w.current(), fmt.Sprintf("the node %s and was restarted", orElse(now.Exit, "stopped")))
	}
	a := w.Probe(ctx, w.meta)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if a.Wrong {
		return false, w.fell(PhaseRPC, wrong(a, w.meta))
	}
	if w.up.IsZero() {
		return w.answers(a)
	}
	return w.holds(a)
}

// restarted judges it anew, whom somebody else restarts.
func (w *watch) restarted() error {
	if w.byHand == mostByHand {
		return w.fell(w.current(), "it is restarted over and over by somebody else")
	}
	w.byHand++
	w.say("it is restarted by somebody else, and judged anew")
	w.before = w.first.Invocation
	w.begin()
	return nil
}

// current is the phase that it is in.
func (w *watch) current() string {
	switch {
	case w.up.IsZero():
		return PhaseRPC
	case !w.moved:
		return PhaseProgress
	case !w.met:
		return PhasePeers
	}
	return PhaseSettle
}

// invoked waits for a process that is not the one before.
func (w *watch) invoked(now Running) error {
	if now.Invocation != "" && now.Invocation != w.before && now.PID != 0 {
		w.first, w.since = now, time.Now()
		w.pass(PhaseInvocation, Passed, "invocation %s, pid %d", now.Invocation, now.PID)
		return nil
	}
	// Its start job was done, so it ran; a unit whose conditions do not hold
	// keeps the invocation before. One that is not enabled systemd forgets when
	// it is stopped, and its invocation.
	if now.stopped() && (now.Invocation != w.before || w.byHand > 0) {
		return ErrStopped
	}
	if time.Since(w.since) <= w.gate.Start {
		return nil
	}
	text := "the unit has not started: " + now.ActiveState
	if now.Exit != "" {
		text += ", the node " + now.Exit
	}
	return w.fell(PhaseInvocation, text)
}

// answers waits for the RPC.
func (w *watch) answers(a Answer) (bool, error) {
	if a.Healthy {
		w.up, w.head = time.Now(), a.Head
		w.pass(PhaseRPC, Passed, "RPC answers as %s", orElse(a.Version, "an unnamed version"))
		w.moved = !a.Follows
		return w.holds(a)
	}
	w.why = orElse(a.Reason, w.why)
	if time.Since(w.since) <= w.gate.Timeout {
		return false, nil
	}
	switch {
	case a.Standby && w.mayWait():
		w.waiting = true
		w.pass(PhaseRPC, Waiting, "it is in standby: %s", w.why)
		return true, nil
	case w.state.Intent.Before.Silent:
		w.pass(PhaseRPC, Waived, "not healthy within %s: %s; nor was %s before the roll", w.gate.Timeout, w.why, w.from.Version)
		return true, nil
	}
	return false, w.fell(PhaseRPC, fmt.Sprintf("not healthy within %s: %s", w.gate.Timeout, w.why))
}

// mayWait reports whether standby is what to expect. Rollups change with major
// versions: within one, a node that followed its rollup and does not any more
// is worse than before.
func (w *watch) mayWait() bool {
	return w.state.Intent.Before.Silent || major(w.from.Version) != major(w.to.Version)
}

// holds waits until it moves, has peers, and has stayed what it is.
func (w *watch) holds(a Answer) (bool, error) {
	up := time.Since(w.up)
	if a.Standby {
		return false, w.fell(w.current(), "it answered as it should, and then shut down what is behind its RPC")
	}
	if !a.Healthy {
		w.why = orElse(a.Reason, w.why)
	}
	if !w.moved {
		if err := w.progress(a, up); err != nil {
			return false, err
		}
	}
	if !w.met {
		if err := w.peers(a, up); err != nil {
			return false, err
		}
	}
	switch {
	case w.moved && w.met && a.Healthy && up >= w.gate.Settle:
		w.pass(PhaseSettle, Passed, "pid %d unchanged for %.0f s", w.first.PID, up.Seconds())
		return true, nil
	case w.moved && w.met && !a.Healthy && up > w.gate.Settle+max(w.gate.Progress, w.gate.Peers):
		return false, w.fell(PhaseSettle, fmt.Sprintf("did not stay healthy for %s: %s", w.gate.Settle, w.why))
	}
	return false, nil
}

func (w *watch) progress(a Answer, up time.Duration) error {
	if moved := a.Head.beyond(w.head); a.Healthy && moved != "" {
		w.moved = true
		w.pass(PhaseProgress, Passed, "it moves along the chain: %s", moved)
		return nil
	}
	if up <= w.gate.Progress {
		return nil
	}
	text := fmt.Sprintf("no progress within %s: at %s all the time", w.gate.Progress, w.head)
	if !a.Healthy {
		text = fmt.Sprintf("no progress within %s: %s", w.gate.Progress, w.why)
	}
	if !w.state.Intent.Before.Stuck {
		return w.fell(PhaseProgress, text)
	}
	w.moved = true
	w.pass(PhaseProgress, Waived, "%s; nor did %s move before the roll", text, w.from.Version)
	return nil
}

func (w *watch) peers(a Answer, up time.Duration) error {
	switch {
	case !a.Healthy:
	case !a.P2P:
		w.met = true
		return nil
	case a.Peers == nil: // a version that has no such method is not held for it
		w.met = true
		w.pass(PhasePeers, Passed, "it does not say how many peers it has")
		return nil
	case *a.Peers > 0:
		w.met = true
		w.pass(PhasePeers, Passed, "it has peers: %d", *a.Peers)
		return nil
	}
	if up <= w.gate.Peers {
		return nil
	}
	text := fmt.Sprintf("no peers within %s", w.gate.Peers)
	if !w.state.Intent.Before.Alone {
		return w.fell(PhasePeers, text)
	}
	w.met = true
	w.pass(PhasePeers, Waived, "%s; nor had %s any before the roll", text, w.from.Version)
	return nil
}

// pass records a phase that is behind it.
func (w *watch) pass(name, result, format string, args ...any) {
	w.run.phase(name, result, fmt.Sprintf(format, args...))
}

// fell records the phase that it did not pass, and returns why.
func (w *watch) fell(name, why string) error {
	w.run.phase(name, Fell, why)
	return errors.New(why)
}

func wrong(a Answer, meta units.Meta) string {
	says, want := orElse(a.Version, "something else"), orElse(meta.Version, "what was installed")
	text := fmt.Sprintf("it answers as %s, not as %s", says, want)
	if says == want {
		text = fmt.Sprintf("it answers as %s, but is not what was installed", says)
	}
	if a.Reason != "" {
		text += ": " + a.Reason
	}
	return text
}
