package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// node is a started node: a chain that grows with time.
type node struct {
	image  *image
	bare   bool // follows no chain: a broker or agent
	p2p    bool
	chain  chain
	data   *store
	began  time.Time
	synced int
	l1     *l1 // nil: blocks come with time alone

	payload *payload
}

// version is what the node says it is, which a lying image makes a lie.
func (n *node) version() string {
	if v := n.image.faults.ReportVersion; v != "" {
		return v
	}
	return n.image.version
}

// blocks is the number of the newest block. It starts at one: the real node,
// too, has proposed its first within a second of opening its port.
func (n *node) blocks() int {
	switch {
	case n.image.faults.Frozen:
		return n.data.start + 1
	case n.l1 != nil:
		return n.data.start + n.l1.blocks()
	}
	return n.data.start + 1 + int(time.Since(n.began)/blockTime)
}

// tip is a block or checkpoint of a number, with a hash that is always the same.
type tip struct {
	Number int    `json:"number"`
	Hash   string `json:"hash"`
}

func tipOf(kind string, number int) tip {
	number = max(number, 0)
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", kind, number))
	return tip{Number: number, Hash: "0x" + hex.EncodeToString(sum[:])}
}

// pair is how 4.1.2 shows a tip that has reached L1.
type pair struct {
	Block      tip `json:"block"`
	Checkpoint tip `json:"checkpoint"`
}

func pairOf(number int) pair { return pair{tipOf("block", number), tipOf("checkpoint", number)} }

// tips is the answer to node_getL2Tips. One block is always proposed and not
// yet checkpointed; proofs trail by an epoch of four.
func (n *node) tips() any {
	b := n.blocks()
	return struct {
		Proposed     tip  `json:"proposed"`
		Proven       pair `json:"proven"`
		Finalized    pair `json:"finalized"`
		Checkpointed pair `json:"checkpointed"`
	}{tipOf("block", b), pairOf(b - 5), pairOf(b - 5), pairOf(b - 1)}
}

func address(n int) string { return fmt.Sprintf("0x%040x", n) }

// contracts are l1ContractAddresses in the names and order of 4.1.2.
func (n *node) contracts() any {
	return struct {
		Registry           string `json:"registryAddress"`
		Rollup             string `json:"rollupAddress"`
		Inbox              string `json:"inboxAddress"`
		Outbox             string `json:"outboxAddress"`
		FeeJuice           string `json:"feeJuiceAddress"`
		StakingAsset       string `json:"stakingAssetAddress"`
		FeeJuicePortal     string `json:"feeJuicePortalAddress"`
		CoinIssuer         string `json:"coinIssuerAddress"`
		RewardDistributor  string `json:"rewardDistributorAddress"`
		GovernanceProposer string `json:"governanceProposerAddress"`
		Governance         string `json:"governanceAddress"`
		GSE                string `json:"gseAddress"`
	}{
		n.chain.registry, n.chain.rollup(), address(1), address(2), address(3), address(4),
		address(5), address(6), address(7), address(8), address(9), address(10),
	}
}

func protocolContracts() any {
	return map[string]string{
		"classRegistry":       fmt.Sprintf("0x%064x", 3),
		"feeJuice":            fmt.Sprintf("0x%064x", 5),
		"instanceRegistry":    fmt.Sprintf("0x%064x", 2),
		"multiCallEntrypoint": fmt.Sprintf("0x%064x", 4),
	}
}

// info is the answer to node_getNodeInfo. enr is absent with P2P off, and the
// stub never has one.
func (n *node) info() any {
	return struct {
		NodeVersion       string `json:"nodeVersion"`
		L1ChainID         int    `json:"l1ChainId"`
		RollupVersion     int    `json:"rollupVersion"`
		L1Contracts       any    `json:"l1ContractAddresses"`
		ProtocolContracts any    `json:"protocolContractAddresses"`
		RealProofs        bool   `json:"realProofs"`
	}{n.version(), n.chain.id, rollupVersion, n.contracts(), protocolContracts(), false}
}

// worldState is the answer to node_getWorldStateSyncStatus.
func (n *node) worldState() any {
	b := tipOf("block", n.blocks())
	return struct {
		Latest     int    `json:"latestBlockNumber"`
		LatestHash string `json:"latestBlockHash"`
		Finalized  int    `json:"finalizedBlockNumber"`
		Oldest     int    `json:"oldestHistoricBlockNumber"`
		Synched    bool   `json:"treesAreSynched"`
	}{b.Number, b.Hash, max(b.Number-5, 0), 1, !n.image.faults.Behind}
}

// peers is the answer to p2p_getPeers: one, where P2P is on.
func (n *node) peers() any {
	if !n.p2p || n.image.faults.Alone {
		return []string{}
	}
	return []any{map[string]string{"status": "connected", "id": "16Uiu2HAm7stub"}}
}

// undefined is an answer without a result, which JSON-RPC there allows.
type undefined struct{}

// methods of the RPC port. Those of later versions (aztec_*, node_getChainTips,
// node_getSyncedL1Timestamp, node_getPeers) are not in 4.1.2.
func (n *node) methods() methods {
	return plain(map[string]func() any{
		"node_getNodeInfo":                  n.info,
		"node_getNodeVersion":               func() any { return n.version() },
		"node_getL2Tips":                    n.tips,
		"node_isReady":                      func() any { return !n.image.faults.Behind },
		"node_getBlockNumber":               func() any { return n.blocks() },
		"node_getProvenBlockNumber":         func() any { return max(n.blocks()-5, 0) },
		"node_getCheckpointNumber":          func() any { return n.blocks() - 1 },
		"node_getCheckpointedBlockNumber":   func() any { return n.blocks() - 1 },
		"node_getVersion":                   func() any { return rollupVersion },
		"node_getChainId":                   func() any { return n.chain.id },
		"node_getL1ContractAddresses":       n.contracts,
		"node_getProtocolContractAddresses": protocolContracts,
		"node_getWorldStateSyncStatus":      n.worldState,
		"node_getValidatorsStats": func() any {
			return map[string]any{"stats": map[string]any{}, "slotWindow": 0}
		},
		"node_getPendingTxCount": func() any { return 0 },
		"node_getEncodedEnr":     func() any { return undefined{} },
		"p2p_getPeers":           n.peers,
	})
}

// adminMethods of the admin port.
func (n *node) adminMethods() methods {
	m := plain(map[string]func() any{"nodeAdmin_getConfig": n.payload.config})
	m["nodeAdmin_setConfig"] = n.payload.set
	return m
}
