package main

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// role is what a command line asks for.
type role struct {
	node, sequencer, agent, broker bool
	p2p                            bool
	p2pPort                        int
}

// chain is the network as far as the node's answers show it.
type chain struct {
	id       int
	registry string
	local    bool

	rollupAddress string // "": that of 4.1.2
}

// The addresses and hashes of the L1 fixture. The stub answers with them
// whatever L1 it was given, since it never asks one.
const (
	rollupAddress      = "0x322813fd9a801c5507c9de605d63cea4f2ce6c44"
	rollupVersion      = 2337355239
	genesisArchiveRoot = "0x15684c8c3d2106918d3860f777e50555b7166adff47df13cc652e2e5a50bf5c7"
	contractsHash      = "0x2672340d9a0107a7b81e6d10d25b854debe613f3272e8738e8df0ca2ff297141"
	vkTreeRoot         = "0x1dd2644a17d1ddd8831287a78c5a1033b7ae35cdf2a3db833608856c062fc2ba"
)

func (c chain) rollup() string { return cmp.Or(c.rollupAddress, rollupAddress) }

var addressForm = regexp.MustCompile(`^0x[0-9a-fA-F]{40}$`)

// networks are the names getActiveNetworkName of 4.1.2 accepts, with the chain
// of each. "" and local are the same.
var networks = map[string]int{
	"": 31337, "local": 31337, "mainnet": 1, "testnet": 11155111, "alpha-testnet": 11155111,
	"devnet": 11155111, "next-net": 11155111, "staging-public": 11155111, "staging-ignition": 11155111,
}

// chain reads the network and the registry address. A named network brings the
// address along; a variable that is set but empty is an error in 4.1.2.
func (c *cli) chain(opts options) (chain, error) {
	network := c.setting(opts, "network", "NETWORK")
	id, ok := networks[network]
	if !ok {
		return chain{}, fatal("Unknown network: " + network)
	}
	ch := chain{id: id, local: id == 31337}
	if v, _ := c.env("L1_CHAIN_ID"); v != "" {
		if n, err := strconv.Atoi(v); err == nil {
			ch.id = n
		}
	}
	address, set := c.env("REGISTRY_CONTRACT_ADDRESS")
	if set && !addressForm.MatchString(address) {
		return chain{}, fatal("Invalid address string: " + address)
	}
	if !set && !ch.local {
		address = "0x35b22e09ee0390539439e24f06da43d83f90e298"
	}
	ch.registry = address
	return ch, nil
}

// role checks that a command line and the variables make something that 4.1.2
// would start, in its order and words.
func (c *cli) role(opts options, ch *chain) (role, error) {
	p2p, set := c.env("P2P_ENABLED")
	r := role{
		node:      opts.has("node") || opts.has("prover-node"),
		sequencer: opts.has("sequencer"),
		p2p:       truthy(p2p) || !set && !ch.local,
		p2pPort:   c.port(opts, "", "P2P_PORT", 40400),
	}
	broker := opts.has("prover-broker")
	switch {
	case r.node:
		if opts.has("prover-node") && !broker && c.setting(opts, "", "PROVER_BROKER_HOST") == "" {
			return r, said("--prover-broker-url or --prover-broker is required to start a Prover Node")
		}
		c.genesis()
		if ch.registry == "" {
			return r, fatal("L1 registry address is required to start Aztec Node")
		}
	case opts.has("archiver"):
	case opts.has("prover-agent"):
		if c.setting(opts, "proverAgent.proverBrokerUrl", "PROVER_BROKER_HOST") == "" {
			return r, said("Missing prover broker URL. Pass --proverAgent.proverBrokerUrl <value>")
		}
		return role{agent: true}, nil
	case broker:
		if ch.registry == "" {
			return r, fatal("L1 registry address is required to start Aztec Node without --deploy-aztec-contracts option")
		}
		c.genesis()
		r = role{broker: true}
	case r.sequencer:
		return r, said("Cannot run a standalone sequencer without a node")
	default:
		return r, said("No module specified to start")
	}
	if c.setting(opts, "l1-rpc-urls", "ETHEREUM_HOSTS") == "" {
		return r, fatal("UrlRequiredError: No URL was provided to the Transport. Please provide a valid RPC URL to the Transport.")
	}
	return r, nil
}

// genesis is what the real node prints to stdout once it has computed it.
func (c *cli) genesis() {
	fmt.Fprintf(c.stdout, "Initial funded accounts: \nGenesis archive root: %s\n", genesisArchiveRoot)
}

// methods are what the role answers on its RPC port.
func (r role) methods(n *node) methods {
	switch {
	case r.node:
		return n.methods()
	case r.agent:
		status := func() any { return n.agentStatus() }
		return plain(map[string]func() any{"agent_getStatus": status, "agent0_getStatus": status})
	}
	if r.broker { // it never has a job
		return plain(map[string]func() any{
			"proverBroker_getProvingJobStatus": func() any { return map[string]string{"status": "not-found"} },
			"proverBroker_getProvingJob":       func() any { return undefined{} },
		})
	}
	return methods{}
}

// agentStatus is the answer to agent_getStatus (ProverAgentStatusSchema of
// 4.1.2). It proves from its start on, for as long as its image says.
func (n *node) agentStatus() any {
	if time.Since(n.began) >= time.Duration(n.image.faults.ProvesMS)*time.Millisecond {
		return map[string]string{"status": "running"}
	}
	return map[string]any{"status": "proving", "jobId": "1:PUBLIC_VM:0x01", "proofType": 0, "startedAtISO": n.began.UTC().Format(time.RFC3339)}
}

// keyVariables each give the node a key without a keystore file.
var keyVariables = []string{"VALIDATOR_PRIVATE_KEYS", "VALIDATOR_PRIVATE_KEY", "WEB3_SIGNER_URL"}

func (c *cli) hasKeyVariable() bool {
	return slices.ContainsFunc(keyVariables, func(name string) bool { v, _ := c.env(name); return v != "" })
}
