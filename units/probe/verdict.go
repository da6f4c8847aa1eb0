package probe

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// tip is a block in an answer about tips: up to version 3 {number}, later
// {block: {number}, checkpoint: {number}}.
type tip struct {
	Number *number `json:"number"`
	Block  *struct {
		Number *number `json:"number"`
	} `json:"block"`
	Checkpoint *struct {
		Number *number `json:"number"`
	} `json:"checkpoint"`
}

func (t *tip) block() (uint64, bool) {
	switch {
	case t == nil:
	case t.Number != nil:
		return t.Number.value, true
	case t.Block != nil && t.Block.Number != nil:
		return t.Block.Number.value, true
	}
	return 0, false
}

// askTips asks for the heads of the chain. The method was renamed in 5.
func (e *examination) askTips(ctx context.Context) {
	var tips struct {
		Proposed     *tip `json:"proposed"` // from 4
		Latest       *tip `json:"latest"`   // up to 3
		Proven       *tip `json:"proven"`
		Checkpointed *tip `json:"checkpointed"` // from 4
	}
	methods := []string{e.prefix + "_getL2Tips", e.prefix + "_getChainTips"}
	if e.prefix == "aztec" {
		methods[0], methods[1] = methods[1], methods[0]
	}
	var err error
	for _, m := range methods {
		if err = e.call(ctx, m, &tips); !absent(err) {
			break
		}
	}
	if err != nil {
		e.tips = err
		return
	}
	block, ok := tips.Proposed.block()
	if !ok {
		block, ok = tips.Latest.block()
	}
	if !ok {
		e.tips = errors.New("the answer has no newest block")
		return
	}
	e.report.Block = block
	e.report.Proven, _ = tips.Proven.block()
	if c := tips.Checkpointed; c != nil && c.Checkpoint != nil && c.Checkpoint.Number != nil {
		e.report.Checkpoint = c.Checkpoint.Number.value
	}
}

// verdict weighs the answers of a node that is who it should be: what is wrong
// first, then what is not done yet.
func (e *examination) verdict(now time.Time) {
	r := &e.report
	age, seeks := e.started(now, peersWithin)
	switch {
	case !r.StatusOK:
		e.judge(Unhealthy, "/status answers %d: a part of the node is not well", r.Status)
	case e.tips != nil:
		e.judge(Unhealthy, "answers as version %s, but not what its newest block is: %s", r.NodeVersion, why(e.tips))
	case e.swarm != nil:
		e.judge(Unhealthy, "does not say how many peers it has: %s", why(e.swarm))
	case r.Peers != nil && *r.Peers == 0 && seeks:
		e.judge(Syncing, "is at block %d and has no peers yet, %s after its start", r.Block, age)
	case r.Peers != nil && *r.Peers == 0 && !e.Young:
		e.judge(Unhealthy, "has no peers")
	case e.ready != nil && !*e.ready:
		e.judge(Syncing, "is at block %d and says that it is not ready yet", r.Block)
	case e.synced != nil && !*e.synced:
		e.judge(Syncing, "is at block %d%s", r.Block, e.behind())
	case r.SyncedL1 != nil && now.Sub(*r.SyncedL1) > maxLag:
		e.judge(Syncing, "is at block %d; the newest L1 block it has seen is %s old", r.Block, now.Sub(*r.SyncedL1).Round(time.Second))
	case r.Block == 0:
		e.judge(Syncing, "has no block yet")
	default:
		e.judge(Healthy, "answers as version %s at block %d, proven %d%s", r.NodeVersion, r.Block, r.Proven, e.peers())
	}
}

func (e *examination) behind() string {
	if e.state == nil {
		return "; its world state is behind"
	}
	return fmt.Sprintf("; its world state is at %d", *e.state)
}

func (e *examination) peers() string {
	switch {
	case !e.P2P:
		return ""
	case e.report.Peers == nil: // a version that has no such method is not unhealthy for it
		return ", peers not known"
	case *e.report.Peers == 1:
		return ", 1 peer"
	}
	return fmt.Sprintf(", %d peers", *e.report.Peers)
}
