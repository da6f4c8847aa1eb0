package realimage

import (
	"fmt"
	"maps"
	"strconv"
	"time"
)

const chainID = 31337

// DevKey is the second of anvil's well-known accounts, and DevAddress its
// address. The fixture gives it ether; it is worth nothing anywhere else.
const (
	DevKey     = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
	DevAddress = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
)

// ProverKey is the third of them: whoever proves pays with another account than
// the sequencer, whose transactions it would otherwise replace.
const ProverKey = "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"

// EpochTime is how long an epoch lasts there. Its proof can be accepted after it.
const EpochTime = 4 * 24 * time.Second

// Keystore is a keystore file (schema version 1 of @aztec/node-keystore) with
// DevKey as attester and publisher. A sequencer takes it through
// KEY_STORE_DIRECTORY, which may name a file.
func Keystore() []byte {
	return fmt.Appendf(nil, `{"schemaVersion":1,"validators":[{"attester":%[1]q,"publisher":%[1]q,"coinbase":%[2]q,"feeRecipient":"0x%064[3]d"}]}`+"\n", DevKey, DevAddress, 0)
}

// rollupEnv are the variables that the deployment and every node of it have to
// agree on. Without a prover the chain is pruned at the end of the proof window,
// hence fifty epochs (80 minutes); a committee of none lets one sequencer
// propose alone.
func rollupEnv() map[string]string {
	return map[string]string{
		"L1_CHAIN_ID":                   strconv.Itoa(chainID),
		"ETHEREUM_SLOT_DURATION":        "4",
		"AZTEC_SLOT_DURATION":           "24",
		"AZTEC_EPOCH_DURATION":          "4",
		"AZTEC_PROOF_SUBMISSION_EPOCHS": "50",
		"AZTEC_TARGET_COMMITTEE_SIZE":   "0",
		"AZTEC_SLASHER_FLAVOR":          "none",
	}
}

// SequencerEnv returns the variables that an operator of a full node or
// sequencer has to set for the L1 of the fixture at http://127.0.0.1:8545.
// Ports, keys and the data directory are not among them. data is the data
// directory as the node sees it: blobs go below it, for want of a beacon node.
// They are part of what must survive, since a node that finds no blob for a
// checkpoint on L1 waits for it, opening no port, forever.
//
// Without PROVER_REAL_PROOFS=false the node would download gigabytes of proving
// keys at its start, and exit 1 where it cannot.
func SequencerEnv(set *Set, data string) map[string]string {
	env := rollupEnv()
	// This one only the deployment reads.
	delete(env, "AZTEC_SLASHER_FLAVOR")
	maps.Copy(env, map[string]string{
		"ETHEREUM_HOSTS":             "http://127.0.0.1:8545",
		"REGISTRY_CONTRACT_ADDRESS":  set.RegistryAddress,
		"SEQ_MIN_TX_PER_BLOCK":       "0",
		"P2P_ENABLED":                "false",
		"PROVER_REAL_PROOFS":         "false",
		"BLOB_FILE_STORE_UPLOAD_URL": "file://" + data + "/blobs",
		"BLOB_FILE_STORE_URLS":       "file://" + data + "/blobs",
		"BLOB_ALLOW_EMPTY_SOURCES":   "true",
	})
	return env
}

// ProverNodeEnv is SequencerEnv for a prover node. blobs is the URL of what a
// sequencer of this L1 keeps below its data directory: a prover node publishes
// no blobs, and reads those of every checkpoint.
func ProverNodeEnv(set *Set, blobs string) map[string]string {
	env := SequencerEnv(set, "")
	delete(env, "BLOB_FILE_STORE_UPLOAD_URL")
	delete(env, "SEQ_MIN_TX_PER_BLOCK")
	env["BLOB_FILE_STORE_URLS"] = blobs
	return env
}

// BrokerEnv is SequencerEnv for a prover broker.
func BrokerEnv(set *Set) map[string]string {
	return map[string]string{
		"ETHEREUM_HOSTS":            "http://127.0.0.1:8545",
		"L1_CHAIN_ID":               strconv.Itoa(chainID),
		"REGISTRY_CONTRACT_ADDRESS": set.RegistryAddress,
	}
}

// AgentEnv is SequencerEnv for a prover agent. Its proofs are fake, as the
// verifier of the fixture's contracts is: real ones need 128 GB of memory.
func AgentEnv() map[string]string { return map[string]string{"PROVER_REAL_PROOFS": "false"} }
