package adoption

import (
	"slices"
	"strings"
)

// words splits a command line as a shell would, without running anything.
// Separators of commands are words of their own.
func words(s string) []string {
	var list []string
	var b strings.Builder
	open, quote := false, byte(0)
	flush := func() {
		if open {
			list = append(list, b.String())
		}
		b.Reset()
		open = false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\' && quote != '\'' && i+1 < len(s):
			i++
			if s[i] != '\n' {
				b.WriteByte(s[i])
				open = true
			}
		case quote != 0:
			b.WriteByte(c)
		case c == '\'' || c == '"':
			quote, open = c, true
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			flush()
			if c == '\n' {
				list = append(list, ";")
			}
		case c == ';' || c == '&' || c == '|':
			flush()
			list = append(list, ";")
		default:
			b.WriteByte(c)
			open = true
		}
	}
	flush()
	return list
}

// flagVariables are the options of `aztec start` that guides use, as the
// variables that they stand for: yarn-project/aztec/src/cli/aztec_start_options.ts
// of 4.1.2 and the env of each in the config.ts of its part, and names that are
// gone by then (validatorPrivateKey, publisherPrivateKey, snapshots-url, blobSinkUrl).
var flagVariables = map[string]string{
	"--port":                                "AZTEC_PORT",
	"--admin-port":                          "AZTEC_ADMIN_PORT",
	"--l1-rpc-urls":                         "ETHEREUM_HOSTS",
	"--l1-consensus-host-urls":              "L1_CONSENSUS_HOST_URLS",
	"--l1-chain-id":                         "L1_CHAIN_ID",
	"--network":                             "NETWORK",
	"--data-directory":                      "DATA_DIRECTORY",
	"--registry-address":                    "REGISTRY_CONTRACT_ADDRESS",
	"--sequencer.validatorPrivateKey":       "VALIDATOR_PRIVATE_KEY",
	"--sequencer.validatorPrivateKeys":      "VALIDATOR_PRIVATE_KEYS",
	"--sequencer.publisherPrivateKey":       "SEQ_PUBLISHER_PRIVATE_KEY",
	"--sequencer.publisherPrivateKeys":      "SEQ_PUBLISHER_PRIVATE_KEYS",
	"--sequencer.coinbase":                  "COINBASE",
	"--sequencer.feeRecipient":              "FEE_RECIPIENT",
	"--sequencer.governanceProposerPayload": "GOVERNANCE_PROPOSER_PAYLOAD_ADDRESS",
	"--p2p.p2pIp":                           "P2P_IP",
	"--p2p.p2pPort":                         "P2P_PORT",
	"--p2p.maxPeerCount":                    "P2P_MAX_PEERS",
	"--p2p.peerIdPrivateKey":                "PEER_ID_PRIVATE_KEY",
	"--proverAgent.proverBrokerUrl":         "PROVER_BROKER_HOST",
	"--proverAgent.proverAgentCount":        "PROVER_AGENT_COUNT",
	"--proverNode.publisherPrivateKey":      "PROVER_PUBLISHER_PRIVATE_KEY",
	"--proverNode.proverBrokerUrl":          "PROVER_BROKER_HOST",
	"--snapshots-url":                       "SYNC_SNAPSHOTS_URL",
	"--snapshots-urls":                      "SYNC_SNAPSHOTS_URLS",
	"--sync-mode":                           "SYNC_MODE",
	"--archiver.blobSinkUrl":                "BLOB_SINK_URL",
	"--txCollectionNodeRpcUrls":             "TX_COLLECTION_NODE_RPC_URLS",
	"--keyStoreDirectory":                   "KEY_STORE_DIRECTORY",
	"--sequencer.keyStoreDirectory":         "KEY_STORE_DIRECTORY",
	"--proverNode.keyStoreDirectory":        "KEY_STORE_DIRECTORY",
}

// services are the parts of a node that a command line starts.
var services = []string{"--sequencer", "--prover-node", "--prover-broker", "--prover-agent", "--prover", "--node", "--archiver", "--p2p", "--p2p-bootstrap", "--txe", "--bot", "--pxe"}

// start is what a command line of `aztec start` says.
type start struct {
	found    bool
	services []string
	env      environment // of options
	other    []string    // options that are not known, without their values
}

// readStart finds `start` and its options in a command line, which may be one
// for a shell.
func readStart(argv []string) start {
	var all []string
	for _, arg := range argv {
		if strings.ContainsAny(arg, " \t\n;&|") {
			all = append(all, words(arg)...)
		} else {
			all = append(all, arg)
		}
	}
	begin := -1
	for i, w := range all {
		if w == "start" {
			begin = i
		}
	}
	var s start
	if begin < 0 {
		return s
	}
	s.found = true
	rest := all[begin+1:]
	if end := slices.Index(rest, ";"); end >= 0 {
		rest = rest[:end]
	}
	for i := 0; i < len(rest); i++ {
		name, value, joined := strings.Cut(rest[i], "=")
		switch {
		case !strings.HasPrefix(name, "-"):
			continue
		case slices.Contains(services, name):
			s.services = append(s.services, name)
			continue
		}
		if !joined && i+1 < len(rest) && !strings.HasPrefix(rest[i+1], "-") {
			i++
			value = rest[i]
		}
		variable, known := flagVariables[name]
		switch {
		case strings.HasPrefix(value, "$"): // of the environment, which is read anyway
		case known && value != "":
			s.env = s.env.set(variable, value)
		default:
			s.other = append(s.other, name)
		}
	}
	return s
}

// role is what the services are here, "" if they are nothing that is known.
func (s start) role() string {
	has := func(name string) bool { return slices.Contains(s.services, name) }
	switch {
	case has("--sequencer"):
		return "sequencer"
	case has("--prover-node"):
		return "prover-node"
	case has("--prover-broker"):
		return "prover-broker"
	case has("--prover-agent"), has("--prover"):
		return "prover-agent"
	case has("--node"):
		return "full-node"
	}
	return ""
}
