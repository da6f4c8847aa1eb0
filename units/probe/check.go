package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

// maxLag is how old the newest L1 block that a node has seen may be. Aztec's
// own health check (docker-compose.yml of the release) uses it too.
const maxLag = 5 * time.Minute

// A node opens its port after its first sync (aztec_start_action.ts of 4.1.2),
// for which it may fetch a snapshot for half an hour, and finds its peers
// later. It is not unhealthy meanwhile.
const (
	openWithin  = 45 * time.Minute
	peersWithin = 5 * time.Minute
)

// Check examines a node. It takes some 10 s at most, and much less from a node
// that answers. It never fails: what cannot be learned is said in the report.
func Check(ctx context.Context, client *http.Client, t Target) Report {
	n, err := newNode(client, t.URL)
	if err != nil {
		return Report{Health: Unknown, Reason: "its RPC cannot be asked: " + clip(err.Error())}
	}
	e := examination{node: n, Target: t}
	e.run(ctx)
	if ctx.Err() != nil {
		e.report.Health, e.report.Reason = Unknown, "the check was ended before it was done: "+ctx.Err().Error()
	}
	return e.report
}

// examination is one check under way.
type examination struct {
	*node
	Target
	report Report

	prefix string // of the methods that it answers to
	ready  *bool
	synced *bool
	state  *uint64 // newest block of the world state
	tips   error
	swarm  error // why the number of peers is not known, unless it has no such method
}

func (e *examination) judge(h Health, format string, args ...any) {
	e.report.Health, e.report.Reason = h, fmt.Sprintf(format, args...)
}

// started is how long ago the node was, and whether that is within a time.
func (e *examination) started(now time.Time, within time.Duration) (age time.Duration, young bool) {
	age = now.Sub(e.Started).Round(time.Second)
	return age, !e.Started.IsZero() && age >= 0 && age < within // a clock may have been set back
}

func (e *examination) run(ctx context.Context) {
	where := e.base.Host
	code, statusErr := e.status(ctx)
	e.report.Status, e.report.StatusOK = code, code == http.StatusOK
	if statusErr != nil && code == 0 {
		if age, young := e.started(time.Now(), openWithin); young && e.FollowsChain() && errors.Is(statusErr, syscall.ECONNREFUSED) {
			e.judge(Syncing, "opens no port yet, %s after its start: it looks for blobs, fetches a snapshot, or syncs", age)
			return
		}
		// The RPC is the same server on the same port.
		e.judge(Unhealthy, "RPC does not answer on %s: %s", where, why(statusErr))
		return
	}
	switch e.Namespace {
	case AgentNamespace:
		e.agents(ctx)
		return
	case BrokerNamespace:
		e.broker(ctx)
		return
	}
	err := e.identify(ctx)
	switch {
	case err != nil && absent(err) && e.report.StatusOK:
		e.judge(Standby, "/status answers on %s, but the RPC has no node behind it: it waits for a cutover, or has shut down", where)
		return
	case err != nil:
		e.judge(Unhealthy, "RPC does not answer on %s: %s", where, why(err))
		return
	case e.report.NodeVersion == "":
		e.judge(Unhealthy, "RPC answers on %s without saying its version", where)
		return
	case e.Version != "" && plain(e.Version) != plain(e.report.NodeVersion):
		e.judge(Unhealthy, "answers with version %s, wanted %s", e.report.NodeVersion, e.Version)
		return
	case e.ChainID != 0 && e.ChainID != e.report.ChainID:
		e.judge(Unhealthy, "is on L1 chain %d, wanted %d", e.report.ChainID, e.ChainID)
		return
	}
	e.ask(ctx)
	e.verdict(time.Now())
}

// plain is a version for comparison.
func plain(v string) string { return strings.TrimPrefix(strings.TrimSpace(v), "v") }

// address is that of a contract on L1.
var address = regexp.MustCompile(`^0x[0-9a-fA-F]{40}$`)

// identify asks who the node is. One that has none of the expected methods is
// asked by the other era's name: a wrong version must not look like standby.
func (e *examination) identify(ctx context.Context) error {
	var info struct {
		NodeVersion   string `json:"nodeVersion"`
		ChainID       number `json:"l1ChainId"`
		RollupVersion number `json:"rollupVersion"`
		Contracts     struct {
			Rollup string `json:"rollupAddress"`
		} `json:"l1ContractAddresses"`
	}
	prefixes := []string{"node", "aztec"}
	if e.Namespace == "aztec" {
		prefixes = []string{"aztec", "node"}
	}
	var err error
	for _, e.prefix = range prefixes {
		began := time.Now()
		err = e.call(ctx, e.prefix+"_getNodeInfo", &info)
		e.report.Latency = time.Since(began)
		if !absent(err) {
			break
		}
	}
	if err != nil {
		return err
	}
	e.report.NodeVersion = clip(strings.TrimSpace(info.NodeVersion))
	e.report.ChainID, e.report.RollupVersion = info.ChainID.value, info.RollupVersion.value
	if address.MatchString(info.Contracts.Rollup) {
		e.report.RollupAddress = info.Contracts.Rollup
	}
	return nil
}

// ask puts the other questions, all at once: each may take its whole time.
func (e *examination) ask(ctx context.Context) {
	questions := []func(context.Context){e.askReady, e.askWorldState, e.askTips}
	if e.prefix == "aztec" {
		questions = append(questions, e.askL1)
	}
	if e.P2P {
		questions = append(questions, e.askPeers)
	}
	var all sync.WaitGroup
	for _, q := range questions {
		all.Go(func() { q(ctx) })
	}
	all.Wait()
}

func (e *examination) askReady(ctx context.Context) {
	var ready bool
	if e.call(ctx, e.prefix+"_isReady", &ready) == nil {
		e.ready = &ready
	}
}

func (e *examination) askWorldState(ctx context.Context) {
	var state struct {
		Latest *number `json:"latestBlockNumber"`
		Synced *bool   `json:"treesAreSynched"`
	}
	if e.call(ctx, e.prefix+"_getWorldStateSyncStatus", &state) != nil {
		return
	}
	e.synced = state.Synced
	if state.Latest != nil {
		e.state = &state.Latest.value
		e.report.WorldState = state.Latest.value
	}
}

func (e *examination) askL1(ctx context.Context) {
	var seconds number
	if e.call(ctx, "aztec_getSyncedL1Timestamp", &seconds) != nil || seconds.signed <= 0 {
		return
	}
	at := time.Unix(seconds.signed, 0).UTC()
	if at.Year() > 9999 { // cannot be encoded
		return
	}
	e.report.SyncedL1 = &at
}

func (e *examination) askPeers(ctx context.Context) {
	// The method moved: p2p_getPeers up to version 4, in 5 both.
	methods := []string{"p2p_getPeers", "aztec_getPeers"}
	if e.prefix == "aztec" {
		methods[0], methods[1] = methods[1], methods[0]
	}
	for _, m := range methods {
		var peers []json.RawMessage
		err := e.call(ctx, m, &peers)
		switch {
		case err == nil:
			count := len(peers)
			e.report.Peers = &count
			return
		case !absent(err):
			e.swarm = err
			return
		}
	}
}
