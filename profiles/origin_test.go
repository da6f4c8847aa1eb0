package profiles

import (
	"strings"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/profiles/envfile"
)

func TestOrigins(t *testing.T) {
	inst := ofRole(t, "prover-node")
	inst.Env = map[string]string{"BB_WORKING_DIRECTORY": "/var/lib/aztec/val1/bb", "P2P_MAX_PEERS": "50"}
	host := HostFacts{AdminKeyHash: adminKeyHash, LocalEnv: []envfile.Var{
		{Name: "P2P_MAX_PEERS", Value: "7"},
		{Name: "AZTEC_PORT", Value: "9"},
		{Name: "P2P_MAX_PEER", Value: "7"},
		{Name: "VALIDATOR_HA_DATABASE_URL", Value: "postgresql://u:hunter2@h/d"},
		{Name: "LOG_LEVEL", Value: ""},
		{Name: "P2P_BROADCAST_PORT", Value: "x"},
		{Name: "AZTEC_SLOT_DURATION", Value: "36"},
		{Name: "PROVER_AGENT_CONCURRENCY", Value: "1"},
	}}
	svc, err := BuiltIn().Render(inst, facts(t, "4.1.2"), host)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"BB_WORKING_DIRECTORY":      "image, computed, [env] of instance.toml",
		"P2P_MAX_PEERS":             "[env] of instance.toml, local.env",
		"PATH":                      "image",
		"L1_CHAIN_ID":               "network mainnet",
		"P2P_ENABLED":               "network mainnet",
		"PROVER_AGENT_COUNT":        "role prover-node",
		"PROVER_BROKER_HOST":        "prover.broker of instance.toml",
		"ETHEREUM_HOSTS":            "l1.rpc of instance.toml",
		"DATA_DIRECTORY":            "computed",
		"KEY_STORE_DIRECTORY":       "computed",
		"VALIDATOR_HA_DATABASE_URL": "local.env",
		"NOBODY":                    "",
	} {
		var got []string
		for _, o := range svc.Explain(name) {
			got = append(got, o.From())
			if s := o.Shown(); strings.Contains(s, "hunter2") || strings.Contains(s, "v3/key") {
				t.Errorf("%s shows a secret: %s", name, s)
			}
		}
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("%s comes from %q, want %q", name, s, want)
		}
	}
	// Each variable of the file is explained, by the value that it has there.
	for _, v := range svc.Env {
		o := svc.Explain(v.Name)
		for len(o) > 0 && o[len(o)-1].Source == FromLocalEnv {
			o = o[:len(o)-1]
		}
		if len(o) == 0 || o[len(o)-1].Value != v.Value {
			t.Errorf("%s: %+v, want %q", v.Name, o, v.Value)
		}
	}
	for _, want := range []string{
		"local.env: AZTEC_PORT: hides what is decided elsewhere: ports.rpc",
		"local.env: this version of the node does not know the variable P2P_MAX_PEER: did you mean P2P_MAX_PEERS?",
		"local.env: LOG_LEVEL: is empty",
		`local.env: P2P_BROADCAST_PORT: "x" is not the number of a port`,
		"local.env: AZTEC_SLOT_DURATION: mainnet gives every node its own value",
		"local.env: the node does not read PROVER_AGENT_CONCURRENCY since 0.83.0: PROVER_AGENT_COUNT",
	} {
		if !strings.Contains(strings.Join(svc.Warnings, "\n"), want) {
			t.Errorf("warnings %q lack %q", svc.Warnings, want)
		}
	}
	old, err := BuiltIn().Render(func() Instance { i := ofRole(t, "prover-node"); i.Network, i.L1.ChainID = "custom", 1; return i }(), facts(t, "0.67.1"), HostFacts{})
	if o := old.Explain("PROVER_PUBLISHER_PRIVATE_KEY"); err != nil || len(o) != 1 || o[0].From() != "secret key" || o[0].Shown() != "(secret)" {
		t.Errorf("%+v, %v", o, err)
	}
}

// What [env] may not say is said before anything is written.
func TestEnvIsJudged(t *testing.T) {
	for _, c := range []struct {
		role, network, name, value, allow, want string
	}{
		{"sequencer", "mainnet", "P2P_MAX_PEERS", "many", "", `env.P2P_MAX_PEERS: "many" is not a whole number`},
		{"sequencer", "mainnet", "SEQ_MIN_TX_PER_BLOCK", "1", "", ""},
		{"sequencer", "mainnet", "AZTEC_SLOT_DURATION", "36", "", "env.AZTEC_SLOT_DURATION: mainnet gives every node its own value"},
		{"sequencer", "mainnet", "AZTEC_SLOT_DURATION", "36", "true", ""},
		{"sequencer", "mainnet", "AZTEC_SLOT_DURATION", "36", "1", ""},
		{"sequencer", "mainnet", "AZTEC_SLOT_DURATION", "36", "no", "env.ALLOW_OVERRIDING_NETWORK_CONFIG: "},
		{"sequencer", "custom", "AZTEC_SLOT_DURATION", "36", "", ""},
		{"sequencer", "custom", "ETHEREUM_SLOT_DURATION", "12sec", "", "without"},
		{"sequencer", "mainnet", "ETHEREUM_DEBUG_HOSTS", "example.org", "", "env.ETHEREUM_DEBUG_HOSTS: "},
		{"sequencer", "mainnet", "GOVERNANCE_PROPOSER_PAYLOAD_ADDRESS", "null", "", "env.GOVERNANCE_PROPOSER_PAYLOAD_ADDRESS: "},
		{"sequencer", "mainnet", "AZTEC_PORT", "8081", "", "env.AZTEC_PORT: is not set here: ports.rpc, or --port, does it"},
		{"prover-node", "mainnet", "PROVER_BROKER_HOST", "http://x", "", "env.PROVER_BROKER_HOST: excludes prover.broker"},
		{"prover-agent", "mainnet", "PROVER_REAL_PROOFS", "maybe", "", "env.PROVER_REAL_PROOFS: "},
	} {
		inst := ofRole(t, c.role)
		inst.Network, inst.Env = c.network, map[string]string{c.name: c.value}
		if c.network == "custom" {
			inst.L1.ChainID = 5
		}
		if c.allow != "" {
			inst.Env[allowOverriding] = c.allow
		}
		err := BuiltIn().Validate(inst)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) && c.want != "without") {
			t.Errorf("%s=%s: %v, want %q", c.name, c.value, err, c.want)
		}
	}
	inst := sequencer()
	inst.Env = map[string]string{allowOverriding: "true", "AZTEC_SLOT_DURATION": "36"}
	svc, err := BuiltIn().Render(inst, facts(t, "5.2.0"), HostFacts{})
	if err != nil || len(svc.Warnings) != 1 || !strings.Contains(svc.Warnings[0], "goes its own way") {
		t.Errorf("%q, %v", svc.Warnings, err)
	}
}

func TestNewSettingsAreJudged(t *testing.T) {
	three := 1025
	for _, c := range []struct {
		role   string
		change func(*Instance)
		want   string
	}{
		{"sequencer", func(i *Instance) { i.DataDir = "/srv/aztec/val1" }, ""},
		{"sequencer", func(i *Instance) { i.DataDir = "/srv" }, "data_dir: /srv: choose a directory below it"},
		{"sequencer", func(i *Instance) { i.DataDir = "/srv/a:b" }, "data_dir: "},
		{"sequencer", func(i *Instance) { i.DataDir = "/etc/aztec-spartan/instances" }, "data_dir: "},
		{"sequencer", func(i *Instance) { i.DataDir = "srv/a" }, "data_dir: "},
		{"prover-agent", func(i *Instance) { i.DataDir = "/srv/a" }, "data_dir: a prover-agent keeps no data"},
		{"prover-agent", func(i *Instance) { i.CRS = "/srv/crs" }, "crs: /srv/crs: the reference string can be kept below /var/cache or /var/lib"},
		{"sequencer", func(i *Instance) { i.CRS = "/" }, "crs: "},
		{"sequencer", func(i *Instance) { i.Payload = NoPayload }, ""},
		{"sequencer", func(i *Instance) { i.Payload = "nothing" }, "payload: "},
		{"sequencer", func(i *Instance) { i.Registry = "null" }, "registry_address: "},
		{"sequencer", func(i *Instance) { i.Bootnode = "x" }, "bootnode: "},
		{"sequencer", func(i *Instance) { i.StandbyOf = "val1" }, "standby_of: is the instance itself"},
		{"sequencer", func(i *Instance) { i.StandbyOf = "../x" }, "standby_of: "},
		{"sequencer", func(i *Instance) { i.Allow = []string{"0.0.0.0/0"} }, "allow: 0.0.0.0/0 is everybody"},
		{"sequencer", func(i *Instance) { i.P2P.BootstrapNodes = []string{"x"} }, "p2p.bootstrap_nodes: "},
		{"sequencer", func(i *Instance) { i.Prover.Broker = "http://b" }, "prover: a sequencer is no part of a prover"},
		{"prover-node", func(i *Instance) { i.Prover.Broker = "" }, "prover.broker: is missing"},
		{"prover-node", func(i *Instance) { i.Prover.ID = "me" }, "prover.id: "},
		{"prover-node", func(i *Instance) { i.Prover.Nodes = []string{"x"} }, "prover.nodes: "},
		{"prover-agent", func(i *Instance) { i.Prover.Agents = &three }, "prover.agents: 1025"},
		{"prover-agent", func(i *Instance) { i.Prover.PollIntervalMS = new(int) }, "prover.poll_interval_ms: 0"},
		{"prover-agent", func(i *Instance) { i.P2P.IP = "203.0.113.7" }, "p2p: a prover-agent has no peers"},
		{"prover-agent", func(i *Instance) { i.L1, i.Ports.Admin, i.Ports.P2P = L1{}, 8080, 0 }, ""},
		{"prover-broker", func(i *Instance) { i.L1.RPC = nil }, "l1.rpc: is missing"},
	} {
		inst := ofRole(t, c.role)
		c.change(&inst)
		err := BuiltIn().Validate(inst)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.role, err, c.want)
		}
	}
	if ValidName("crs") == nil {
		t.Error("an instance would share its cache with all")
	}
}
