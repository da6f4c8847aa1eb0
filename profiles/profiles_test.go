package profiles

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: go test ./profiles -update", err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s: -golden +now:\n%s", path, d)
	}
}

// known is the list of variables of a release, as upstream published it.
func known(t testing.TB, version string) VariableSet {
	t.Helper()
	data, err := os.ReadFile("testdata/variables/" + version + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	union := "'" + strings.Join(strings.Fields(string(data)), "' | '") + "'"
	set, err := KnownVariables(fstest.MapFS{
		variableFiles[0]: {Data: []byte("export type EnvVar = " + union + ";\n//# sourceMappingURL=x\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// sequencer has every setting that leaves a trace.
func sequencer() Instance {
	i := New("val1")
	i.Network = "mainnet"
	i.Image = "docker.io/aztecprotocol/aztec:4.1.2"
	i.Coinbase = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
	i.L1.RPC = []string{"https://user:pw@eth.example/v3/key", "http://192.168.1.2:8545"}
	i.L1.Consensus = []string{"https://beacon.example"}
	i.P2P.IP = "203.0.113.7"
	i.Env = map[string]string{"P2P_MAX_PEERS": "50", "OTEL_RESOURCE_ATTRIBUTES": "host=a b,quote=\""}
	i.ExtraArgs = []string{"--sequencer.minTxsPerBlock", "0"}
	return i
}

func local() Instance {
	i := New("val1")
	i.Network, i.Image = "local", "registry.example/aztec@sha256:"+strings.Repeat("0a", 32)
	i.L1.RPC = []string{"http://127.0.0.1:8545"}
	return i
}

func TestBuiltInData(t *testing.T) {
	for _, r := range BuiltIn().Roles() {
		if r.Schema != Schema || r.Description == "" || r.UnitPrefix == "" || r.Slice == "" || r.StopTimeout() <= 0 || len(r.Commands) == 0 {
			t.Errorf("role %s lacks something: %+v", r.Name, r)
		}
		// Each version has exactly one command line.
		for _, v := range []string{"0.63.0", "0.67.1", "0.86.9", "0.87.0", "1.2.1", "2.1.11", "4.4.0", "5.0.0-rc.1", "5.2.0", "6.0.0-rc.1", "7.0.0", "unknown"} {
			e, _ := eraOf(v)
			n := 0
			for _, c := range r.Commands {
				ok, err := e.within(c.Versions)
				if err != nil {
					t.Errorf("role %s: %v", r.Name, err)
				}
				if ok {
					n++
				}
			}
			if n != 1 && !(r.Name == "prover-broker" && v == "0.63.0") { // brokers came with 0.66
				t.Errorf("role %s has %d command lines for version %s", r.Name, n, v)
			}
		}
	}
	for _, n := range BuiltIn().Networks() {
		if n.Schema != Schema || n.Description == "" || n.Fixed && n.L1ChainID == 0 {
			t.Errorf("network %s lacks something: %+v", n.Name, n)
		}
		for _, f := range n.Flags {
			if _, err := (era{}).within(f.Versions); err != nil || f.Name == "" {
				t.Errorf("network %s: flag %q, %v", n.Name, f.Name, err)
			}
		}
	}
}

// What each role gets of a host, and how long it may take to stop: a prover node
// without its broker needs 31 seconds, an agent with a proof in the making more.
func TestRolesOnAHost(t *testing.T) {
	weights := func(cpu, io int) Resources { return Resources{CPUWeight: cpu, IOWeight: io} }
	number := func(n int) *int { return &n }
	sequencer, broker, agent := weights(500, 500), weights(400, 400), weights(50, 50)
	sequencer.OOMScoreAdjust, broker.OOMScoreAdjust = number(-500), number(-100)
	agent.OOMScoreAdjust, agent.Nice, agent.MemoryMax = number(500), number(10), "90%"
	type share struct {
		Slice     string
		Stop      time.Duration
		Resources Resources
	}
	want := map[string]share{
		"sequencer":     {"aztec-sequencer.slice", time.Minute, sequencer},
		"full-node":     {"aztec-sequencer.slice", time.Minute, weights(100, 100)},
		"prover-node":   {"aztec-prover.slice", 90 * time.Second, weights(400, 400)},
		"prover-broker": {"aztec-prover.slice", time.Minute, broker},
		"prover-agent":  {"aztec-prover.slice", 3 * time.Minute, agent},
	}
	got := map[string]share{}
	for _, r := range BuiltIn().Roles() {
		got[r.Name] = share{r.Slice, r.StopTimeout(), r.Resources}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestDataIsStrict(t *testing.T) {
	for name, text := range map[string]string{"unknown key": "schema = 1\nslise = 'x'", "no TOML": "a", "wrong type": "ports = 1"} {
		if _, err := Load(fstest.MapFS{"roles/x.toml": {Data: []byte(text)}}); err == nil || !strings.Contains(err.Error(), "roles/x.toml") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestByName(t *testing.T) {
	for _, name := range []string{"mainnet", "testnet", "local", "custom"} {
		if n, err := BuiltIn().Network(name); err != nil || n.Name != name {
			t.Errorf("network %s: %q, %v", name, n.Name, err)
		}
	}
	r, err := BuiltIn().Role("sequencer")
	if err != nil || r.UnitPrefix != "aztec-sequencer" {
		t.Errorf("role: %+v, %v", r, err)
	}
	for name, want := range map[string]string{"sequenser": "did you mean sequencer?", "x": "known are full-node, prover-agent, prover-broker, prover-node, sequencer"} {
		if _, err := BuiltIn().Role(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("role %s: error %v, want %q", name, err, want)
		}
	}
	if _, err := BuiltIn().Network("mainet"); err == nil || !strings.Contains(err.Error(), "did you mean mainnet?") {
		t.Errorf("network: error %v", err)
	}
}

func TestNearest(t *testing.T) {
	words := []string{"P2P_MAX_PEERS", "P2P_MIN_PEERS", "LOG_LEVEL", "role", "rpc"}
	for word, want := range map[string]string{
		"P2P_MAX_PEER": "P2P_MAX_PEERS", "P2P_MXA_PEERS": "P2P_MAX_PEERS", "LOGLEVEL": "LOG_LEVEL", "roel": "role", "rcp": "rpc", "rpc": "rpc",
		"": "", "xyz": "", "SOMETHING_ELSE": "", strings.Repeat("x", 1<<16): "",
	} {
		if got := nearest(word, words); got != want {
			t.Errorf("nearest to %.20q is %q, want %q", word, got, want)
		}
	}
}

func ExampleRedactURL() {
	fmt.Println(RedactURL("https://user:password@eth.example:8545/v3/key?token=1"))
	// Output: https://...@eth.example:8545/...
}
