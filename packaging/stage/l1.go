package stage

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage"
	"github.com/aztec-spartan/aztec-spartan/packaging/testhost"
)

// L1Port is where hosts find L1.
const L1Port = 8545

// l1Dir is where a host sees the files of L1.
const l1Dir = "/opt/l1"

// l1Binds makes the files of L1 visible on the host.
func l1Binds(set *realimage.Set) []testhost.Bind {
	return []testhost.Bind{
		{Host: set.Anvil, Guest: l1Dir + "/anvil", ReadOnly: true},
		{Host: set.L1State, Guest: l1Dir + "/state.json", ReadOnly: true},
	}
}

// startL1 runs L1 as a service of the host and waits until it answers.
func (s *Stage) startL1(ctx context.Context) error {
	command := realimage.L1Command(l1Dir+"/anvil", l1Dir+"/state.json", L1Port)
	if _, err := s.Must(ctx, "systemd-run --quiet --unit l1 "+strings.Join(command, " ")); err != nil {
		return fmt.Errorf("starting L1: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return testhost.Wait(ctx, "L1 to answer", func() (bool, error) {
		r, err := s.Sh(ctx, fmt.Sprintf("exec 3<>/dev/tcp/127.0.0.1/%d", L1Port))
		return err == nil && r.Code == 0, err
	})
}

// Checkpoint asks the rollup contract on L1, not the node, for the newest
// checkpoint published to it.
func (s *Stage) Checkpoint(ctx context.Context, set *realimage.Set) (uint64, error) {
	const getPendingCheckpointNumber = "0x9891be8e" // selector of the contract's function
	return s.askRollup(ctx, set, getPendingCheckpointNumber)
}

// Proven asks it for the newest checkpoint whose proof it has accepted.
func (s *Stage) Proven(ctx context.Context, set *realimage.Set) (uint64, error) {
	const getProvenCheckpointNumber = "0x1f8352e9"
	return s.askRollup(ctx, set, getProvenCheckpointNumber)
}

func (s *Stage) askRollup(ctx context.Context, set *realimage.Set, selector string) (uint64, error) {
	out, err := s.Must(ctx, fmt.Sprintf(`curl -sS -m 5 -H 'content-type: application/json' http://127.0.0.1:%d `+
		`-d '{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[{"to":"%s","data":"%s"},"latest"]}'`,
		L1Port, set.RollupAddress, selector))
	if err != nil {
		return 0, err
	}
	var answer struct{ Result string }
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		return 0, fmt.Errorf("asking L1 for a checkpoint: %s: %w", out, err)
	}
	return strconv.ParseUint(strings.TrimPrefix(answer.Result, "0x"), 16, 64)
}

// ConfigFlags are the flags of `aztec-spartan config` for a sequencer on this
// L1, without those of its key.
func ConfigFlags(set *realimage.Set, instance string) []string {
	return flags(set, "--no-p2p", realimage.SequencerEnv(set, "/var/lib/aztec/"+instance))
}

// PeerFlags are those of a sequencer with P2P on, which its peer finds on this
// host, and of that peer, a full node without the sequencer's data.
func PeerFlags(set *realimage.Set, instance string) (sequencer, peer []string) {
	sequencer = flags(set, "--no-p2p=false --ip 127.0.0.1", realimage.SequencerEnv(set, "/var/lib/aztec/"+instance))
	peer = flags(set, "--role full-node --no-p2p=false --ip 127.0.0.1", realimage.ProverNodeEnv(set, "http://"+BlobAddress))
	return sequencer, peer
}

// ProverFlags are the flags for the roles of a prover, without those of keys,
// of ports and of where the broker is.
func ProverFlags(set *realimage.Set) (node, broker, agent []string) {
	node = flags(set, "--role prover-node --no-p2p", realimage.ProverNodeEnv(set, "http://"+BlobAddress))
	broker = flags(set, "--role prover-broker", realimage.BrokerEnv(set))
	agent = flags(set, "--role prover-agent", realimage.AgentEnv())
	return node, broker, agent
}

// flags says by flags what config has them for, and the rest by --set.
func flags(set *realimage.Set, role string, env map[string]string) []string {
	list := []string{role, "--network local", "--image " + Repository + ":" + set.Tags[0]}
	if env["ETHEREUM_HOSTS"] != "" {
		list = append(list, fmt.Sprintf("--ethereum-host http://127.0.0.1:%d", L1Port), "--l1-chain-id "+env["L1_CHAIN_ID"])
	}
	for _, said := range []string{"ETHEREUM_HOSTS", "L1_CHAIN_ID", "P2P_ENABLED"} {
		delete(env, said)
	}
	var sets []string
	for name, value := range env {
		sets = append(sets, "--set "+name+"="+value)
	}
	slices.Sort(sets)
	return append(list, sets...)
}
