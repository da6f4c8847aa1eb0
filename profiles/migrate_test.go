package profiles

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/profiles/envfile"
)

const migratedKey = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"

// scriptEnv is what aztec-spartan.sh wrote.
func scriptEnv() []envfile.Var {
	var vars []envfile.Var
	for _, line := range []string{
		"P2P_UDP_ANNOUNCE_ADDR=203.0.113.7:40500", "P2P_TCP_ANNOUNCE_ADDR=203.0.113.7:40500", "VALIDATOR_DISABLED=false",
		"VALIDATOR_PRIVATE_KEY=" + migratedKey, "SEQ_PUBLISHER_PRIVATE_KEY=" + migratedKey, "L1_PRIVATE_KEY=" + migratedKey,
		"DEBUG=aztec:*,-json-rpc*", "LOG_LEVEL=debug", "AZTEC_PORT=8090", "P2P_ENABLED=true", "L1_CHAIN_ID=1", "PROVER_REAL_PROOFS=true",
		"PXE_PROVER_ENABLED=true", "ETHEREUM_SLOT_DURATION=12sec", "AZTEC_SLOT_DURATION=36", "AZTEC_EPOCH_DURATION=32",
		"AZTEC_EPOCH_PROOF_CLAIM_WINDOW_IN_L2_SLOTS=13", "ETHEREUM_HOST=http://l1.example:8545", "BOOTSTRAP_NODES=" + someENR,
		"ROLLUP_CONTRACT_ADDRESS=0xb7f8bc63bbcad18155201308c8f3540b07f84f5e", "REGISTRY_CONTRACT_ADDRESS=0xb7f8bc63bbcad18155201308c8f3540b07f84f5e",
		"INBOX_CONTRACT_ADDRESS=null", "P2P_UDP_LISTEN_ADDR=0.0.0.0:40500", "P2P_TCP_LISTEN_ADDR=0.0.0.0:40500", "DATA_DIRECTORY=/var/lib/aztec",
		"PEER_ID_PRIVATE_KEY=0801", "COINBASE=", "P2P_MIN_PEERS=2", "SEQ_MAX_TX_PER_BLOCK=8", "GOVERNANCE_PROPOSER_PAYLOAD_ADDRESS=0x0000000000000000000000000000000000000000",
		"PROVER_AGENT_ENABLED=true", "P2P_QUERY_FOR_IP=True", "XYZZY=1",
	} {
		name, value, _ := strings.Cut(line, "=")
		vars = append(vars, envfile.Var{Name: name, Value: value})
	}
	return vars
}

func showMigration(m Migration) []byte {
	var b strings.Builder
	for _, c := range m.Changes {
		fmt.Fprintf(&b, "%-42s %-10s %s: %s\n", c.Name, c.Action, c.To, c.Reason)
	}
	for _, s := range m.Secrets {
		fmt.Fprintf(&b, "secret %s\n", s.Name)
	}
	fmt.Fprintf(&b, "\n%s", m.Instance.Encode())
	return []byte(b.String())
}

func TestMigrateGolden(t *testing.T) {
	for _, e := range []struct{ version, network string }{{"0.67.1", "custom"}, {"2.1.11", "mainnet"}, {"5.2.0", "mainnet"}} {
		inst := New("val1")
		inst.Network, inst.Image = e.network, "docker.io/aztecprotocol/aztec:"+e.version
		inst.L1.Consensus = []string{"http://beacon.example"}
		m := BuiltIn().Migrate(inst, scriptEnv(), e.version)
		golden(t, "testdata/migrate-"+e.version+".txt", showMigration(m))
		if len(m.Changes) != len(scriptEnv()) {
			t.Errorf("%s: %d changes of %d variables", e.version, len(m.Changes), len(scriptEnv()))
		}
		if strings.Contains(string(showMigration(m)), migratedKey) {
			t.Errorf("%s: a key is shown", e.version)
		}
		if err := BuiltIn().Validate(m.Instance); err != nil {
			t.Errorf("%s: %v", e.version, err)
		}
		if _, err := BuiltIn().Render(m.Instance, facts(t, e.version), HostFacts{}); err != nil {
			t.Errorf("%s: %v", e.version, err)
		}
		// What was migrated needs it no more, and loses nothing by it.
		again := BuiltIn().MigrateEnv(m.Instance, e.version)
		if string(again.Instance.Encode()) != string(m.Instance.Encode()) {
			t.Errorf("%s: again:\n%s", e.version, showMigration(again))
		}
	}
}

func TestMigrate(t *testing.T) {
	for _, c := range []struct {
		role, version, name, value string
		action                     Action
		to                         string
	}{
		{"sequencer", "4.1.2", "ETHEREUM_HOSTS", "http://a, http://b", Moved, "l1.rpc"},
		{"sequencer", "4.1.2", "ETHEREUM_HOST", "ws://a", Refused, ""},
		{"sequencer", "4.1.2", "SEQ_MAX_TX_PER_BLOCK", "8", Renamed, "SEQ_MAX_TX_PER_CHECKPOINT"},
		{"sequencer", "2.1.11", "SEQ_MAX_TX_PER_BLOCK", "8", Kept, "SEQ_MAX_TX_PER_BLOCK"},
		{"sequencer", "4.1.2", "SYNC_SNAPSHOTS_URL", "https://s", Renamed, "SYNC_SNAPSHOTS_URLS"},
		{"sequencer", "4.1.2", "DEBUG", "x", Dropped, ""},
		{"sequencer", "4.1.2", "SEQ_ENFORCE_TIME_TABLE", "yes", Corrected, "SEQ_ENFORCE_TIME_TABLE"},
		{"sequencer", "5.2.0", "SEQ_ENFORCE_TIME_TABLE", "yes", Dropped, ""},
		{"sequencer", "4.1.2", "P2P_BROADCAST_PORT", "http://x", Refused, ""},
		{"sequencer", "4.1.2", "AZTEC_SLOT_DURATION", "36", Dropped, ""},
		{"sequencer", "4.1.2", "L1_CHAIN_ID", "5", Refused, ""},
		{"sequencer", "4.1.2", "NETWORK", "testnet", Moved, "network"},
		{"sequencer", "4.1.2", "GOVERNANCE_PROPOSER_PAYLOAD_ADDRESS", "0xb7f8bc63bbcad18155201308c8f3540b07f84f5e", Moved, "payload"},
		{"sequencer", "4.1.2", "VALIDATOR_HA_DATABASE_URL", "postgresql://u:p@h/d", Secreted, ""},
		{"sequencer", "4.1.2", "SOME_PASSWORD", "x", Secreted, ""},
		{"sequencer", "4.1.2", "no name", "x", Dropped, ""},
		{"sequencer", "4.1.2", "XYZZY", "a\x1b[31m", Refused, ""},
		{"prover-node", "4.1.2", "PROVER_AGENT_ENABLED", "False", Moved, "prover.agents"},
		{"prover-node", "4.1.2", "PROVER_COORDINATION_NODE_URL", "http://n", Moved, "prover.nodes"},
		{"prover-agent", "4.1.2", "PROVER_AGENT_CONCURRENCY", "3", Moved, "prover.agents"},
		{"prover-agent", "4.1.2", "P2P_PORT", "40400", Dropped, ""},
		{"prover-agent", "4.1.2", "PROVER_BROKER_HOST", "http://b:1", Moved, "prover.broker"},
	} {
		inst := ofRole(t, c.role)
		inst.Env = map[string]string{c.name: c.value}
		got := BuiltIn().MigrateEnv(inst, c.version)
		if len(got.Changes) != 1 || got.Changes[0].Action != c.action || got.Changes[0].To != c.to && c.action != Secreted {
			t.Errorf("%s %s %s: %+v", c.role, c.version, c.name, got.Changes)
		}
		if inst.Env[c.name] != c.value {
			t.Errorf("%s: what was passed in changed", c.name)
		}
	}
}

// Two variables for one setting agree, or the operator decides.
func TestMigrateContradiction(t *testing.T) {
	inst := New("val1")
	inst.Network = "custom"
	m := BuiltIn().Migrate(inst, []envfile.Var{
		{Name: "P2P_TCP_ANNOUNCE_ADDR", Value: "203.0.113.7:40400"},
		{Name: "P2P_UDP_ANNOUNCE_ADDR", Value: "203.0.113.8:40400"},
		{Name: "P2P_TCP_LISTEN_ADDR", Value: "0.0.0.0:40401"},
	}, "4.1.2")
	if len(m.Refused()) != 2 || m.Instance.P2P.IP != "203.0.113.7" || m.Instance.Ports.P2P != 40400 {
		t.Errorf("%s", showMigration(m))
	}
}

func FuzzMigrate(f *testing.F) {
	for _, v := range scriptEnv() {
		f.Add(v.Name, v.Value, "4.1.2")
	}
	f.Add("P2P_TCP_LISTEN_ADDR", "[::1]:40400", "0.67.1")
	c := BuiltIn()
	f.Fuzz(func(t *testing.T, name, value, version string) {
		m := c.Migrate(sequencer(), []envfile.Var{{Name: name, Value: value}}, version)
		if len(m.Changes) != 1 {
			t.Fatalf("%+v", m.Changes)
		}
		if m.Changes[0].Action == Refused || m.Changes[0].Action == Secreted {
			return
		}
		if err := c.Validate(m.Instance); err != nil {
			t.Fatalf("%q = %q became %+v: %v", name, value, m.Changes, err)
		}
	})
}
