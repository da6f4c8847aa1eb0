package probe

import "time"

// Health is the verdict on a node.
type Health string

// The verdicts.
const (
	Healthy   Health = "healthy"
	Syncing   Health = "syncing"   // is not at the tip yet, and else as it should be; it may have opened no port
	Standby   Health = "standby"   // waits for a rollup that it can follow: /status answers, nothing else is there
	Unhealthy Health = "unhealthy" // does not answer, or not as it should
	Stopped   Health = "stopped"   // its unit does not run, and is not meant to; never a verdict of Check
	Unknown   Health = "unknown"   // could not be examined
)

// Namespaces of parts of a prover, which follow no chain.
const (
	AgentNamespace  = "agent"
	BrokerNamespace = "proverBroker"
)

// Target is the node to examine.
type Target struct {
	Name      string // instance; for the caller
	URL       string // of the RPC: http://127.0.0.1:8080
	Namespace string // prefix of methods: node up to version 4, aztec from 5; AgentNamespace, BrokerNamespace
	Version   string // what it must answer as; empty: any
	ChainID   uint64 // of L1; 0: any
	P2P       bool   // it must have peers
	Young     bool   // it has only just started: that it has no peers yet is no verdict
	// Started is when its process was, if that is known. A node that opens no
	// port or has no peers some time afterwards is syncing, not unhealthy.
	Started time.Time
}

// FollowsChain reports whether the target has blocks and says its version over
// RPC. Brokers and agents say it in a header, if at all.
func (t Target) FollowsChain() bool {
	return t.Namespace != AgentNamespace && t.Namespace != BrokerNamespace
}

// Report is what a node says about itself, and what follows from it. Fields
// that it did not answer are zero or absent.
type Report struct {
	Health        Health `json:"health"`
	Reason        string `json:"reason"` // one sentence, printable
	NodeVersion   string `json:"node_version,omitempty"`
	ChainID       uint64 `json:"chain_id,omitempty"`       // of L1
	RollupVersion uint64 `json:"rollup_version,omitempty"` // identifies the rollup
	RollupAddress string `json:"rollup_address,omitempty"` // of the contract on L1
	Block         uint64 `json:"block"`                    // newest
	Proven        uint64 `json:"proven"`                   // newest proven block
	WorldState    uint64 `json:"world_state,omitempty"`    // newest block of the world state, which follows
	Checkpoint    uint64 `json:"checkpoint"`               // newest published to L1, as the node sees L1; from version 4
	// SyncedL1 is the time of the newest L1 block that the node has seen; from
	// version 5.
	SyncedL1 *time.Time    `json:"synced_l1,omitempty"`
	Peers    *int          `json:"peers,omitempty"`
	Agents   *int          `json:"agents,omitempty"`  // in the process of a prover agent
	Proving  *int          `json:"proving,omitempty"` // of these have a job
	Status   int           `json:"status,omitempty"`  // HTTP code of /status; 0: no answer
	StatusOK bool          `json:"status_ok"`         // it was 200
	Latency  time.Duration `json:"latency_ns"`        // of the first RPC call
}
