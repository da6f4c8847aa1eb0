package profiles

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/aztec-spartan/aztec-spartan/profiles/keystore"
)

// NodeInfo is what a node says about its network: the answer to
// node_getNodeInfo (stdlib/src/contract/interfaces/node-info.ts), every part
// of it judged.
type NodeInfo struct {
	Version   string // of the node; "": it does not say
	L1ChainID uint64
	ENRs      []string
	Contracts map[string]keystore.Address // by the variable that an old node finds it in
}

// contracts are the addresses that an answer has, and the variables that
// versions before 2.0 read them from.
var contracts = []struct{ field, variable string }{
	{"registryAddress", "REGISTRY_CONTRACT_ADDRESS"},
	{"governanceProposerAddress", "GOVERNANCE_PROPOSER_CONTRACT_ADDRESS"},
	{"feeJuiceAddress", "FEE_JUICE_CONTRACT_ADDRESS"},
	{"rollupAddress", "ROLLUP_CONTRACT_ADDRESS"},
	{"rewardDistributorAddress", "REWARD_DISTRIBUTOR_CONTRACT_ADDRESS"},
	{"governanceAddress", "GOVERNANCE_CONTRACT_ADDRESS"},
	{"coinIssuerAddress", "COIN_ISSUER_CONTRACT_ADDRESS"},
	{"feeJuicePortalAddress", "FEE_JUICE_PORTAL_CONTRACT_ADDRESS"},
	{"inboxAddress", "INBOX_CONTRACT_ADDRESS"},
	{"outboxAddress", "OUTBOX_CONTRACT_ADDRESS"},
}

const registryVariable = "REGISTRY_CONTRACT_ADDRESS"

// maxAnswer bounds what is read of an answer: a node's is below 10 kB.
const maxAnswer = 1 << 20

// ParseNodeInfo reads the JSON-RPC answer to node_getNodeInfo. A field that is
// missing, null or of the wrong form is an error that names it; all of them
// are said at once. Nothing of the answer is trusted: its author is whoever
// answered.
func ParseNodeInfo(answer []byte) (NodeInfo, error) {
	result, err := resultOf(answer)
	if err != nil {
		return NodeInfo{}, fmt.Errorf("reading node info: %w", err)
	}
	info := NodeInfo{Contracts: map[string]keystore.Address{}}
	errs := []error{
		read("l1ChainId", result["l1ChainId"], func(raw json.RawMessage) error {
			if json.Unmarshal(raw, &info.L1ChainID) != nil || info.L1ChainID == 0 || info.L1ChainID > maxChainID {
				return errors.New("l1ChainId is not the ID of a chain")
			}
			return nil
		}),
		read("enr", result["enr"], func(raw json.RawMessage) error {
			enr, err := word(raw)
			if err == nil {
				err = ValidENR(enr)
			}
			if err != nil {
				return fmt.Errorf("enr: %w", err)
			}
			info.ENRs = []string{enr}
			return nil
		}),
		read("l1ContractAddresses", result["l1ContractAddresses"], info.readContracts),
	}
	// Development builds have versions of other forms: what is none is unknown.
	if v, err := word(result["nodeVersion"]); err == nil {
		if _, err := ParseVersion(v); err == nil {
			info.Version = v
		}
	}
	if err := oneLine(errs); err != nil {
		return NodeInfo{}, fmt.Errorf("reading node info: %w", err)
	}
	return info, nil
}

func (i *NodeInfo) readContracts(raw json.RawMessage) error {
	var addresses fields
	if json.Unmarshal(raw, &addresses) != nil {
		return errors.New("l1ContractAddresses is not an object")
	}
	var errs []error
	for _, c := range contracts {
		name := "l1ContractAddresses." + c.field
		errs = append(errs, read(name, addresses[c.field], func(raw json.RawMessage) (err error) {
			if i.Contracts[c.variable], err = contract(raw); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		}))
	}
	return oneLine(errs)
}

// resultOf is the result of an answer of JSON-RPC, which is all that there is.
func resultOf(answer []byte) (fields, error) {
	if len(answer) > maxAnswer {
		return nil, fmt.Errorf("the answer is larger than %d bytes", maxAnswer)
	}
	var reply struct {
		Result *fields         `json:"result"`
		Error  json.RawMessage `json:"error"`
	}
	dec := json.NewDecoder(bytes.NewReader(answer))
	if err := dec.Decode(&reply); err != nil {
		return nil, errors.New("the answer is not JSON-RPC: is the URL that of a node?")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more after the answer")
	}
	if reply.Result == nil {
		return nil, fmt.Errorf("the node refuses: %s", refusal(reply.Error))
	}
	return *reply.Result, nil
}

// fields are those of a JSON object.
type fields map[string]json.RawMessage

// read hands a field to do, unless it is missing, which is an error.
func read(name string, raw json.RawMessage, do func(json.RawMessage) error) error {
	if len(raw) == 0 || string(raw) == "null" {
		return fmt.Errorf("%s is missing", name)
	}
	return do(raw)
}

// word reads a text without anything that a terminal would obey.
func word(raw json.RawMessage) (string, error) {
	var s string
	if len(raw) == 0 || json.Unmarshal(raw, &s) != nil || len(s) > 1024 || strings.ContainsFunc(s, unprintable) {
		return "", errors.New("not a word")
	}
	return s, nil
}

func contract(raw json.RawMessage) (keystore.Address, error) {
	s, err := word(raw)
	if err != nil {
		return keystore.Address{}, err
	}
	a, err := keystore.ParseAddress(s)
	if err == nil && a == (keystore.Address{}) {
		err = errors.New("no contract has the address of zeros")
	}
	return a, err
}

// refusal is the message of a JSON-RPC error.
func refusal(raw json.RawMessage) string {
	var e struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(raw, &e) != nil || e.Message == "" || strings.ContainsFunc(e.Message, unprintable) {
		return "it says neither a result nor an error"
	}
	return fmt.Sprintf("%q", clip(e.Message))
}

// Configure returns the settings of an instance with what a node says about
// the network, for a version of the node: chain, first peers and contracts.
// It fails if the node is on another chain than the network.
func (c Catalog) Configure(inst Instance, info NodeInfo, version string) (Instance, error) {
	inst = inst.clone()
	n, err := c.Network(inst.Network)
	if err != nil {
		return inst, &FieldError{"network", err}
	}
	if n.Fixed && n.L1ChainID != info.L1ChainID {
		return inst, &FieldError{"bootnode", fmt.Errorf("is on chain %d, and %s on %d", info.L1ChainID, n.Name, n.L1ChainID)}
	}
	if n.L1ChainID != info.L1ChainID {
		inst.L1.ChainID = info.L1ChainID
	}
	if r, err := c.Role(inst.Role); err != nil || r.P2P() {
		inst.P2P.BootstrapNodes = slices.Clone(info.ENRs)
	}
	inst.Registry = info.Contracts[registryVariable].String()
	delete(inst.Env, registryVariable)
	delete(inst.Env, "BOOTSTRAP_NODES")
	e, _ := eraOf(version)
	for _, contract := range contracts {
		v, known := c.Variable(contract.variable)
		if contract.variable == registryVariable {
			continue
		}
		delete(inst.Env, contract.variable)
		if known && v.gone(e) == nil {
			inst.Env[contract.variable] = info.Contracts[contract.variable].String()
		}
	}
	return inst, nil
}
