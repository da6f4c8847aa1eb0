package profiles

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aztec-spartan/aztec-spartan/profiles/envfile"
)

var adminKeyHash = strings.Repeat("0a", 32)

// imageEnv is what images set: facts of each era.
func imageEnv(version string) []string {
	switch version {
	case "0.67.1":
		return []string{"BB_WORKING_DIRECTORY=/usr/src/bb", "BB_BINARY_PATH=/usr/src/bb", "ACVM_WORKING_DIRECTORY=/usr/src/acvm", "PORT=8080"}
	case "6.0.0-rc.1":
		return []string{"BB_WORKING_DIRECTORY=/usr/src/bb", "NOIR_EXECUTE_WORKING_DIRECTORY=/usr/src/noir-execute", "UV_THREADPOOL_SIZE=8"}
	}
	return []string{"PATH=/bin", "BB_WORKING_DIRECTORY=/usr/src/bb", "ACVM_WORKING_DIRECTORY=/usr/src/acvm", "BUILD_METADATA="}
}

// eras are the versions that golden files exist for, each with a network of
// its time.
var eras = []struct{ version, network string }{
	{"0.67.1", "custom"}, {"0.87.9", "testnet"}, {"2.1.11", "mainnet"}, {"4.1.2", "mainnet"}, {"4.1.2", "local"}, {"5.2.0", "mainnet"}, {"6.0.0-rc.1", "testnet"},
}

// facts are those of an image of the version; 6 has no list of variables yet.
func facts(t testing.TB, version string) ImageFacts {
	f := ImageFacts{Version: version, Env: imageEnv(version)}
	if version != "6.0.0-rc.1" {
		f.Known = known(t, version)
	}
	return f
}

// show writes a service down, its environment as the file that it becomes.
func show(t *testing.T, s Service) []byte {
	env, err := envfile.Encode(s.Env, "")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "args: %s\n", strings.Join(s.Args, " "))
	for _, c := range s.Credentials {
		fmt.Fprintf(&b, "credential: %s from %s in %s\n", c.Name, c.Source, c.Variable)
	}
	fmt.Fprintf(&b, "secret variables: %s\n", strings.Join(s.SecretEnv, " "))
	if s.DataDir == "" || s.CRSDir != "" || len(s.Allow) > 0 {
		fmt.Fprintf(&b, "data: %q\nreference string: %q\nallow: %s\n", s.DataDir, s.CRSDir, strings.Join(s.Allow, " "))
	}
	fmt.Fprintf(&b, "ports: rpc %d, admin %d, p2p %d (%v)\nnamespace: %s\nchain: %d\n", s.RPCPort, s.AdminPort, s.P2PPort, s.P2P, s.RPCNamespace, s.ChainID)
	for _, w := range s.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	fmt.Fprintf(&b, "\n%s", env)
	return []byte(b.String())
}

// ofRole is an instance of a role, with all that leaves a trace there.
func ofRole(t testing.TB, role string) Instance {
	t.Helper()
	i := sequencer()
	i.Role = role
	r, err := BuiltIn().Role(role)
	if err != nil {
		t.Fatal(err)
	}
	if !r.P2P() {
		i.P2P = P2P{}
	}
	i.ExtraArgs = nil
	switch role {
	case "sequencer":
		i.ExtraArgs = []string{"--sequencer.minTxsPerBlock", "0"}
	case "full-node":
		i.Payload = NoPayload
	case "prover-node":
		i.Prover = Prover{Broker: "http://127.0.0.1:8081", ID: "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC", Nodes: []string{"http://127.0.0.1:8080"}}
		i.Registry = "0xb7f8bc63bbcad18155201308c8f3540b07f84f5e"
	case "prover-broker":
		i.Allow = []string{"192.0.2.0/24", "agents.example"}
	case "prover-agent":
		two, interval := 2, 500
		i.Prover = Prover{Broker: "http://broker.example:8081", Agents: &two, PollIntervalMS: &interval}
	}
	return i
}

func TestRenderGolden(t *testing.T) {
	for _, role := range BuiltIn().Roles() {
		for _, e := range eras {
			inst := ofRole(t, role.Name)
			switch {
			case e.network == "local" && role.Name != "sequencer":
				continue
			case e.network == "local":
				inst = local()
			default:
				inst.Network = e.network
			}
			if e.network == "custom" {
				inst.L1.ChainID = 11155111
			}
			got, err := BuiltIn().Render(inst, facts(t, e.version), HostFacts{AdminKeyHash: adminKeyHash})
			if err != nil {
				t.Fatalf("%s %s: %v", role.Name, e.version, err)
			}
			golden(t, fmt.Sprintf("testdata/%s-%s-%s.txt", role.Name, e.version, e.network), show(t, got))
		}
	}
}

// What a node sends to a collector has a label that stays, whatever labels the
// operator gives it; one that sends nothing gets none.
func TestRenderTelemetry(t *testing.T) {
	const endpoint, attributes = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_RESOURCE_ATTRIBUTES"
	for name, test := range map[string]struct {
		env  map[string]string
		want string
	}{
		"nothing is sent":  {map[string]string{attributes: "a=b"}, "a=b"},
		"sent":             {map[string]string{endpoint: "http://c:4318/v1/metrics"}, "instance_name=val1"},
		"with labels":      {map[string]string{endpoint: "http://c:4318/v1/metrics", attributes: "a=b,c=d"}, "instance_name=val1,a=b,c=d"},
		"with another one": {map[string]string{endpoint: "http://c:4318/v1/metrics", attributes: "a=b,instance_name=mine"}, "a=b,instance_name=mine"},
		"traces alone":     {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318"}, "instance_name=val1"},
	} {
		inst := sequencer()
		inst.Env = test.env
		svc, err := BuiltIn().Render(inst, facts(t, "4.1.2"), HostFacts{})
		if got := value(svc, attributes); err != nil || got != test.want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// Of the variables that settings become, each release reads every one: the
// lists are upstream's own.
func TestEveryReleaseReadsOurVariables(t *testing.T) {
	for _, role := range BuiltIn().Roles() {
		for _, v := range []string{"0.67.1", "0.76.4", "0.81.0", "0.82.3", "0.87.9", "1.2.1", "2.1.11", "4.1.2", "5.2.0"} {
			for _, p2p := range []P2P{{IP: "203.0.113.7"}, {QueryIP: true}} {
				inst := ofRole(t, role.Name)
				inst.Network, inst.L1.ChainID, inst.Env, inst.P2P = "custom", 1, nil, p2p
				if !role.P2P() {
					inst.P2P = P2P{}
				}
				inst.FeeRecipient = "0x" + strings.Repeat("0", 64)
				inst.L1.RPC = inst.L1.RPC[:1]
				if v == "0.67.1" {
					inst.L1.Consensus = nil
				}
				svc, err := BuiltIn().Render(inst, facts(t, v), HostFacts{AdminKeyHash: adminKeyHash})
				if err != nil || len(svc.Warnings) > 0 {
					t.Errorf("%s %s: %q, %v", role.Name, v, svc.Warnings, err)
				}
				list := known(t, v)
				for _, s := range svc.SecretEnv {
					if !list.Lists(s) {
						t.Errorf("%s does not read %s", v, s)
					}
				}
				for _, c := range svc.Credentials {
					if !list.Lists(c.Variable) {
						t.Errorf("%s does not read %s", v, c.Variable)
					}
				}
			}
		}
	}
}

// value is that of a variable of a service; "" if it has none.
func value(s Service, name string) string {
	i := slices.IndexFunc(s.Env, func(v envfile.Var) bool { return v.Name == name })
	if i < 0 {
		return ""
	}
	return s.Env[i].Value
}

func TestRenderP2P(t *testing.T) {
	for _, c := range []struct {
		version, ip string
		want        map[string]string
	}{
		{"0.67.1", "2001:db8::7", map[string]string{"P2P_TCP_ANNOUNCE_ADDR": "[2001:db8::7]:40400", "P2P_UDP_LISTEN_ADDR": "0.0.0.0:40400", "P2P_PORT": ""}},
		{"0.67.1", "", map[string]string{"P2P_TCP_ANNOUNCE_ADDR": ":40400", "P2P_QUERY_FOR_IP": "true"}},
		{"0.81.0", "203.0.113.7", map[string]string{"P2P_TCP_ANNOUNCE_ADDR": "", "P2P_IP": "203.0.113.7", "P2P_PORT": "40400", "P2P_QUERY_FOR_IP": ""}},
		{"5.2.0", "", map[string]string{"P2P_IP": "", "P2P_PORT": "40400", "P2P_QUERY_FOR_IP": "true"}},
	} {
		inst := sequencer()
		inst.Network, inst.L1.ChainID = "custom", 1
		inst.P2P = P2P{IP: c.ip, QueryIP: c.ip == ""}
		svc, err := BuiltIn().Render(inst, facts(t, c.version), HostFacts{})
		if err != nil {
			t.Fatalf("%s: %v", c.version, err)
		}
		for name, want := range c.want {
			if got := value(svc, name); got != want {
				t.Errorf("%s: %s is %q, want %q", c.version, name, got, want)
			}
		}
	}
	off := false
	inst := sequencer()
	inst.P2P = P2P{Enabled: &off}
	svc, err := BuiltIn().Render(inst, facts(t, "4.1.2"), HostFacts{})
	if err != nil || svc.P2P || svc.P2PPort != 0 || value(svc, "P2P_ENABLED") != "false" || value(svc, "P2P_PORT") != "" {
		t.Errorf("without P2P: %+v, %v", svc, err)
	}
}

func TestRenderArgs(t *testing.T) {
	inst := sequencer()
	inst.Args, inst.ExtraArgs = []string{"start", "--node"}, []string{"--x"}
	svc, err := BuiltIn().Render(inst, ImageFacts{Version: "0.67.1"}, HostFacts{})
	if d := cmp.Diff([]string{"start", "--node", "--x"}, svc.Args); err != nil || d != "" {
		t.Errorf("%v\n%s", err, d)
	}
	if inst.Args[0] != "start" || len(inst.Args) != 2 {
		t.Errorf("the instance was changed: %q", inst.Args)
	}
}

// The operator's variables win over ours where ours are not needed.
func TestRenderEnvWins(t *testing.T) {
	inst := sequencer()
	inst.Env = map[string]string{"LOG_LEVEL": "debug", "BB_WORKING_DIRECTORY": "/var/lib/aztec/val1/bb", "BUILD_METADATA": "x"}
	svc, err := BuiltIn().Render(inst, facts(t, "4.1.2"), HostFacts{})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range inst.Env {
		if got := value(svc, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if d := cmp.Diff(1, strings.Count(string(show(t, svc)), "\nLOG_LEVEL=")); d != "" {
		t.Errorf("LOG_LEVEL: %s", d)
	}
}

func TestRenderRefuses(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(*Instance)
		version string
		hash    string
		want    string
	}{
		{"invalid settings", func(i *Instance) { i.Ports.RPC = 0 }, "4.1.2", "", "ports.rpc: "},
		{"variable of another version", func(i *Instance) { i.Env = map[string]string{"SEQ_ENFORCE_TIME_TABLE": "1"} }, "5.2.0", "", "env.SEQ_ENFORCE_TIME_TABLE: the node does not read SEQ_ENFORCE_TIME_TABLE since 5.0.0: the timetable always holds"},
		{"network too new for the version", func(i *Instance) {}, "0.87.9", "", "version 0.87.9 does not know the network mainnet"},
		{"network where there was none", func(i *Instance) { i.Network = "testnet" }, "0.67.1", "", "choose the network custom"},
		{"no version", func(i *Instance) {}, "latest", "", "latest"},
		{"hash", func(i *Instance) {}, "4.1.2", "x", "admin API key"},
	} {
		inst := sequencer()
		c.change(&inst)
		f := ImageFacts{Version: c.version}
		if c.version != "latest" {
			f = facts(t, c.version)
		}
		if _, err := BuiltIn().Render(inst, f, HostFacts{AdminKeyHash: c.hash}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

func TestRenderWarns(t *testing.T) {
	for _, c := range []struct {
		name string
		img  ImageFacts
		want string
	}{
		{"no version and no list", ImageFacts{}, "the image does not say its version: it is taken for the newest known here"},
		{"no list", ImageFacts{Version: "4.1.2"}, "the names in [env] were not checked"},
		{"development build", ImageFacts{Version: "0.0.1-commit.abc"}, "development build (0.0.1-commit.abc)"},
		{"renamed behind our back", ImageFacts{Version: "7.0.0", Known: VariableSet{map[string]bool{"ETHEREUM_HOSTZ": true, "P2P_MAX_PEERS": true}}}, "did you mean ETHEREUM_HOSTZ?: a setting of this program has no effect there"},
		{"several URLs", ImageFacts{Version: "0.76.4"}, "l1.rpc: version 0.76.4 uses one URL, so only the first, https://...@eth.example/..."},
		{"no beacon node", ImageFacts{Version: "0.67.1"}, "l1.consensus: version 0.67.1 does not use"},
	} {
		inst := sequencer()
		inst.Network, inst.L1.ChainID = "custom", 1
		svc, err := BuiltIn().Render(inst, c.img, HostFacts{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if all := strings.Join(svc.Warnings, "\n"); !strings.Contains(all, c.want) {
			t.Errorf("%s: warnings %q, want %q", c.name, all, c.want)
		}
	}
	typo := sequencer()
	typo.Env = map[string]string{"P2P_MAX_PEER": "50"}
	svc, err := BuiltIn().Render(typo, facts(t, "4.1.2"), HostFacts{})
	if err != nil || len(svc.Warnings) != 1 || !strings.Contains(svc.Warnings[0], "env.P2P_MAX_PEER: this version of the node does not know the variable P2P_MAX_PEER: did you mean P2P_MAX_PEERS?") {
		t.Errorf("an unknown name: %q, %v", svc.Warnings, err)
	}
	svc, err = BuiltIn().Render(local(), facts(t, "4.1.2"), HostFacts{AdminKeyHash: adminKeyHash})
	if err != nil || len(svc.Warnings) != 0 {
		t.Errorf("nothing is wrong, and yet: %q, %v", svc.Warnings, err)
	}
}
