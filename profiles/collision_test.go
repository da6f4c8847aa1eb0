package profiles

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aztec-spartan/aztec-spartan/profiles/keystore"
)

func tenant(name, version string, change func(*Tenant)) Tenant {
	t := Tenant{Instance: sequencer(), Version: version}
	t.Name, t.Ports = name, Ports{9000, 9001, 9002}
	if change != nil {
		change(&t)
	}
	return t
}

func TestCollisions(t *testing.T) {
	a, b := keystore.Address{1}, keystore.Address{2}
	first := tenant("val1", "5.2.0", func(t *Tenant) {
		t.Ports = Ports{8080, 8880, 40400}
		t.Attesters, t.Publishers = []keystore.Address{a}, []keystore.Address{a}
	})
	agent := tenant("agent", "5.2.0", func(t *Tenant) { t.Role, t.Ports = "prover-agent", Ports{8090, 8880, 40400} })
	broken := tenant("broken", "5.2.0", func(t *Tenant) { t.Role, t.Ports = "no-such-role", Ports{1111, 8880, 40400} })
	for _, c := range []struct {
		name   string
		change func(*Tenant)
		want   string // "": none
	}{
		{"nothing", nil, ""},
		{"RPC port", func(t *Tenant) { t.Ports.RPC = 8080 }, "rpc port 8080 is instance val1's"},
		{"RPC on admin", func(t *Tenant) { t.Ports.RPC = 8880 }, "rpc port 8880 is instance val1's"},
		{"P2P, TCP and UDP", func(t *Tenant) { t.Ports.P2P = 40400 }, "p2p port 40400 is instance val1's; p2p port 40400 is instance val1's"},
		{"an agent's RPC", func(t *Tenant) { t.Ports.Admin = 8090 }, "admin port 8090 is instance agent's"},
		{"same directory", func(t *Tenant) { t.DataDir = "/var/lib/aztec/val1" }, "the data directory /var/lib/aztec/val1 is instance val1's"},
		{"below it", func(t *Tenant) { t.DataDir = "/var/lib/aztec/val1/x" }, "is instance val1's"},
		{"beside it", func(t *Tenant) { t.DataDir = "/var/lib/aztec/val12" }, ""},
		{"an agent keeps no data", func(t *Tenant) { t.DataDir = "/var/lib/aztec/agent" }, ""},
		{"attester", func(t *Tenant) { t.Attesters = []keystore.Address{b, a} }, "attester " + a.String() + " is instance val1's"},
		{"publisher", func(t *Tenant) { t.Publishers = []keystore.Address{a} }, "publisher " + a.String() + " is instance val1's"},
		{"other keys", func(t *Tenant) { t.Attesters, t.Publishers = []keystore.Address{b}, []keystore.Address{b} }, ""},
		{"stands by for the next rollup", func(t *Tenant) {
			t.StandbyOf, t.Version = "val1", "6.0.0-rc.1"
			t.Attesters, t.Publishers = []keystore.Address{a}, []keystore.Address{a}
		}, ""},
		{"stands by on another network", func(t *Tenant) {
			t.StandbyOf, t.Network, t.Attesters = "val1", "testnet", []keystore.Address{a}
		}, ""},
		{"stands by on the same rollup", func(t *Tenant) {
			t.StandbyOf, t.Version, t.Attesters = "val1", "5.1.0", []keystore.Address{a}
		}, "both are on the same rollup"},
		{"stands by, version unknown", func(t *Tenant) {
			t.StandbyOf, t.Version, t.Attesters = "val1", "", []keystore.Address{a}
		}, "both are on the same rollup"},
		{"next rollup, not said", func(t *Tenant) { t.Version, t.Attesters = "6.0.0", []keystore.Address{a} }, "is slashed"},
		{"stands by for nobody", func(t *Tenant) { t.StandbyOf = "valx" }, "standby_of: there is no instance valx"},
	} {
		err := BuiltIn().Collisions(tenant("val2", "5.2.0", c.change), []Tenant{first, agent, broken})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	if err := BuiltIn().Collisions(first, []Tenant{first}); err != nil {
		t.Errorf("an instance collides with itself: %v", err)
	}
	err := BuiltIn().Collisions(tenant("val2", "", func(t *Tenant) { t.Ports.Admin = 8080 }), []Tenant{first})
	c, ok := errors.AsType[*CollisionError](err)
	if !ok || c.What != SharedPort || c.With != "val1" || c.Instance != "val2" || c.Listen.Name != "admin" {
		t.Errorf("%+v", c)
	}
}

func TestFreePorts(t *testing.T) {
	first := sequencer()
	busy := func(network string, port int) bool { return port == 8081 || network == "udp" && port == 40401 }
	second := first.Standby("val2")
	got, err := BuiltIn().FreePorts(second, []Instance{first, second}, busy)
	if d := cmp.Diff(Ports{8082, 8881, 40402}, got); err != nil || d != "" {
		t.Errorf("%v\n%s", err, d)
	}
	second.Ports = Ports{8079, 8079, 8079}
	got, err = BuiltIn().FreePorts(second, nil, nil)
	if d := cmp.Diff(Ports{8079, 8080, 8081}, got); err != nil || d != "" {
		t.Errorf("%v\n%s", err, d)
	}
	second.Ports.RPC = 65535
	_, err = BuiltIn().FreePorts(second, nil, func(string, int) bool { return true })
	if err == nil || !strings.Contains(err.Error(), "ports.rpc: no port is free from 65535 on") {
		t.Errorf("no port left: %v", err)
	}
}

func TestStandby(t *testing.T) {
	first := sequencer()
	first.DataDir = "/srv/a"
	second := first.Standby("val1-v6")
	if second.Name != "val1-v6" || second.StandbyOf != "val1" || second.DataDir != "" {
		t.Errorf("%+v", second)
	}
	second.Env["A"], second.L1.RPC[0] = "x", "x"
	if first.Env["A"] != "" || first.L1.RPC[0] == "x" {
		t.Error("the original changed")
	}
}
