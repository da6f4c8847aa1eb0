package roll

import (
	"cmp"
	"time"
)

// Gate is how long a version may take for each phase of proving itself.
// Progress and peers are waited for at the same time.
type Gate struct {
	Start    time.Duration `json:"start_ns"`    // until its start job is done and it has a process
	Timeout  time.Duration `json:"timeout_ns"`  // then, until its RPC answers as what was installed
	Progress time.Duration `json:"progress_ns"` // then, until it moves along its chain
	Peers    time.Duration `json:"peers_ns"`    // until it has one, where P2P is on
	Settle   time.Duration `json:"settle_ns"`   // for which it must stay the same process
}

// DefaultGate leaves, with two stops and the way back, a good part of an epoch
// (38 min on mainnet): a node that is down for an epoch is slashed. Without
// L1, or without anybody who proposes, nothing moves: three slots of mainnet
// (72 s) are enough to see one. A node that ends half a minute after its start,
// when a deadline of its own is over, does not settle; one that does is not
// down meanwhile.
var DefaultGate = Gate{
	Start: time.Minute, Timeout: 5 * time.Minute, Progress: 4 * time.Minute, Peers: 2 * time.Minute, Settle: 45 * time.Second,
}

// Total is how long a version may take for all of it.
func (g Gate) Total() time.Duration { return g.Start + g.Timeout + max(g.Progress, g.Peers) + g.Settle }

// Within returns the gate with limit for the RPC, and no more than that for
// what comes after it.
func (g Gate) Within(limit time.Duration) Gate {
	g.Timeout, g.Progress, g.Peers = limit, min(g.Progress, limit), min(g.Peers, limit)
	return g
}

// filled returns the gate with defaults for what an older program did not
// record.
func (g Gate) filled() Gate {
	limit := cmp.Or(g.Timeout, DefaultGate.Timeout)
	g.Timeout = limit
	g.Start = cmp.Or(g.Start, DefaultGate.Start)
	g.Progress = cmp.Or(g.Progress, min(DefaultGate.Progress, limit))
	g.Peers = cmp.Or(g.Peers, min(DefaultGate.Peers, limit))
	return g
}

// Running is what the service manager says about a unit.
type Running struct {
	ActiveState string
	SubState    string
	Invocation  string // changes with every start
	PID         uint32
	Restarts    uint32
	Exit        string // how the main process ended last, in words; empty if it did not
	Enabled     bool   // starts at boot
	Outdated    bool   // it is down because the node wants to be another version
	Halted      bool   // it has failed while somebody stopped it
	Queued      bool   // a job for it is queued or under way
	Unmet       bool   // a condition of the unit did not hold when it was to be started last
}

// stopped reports whether somebody has stopped it: with Restart=always it never
// ends up so of its own accord.
func (r Running) stopped() bool {
	return (r.ActiveState == "inactive" && r.SubState == "dead" || r.Halted) && !r.Queued
}

// down reports whether it does not run, and systemd does not see to that.
func (r Running) down() bool { return r.ActiveState == "inactive" || r.ActiveState == "failed" }

// between reports whether it is stopping, or is stopped and about to start, as in
// the middle of a restart: what it starts after may take a moment.
func (r Running) between() bool { return r.ActiveState == "deactivating" || r.down() && r.Queued }

// Answer is what the node says about itself.
type Answer struct {
	Version string // as it calls itself, for texts only; may be empty
	Reason  string // why it is not healthy
	Healthy bool   // the version is the one wanted, on the chain wanted; it may be syncing
	AtTip   bool   // and it has nothing left to do for that
	Wrong   bool   // it answers as something else than was installed: waiting is in vain
	Standby bool   // it runs, and waits for a rollup that it can follow
	Follows bool   // it is of a kind that follows a chain
	Head    Head   // how far it is
	P2P     bool   // it should have peers
	Peers   *int   // that it has; nil: it does not say
}

// alone reports whether it has no peers and should.
func (a Answer) alone() bool { return a.P2P && a.Peers != nil && *a.Peers == 0 }

// Before is what the old version did not do before it was stopped. It is not
// held against the new one that it does not do it either: an update may be the
// cure for it, and without L1 nothing moves in any version.
type Before struct {
	Silent bool   `json:"silent,omitempty"` // answer as what it is
	Stuck  bool   `json:"stuck,omitempty"`  // move along its chain
	Alone  bool   `json:"alone,omitempty"`  // have peers
	Why    string `json:"why,omitempty"`    // it was not healthy
}

// Phases of the gate.
const (
	PhaseJob        = "job"        // its start job is done
	PhaseInvocation = "invocation" // and what runs is not what ran before
	PhaseRPC        = "rpc"        // it answers as what was installed
	PhaseProgress   = "progress"   // and moves along its chain
	PhasePeers      = "peers"
	PhaseSettle     = "settle" // and is the same process for a while
)

// Results of phases, beside Waiting.
const (
	Passed = "passed"
	Waived = "waived" // the old version did not pass it before the roll either
	Fell   = "failed"
)

// Phase is what became of one phase, for one of the two versions.
type Phase struct {
	Version  string  `json:"version"`
	Name     string  `json:"name"`
	Result   string  `json:"result"`
	Evidence string  `json:"evidence"`
	Seconds  float64 `json:"seconds"` // since the start was asked for
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
