package profiles

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

const ownRole = `schema = 1
description = "a bootnode"
unit_prefix = "aztec-bootnode"
slice = "aztec-sequencer.slice"
stop_timeout = 30
ports = ["rpc", "p2p"]
l1 = true
[[default]]
name = "P2P_MAX_PEERS"
versions = ">= 0"
value = "500"
[[command]]
versions = ">= 0"
args = ["start", "--p2p-bootstrap"]
namespace = "bootstrap"
`

const ownNetwork = `schema = 1
description = "a devnet"
l1_chain_id = 1337
p2p = true
[[flag]]
versions = ">= 4"
name = "v4-devnet-2"
[[variable]]
name = "REGISTRY_CONTRACT_ADDRESS"
versions = ">= 2"
value = "0xb7f8bc63bbcad18155201308c8f3540b07f84f5e"
[[repository]]
name = "registry.example:5000/aztec/node"
versions = ">= 0"
`

func own(path, text string) fs.FS { return fstest.MapFS{path: {Data: []byte(text)}} }

func TestOwnRolesAndNetworks(t *testing.T) {
	c, err := Load(own("roles/bootnode.toml", ownRole), own("networks/devnet.toml", ownNetwork))
	if err != nil {
		t.Fatal(err)
	}
	inst := sequencer()
	inst.Role, inst.Network, inst.ExtraArgs, inst.Env = "bootnode", "devnet", nil, nil
	svc, err := c.Render(inst, facts(t, "4.1.2"), HostFacts{})
	if err != nil || strings.Join(svc.Args, " ") != "start --p2p-bootstrap" || svc.AdminPort != 0 || svc.DataDir != "" {
		t.Fatalf("%+v, %v", svc, err)
	}
	if o := svc.Explain("P2P_MAX_PEERS"); len(o) != 1 || o[0].From() != "role bootnode" || o[0].Value != "500" {
		t.Errorf("%+v", o)
	}
	if o := svc.Explain("REGISTRY_CONTRACT_ADDRESS"); len(o) != 1 || o[0].From() != "network devnet" {
		t.Errorf("%+v", o)
	}
	inst.Registry = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
	if svc, err = c.Render(inst, facts(t, "2.1.11"), HostFacts{}); err == nil || !strings.Contains(err.Error(), "does not know the network devnet") {
		t.Errorf("a version before the network's: %v", err)
	}
	if svc, err = c.Render(inst, facts(t, "4.1.2"), HostFacts{}); err != nil || value(svc, "REGISTRY_CONTRACT_ADDRESS") != inst.Registry {
		t.Errorf("a setting wins over the network: %v", err)
	}
	if r := c.Repositories("devnet", "sequencer", "6.0.0"); len(r) != 1 || r[0].Name != "registry.example:5000/aztec/node" {
		t.Errorf("%+v", r)
	}
	if _, err := BuiltIn().Role("bootnode"); err == nil {
		t.Error("one catalog changed another")
	}
	// A file of the same name replaces the built-in one.
	c, err = Load(own("roles/sequencer.toml", ownRole))
	if r, rerr := c.Role("sequencer"); err != nil || rerr != nil || r.UnitPrefix != "aztec-bootnode" || len(c.Roles()) != len(BuiltIn().Roles()) {
		t.Errorf("%+v, %v, %v", r, err, rerr)
	}
}

func TestBadFilesAreNamed(t *testing.T) {
	for _, c := range []struct{ path, old, new, want string }{
		{"roles/bootnode.toml", "slice =", "slise =", `reading roles/bootnode.toml: unknown key "slise": did you mean slice?`},
		{"roles/bootnode.toml", "slice =", "Slice =", `unknown key "Slice"`},
		{"roles/bootnode.toml", "schema = 1", "schema = 2", "schema 2 is newer than 1"},
		{"roles/bootnode.toml", "schema = 1", "", "schema: is missing"},
		{"roles/bootnode.toml", "aztec-bootnode", "ssh", `unit_prefix: "ssh"`},
		{"roles/bootnode.toml", "aztec-bootnode", "aztec-roll", "unit_prefix: aztec-roll is another unit's"},
		{"roles/bootnode.toml", "aztec-bootnode", "aztec-../x", "unit_prefix: "},
		{"roles/bootnode.toml", "aztec-sequencer.slice", "system", "slice: "},
		{"roles/bootnode.toml", "stop_timeout = 30", "stop_timeout = 0", "stop_timeout: 0"},
		{"roles/bootnode.toml", `"rpc", "p2p"`, `"rcp"`, `ports: unknown port "rcp": did you mean rpc?`},
		{"roles/bootnode.toml", "a bootnode", "a\\nb", "description: "},
		{"roles/bootnode.toml", `versions = ">= 0"` + "\nargs", `versions = "about 5"` + "\nargs", "command.versions: "},
		{"roles/bootnode.toml", `"start", "--p2p-bootstrap"`, ``, "command.args: is missing"},
		{"roles/bootnode.toml", `"start", `, `"a\nb", `, "command.args: "},
		{"roles/bootnode.toml", `"500"`, `""`, "default.value: is missing"},
		{"roles/bootnode.toml", "P2P_MAX_PEERS", "A-B", "default.name: "},
		{"roles/bootnode.toml", "stop_timeout", "keys = true\nstop_timeout", "secret: is missing"},
		{"roles/bootnode.toml", "[[default]]", "[[secret]]\nversions = '>= 0'\n[[default]]", "secret: either variables or keystore"},
		{"roles/bootnode.toml", "stop_timeout", "required = ['l1.rcp']\nstop_timeout", `required: unknown setting "l1.rcp"`},
		{"roles/bootnode.toml", "[[command]]", "[resources]\nnice = 20\n[[command]]", "resources.nice: 20 is not between"},
		{"roles/bootnode.toml", "[[command]]", "[resources]\nmemory = '1GiB'\n[[command]]", `unknown key "resources.memory"`},
		{"roles/Boot.toml", "", "", "name: "},
		{"networks/devnet.toml", "v4-devnet-2", "--x", "flag.name: "},
		{"networks/devnet.toml", "l1_chain_id = 1337", "fixed = true", "l1_chain_id: is missing"},
		{"networks/devnet.toml", "l1_chain_id = 1337", "l1_chain_id = 9007199254740993", "l1_chain_id: not between"},
		{"networks/devnet.toml", "registry.example:5000/aztec/node", "node:latest", "repository.name: "},
		{"networks/devnet.toml", "[[flag]]", "[[flag]", "reading networks/devnet.toml: "},
	} {
		text := ownRole
		if strings.HasPrefix(c.path, "networks/") {
			text = ownNetwork
		}
		_, err := Load(own(c.path, strings.Replace(text, c.old, c.new, 1)))
		if err == nil || !strings.Contains(err.Error(), "reading "+c.path+": ") || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s with %q: error %v, want %q", c.path, c.new, err, c.want)
		}
	}
	if _, err := Load(own("roles/x.toml", "schema = 2")); !errors.Is(err, ErrSchema) {
		t.Errorf("newer: %v", err)
	}
	if _, err := Load(own("roles/x.toml", strings.Repeat("#", maxFile+1))); err == nil {
		t.Error("a file without end is read")
	}
	if c, err := Load(os.DirFS("/nonexistent")); err != nil || len(c.Roles()) == 0 {
		t.Errorf("no files of one's own: %v", err)
	}
}

// What an operator wrote to no effect is told, and nothing else.
func TestStrays(t *testing.T) {
	tree := fstest.MapFS{}
	for _, file := range []string{"roles/mine.toml", "networks/mine.toml", "README.md", "repositories.toml", "roles/README", "mine.toml", "roles/mine.conf", "roles/mine.toml~", "roles/more/mine.toml", "network/mine.toml", "networks/MINE.TOML"} {
		tree[file] = &fstest.MapFile{}
	}
	got, err := Strays(tree)
	want := []string{"mine.toml", "network", "networks/MINE.TOML", "roles/mine.conf", "roles/mine.toml~", "roles/more"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	if got, err := Strays(os.DirFS("/nonexistent")); err != nil || len(got) > 0 {
		t.Errorf("no tree: %q, %v", got, err)
	}
}

func TestRepositories(t *testing.T) {
	for _, c := range []struct{ role, version, want string }{
		{"sequencer", "0.67.1", "docker.io/aztecprotocol/aztec"},
		{"sequencer", "5.2.0", "docker.io/aztecprotocol/aztec"},
		{"sequencer", "6.0.0-rc.1", "docker.io/azteclabs/aztec"},
		{"sequencer", "", "docker.io/azteclabs/aztec"},
		{"prover-agent", "2.1.11", "docker.io/aztecprotocol/aztec"},
		{"prover-agent", "4.1.2", "docker.io/aztecprotocol/aztec docker.io/aztecprotocol/aztec-prover-agent"},
		{"prover-agent", "6.0.0-rc.1", "docker.io/azteclabs/aztec docker.io/azteclabs/aztec-prover-agent"},
	} {
		var got []string
		for _, r := range BuiltIn().Repositories("mainnet", c.role, c.version) {
			got = append(got, r.Name)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s %s: %s, want %s", c.role, c.version, s, c.want)
		}
	}
}

// Where versions are may be said anew, for all networks or for one.
func TestOwnRepositories(t *testing.T) {
	const moved = "schema = 1\n[[repository]]\nname = \"docker.io/aztecprotocol/aztec\"\nversions = \"< 4.2\"\n[[repository]]\nname = \"registry.example/aztec\"\nversions = \">= 4.2\"\n" +
		"[[repository]]\nname = \"registry.example/agent\"\nversions = \">= 4\"\nroles = [\"prover-agent\"]\n"
	c, err := Load(fstest.MapFS{"repositories.toml": {Data: []byte(moved)}, "networks/devnet.toml": {Data: []byte(ownNetwork)}})
	if err != nil {
		t.Fatal(err)
	}
	const upstream, labs, here, network = "docker.io/aztecprotocol/aztec", "docker.io/azteclabs/aztec", "registry.example/aztec", "registry.example:5000/aztec/node"
	for _, x := range []struct {
		c                                  Catalog
		network, repository, version, want string
	}{
		{c, "mainnet", upstream, "4.1.2", upstream},
		{c, "mainnet", upstream, "4.2.0-rc.1", here},
		{c, "mainnet", upstream, "6.0.0", here},
		{c, "mainnet", here, "4.1.2", upstream},
		{c, "", here, "nightly", here},
		{c, "mainnet", labs, "4.1.2", labs}, // is none of them any more
		{c, "mainnet", "registry.example/agent", "4.1.2", "registry.example/agent"},
		{c, "mainnet", "registry.example/agent", "3.0.0", "registry.example/agent"}, // nowhere
		{c, "devnet", upstream, "6.0.0", upstream},
		{c, "devnet", network, "6.0.0", network},
		{BuiltIn(), "mainnet", upstream, "6.0.0", labs},
		{BuiltIn(), "mainnet", here, "6.0.0", here},
		{BuiltIn(), "mainnet", "aztecprotocol/aztec", "6.0.0", labs}, // as docker names it, and so adopt
		{BuiltIn(), "mainnet", "aztecprotocol/aztec", "5.2.0", "aztecprotocol/aztec"},
		{BuiltIn(), "mainnet", "index.docker.io/azteclabs/aztec", "5.2.0", upstream},
		{BuiltIn(), "mainnet", "localhost/aztecprotocol/aztec", "6.0.0", "localhost/aztecprotocol/aztec"},
		{BuiltIn(), "mainnet", "aztec", "6.0.0", "aztec"},
		{BuiltIn(), "mainnet", upstream + "-prover-agent", "6.0.0-rc.1", labs + "-prover-agent"},
		{BuiltIn(), "mainnet", "aztecprotocol/aztec-prover-agent", "5.2.0", "aztecprotocol/aztec-prover-agent"},
		{BuiltIn(), "mainnet", labs + "-prover-agent", "5.2.0", upstream + "-prover-agent"},
		{BuiltIn(), "mainnet", labs + "-prover-agent", "3.0.0", labs + "-prover-agent"},
	} {
		if got := x.c.Home(x.network, x.repository, x.version); got != x.want {
			t.Errorf("%s of %s, for who uses %s: %s, want %s", x.version, x.network, x.repository, got, x.want)
		}
	}
	for network, want := range map[string]string{"devnet": network, "mainnet": here, "": here} {
		if got := c.First(network, upstream, "5.2.0"); got != want {
			t.Errorf("%s is looked for in %s, want %s", network, got, want)
		}
	}
	for _, x := range []struct {
		c          Catalog
		repository string
		want       []string
		own        bool
	}{
		{c, upstream, []string{here}, true},
		{c, here, []string{upstream}, true},
		{c, labs, nil, false},
		{BuiltIn(), upstream, []string{labs}, false},
		{c, "registry.example/agent", nil, true},
		{BuiltIn(), "aztecprotocol/aztec", []string{labs}, false},
		{BuiltIn(), upstream + "-prover-agent", []string{labs + "-prover-agent"}, false},
	} {
		if got, own := x.c.Siblings("mainnet", x.repository); !slices.Equal(got, x.want) || own != x.own {
			t.Errorf("beside %s: %v, %v, want %v, %v", x.repository, got, own, x.want, x.own)
		}
	}
	if _, own := BuiltIn().Siblings("mainnet", upstream); own {
		t.Error("one catalog changed another")
	}
	if _, err := Load(own("repositories.toml", "schema = 1\n[[repository]]\nname = \"node:latest\"")); err == nil || !strings.Contains(err.Error(), "reading repositories.toml: repository.name: ") {
		t.Error(err)
	}
}

// Of a repository that has only older versions nothing is to be learned.
func TestOnlyOlder(t *testing.T) {
	for _, x := range []struct {
		versions, now string
		want          bool
	}{
		{"< 5.1", "5.0.9", false}, // 5.0.10
		{"< 5.1", "5.1.0-rc.1", true},
		{"< 5.1", "5.2.0", true},
		{"<= 5.1", "5.1.0", true},
		{"<= 5.1", "5.1.0-rc.1", false},
		{">= 5.1", "5.2.0", false},
		{">= 5.1", "4.1.2", false},
		{"> 5.0.9, < 5.0.11", "5.0.9", false},
		{"> 5.0.9, < 5.0.11", "5.0.10", true},
		{"= 5.1.2", "5.1.2", true},
		{"5.1.2", "5.1.1", false},
		{"~> 5.1.0", "5.1.7", false},
		{"~> 5.1.0", "5.2.0", true},
		{"< 5.1, != 5.0.1", "5.0.0", false},
		{"< 5.1", "nightly", false}, // who knows
	} {
		c, err := Load(own("repositories.toml", fmt.Sprintf("schema = 1\n[[repository]]\nname = \"registry.example/old\"\nversions = %q\n[[repository]]\nname = \"registry.example/new\"\nversions = \">= 9\"\n", x.versions)))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.OnlyOlder("mainnet", "registry.example/old", x.now); got != x.want {
			t.Errorf("%q has nothing newer than %s: %t, want %t", x.versions, x.now, got, x.want)
		}
		if c.OnlyOlder("mainnet", "registry.example/other", x.now) {
			t.Error("what is not listed has only older versions")
		}
	}
}

// What loads also renders, or says why not.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(ownRole), []byte(ownNetwork))
	for _, r := range []string{"sequencer", "prover-node"} {
		role, err := builtIn.ReadFile("roles/" + r + ".toml")
		network, nerr := builtIn.ReadFile("networks/mainnet.toml")
		if err != nil || nerr != nil {
			f.Fatal(err, nerr)
		}
		f.Add(role, network)
	}
	f.Add([]byte("schema = 2"), []byte("schema = 1\n[[flag]]\nversions = '>'"))
	f.Fuzz(func(t *testing.T, role, network []byte) {
		c, err := Load(fstest.MapFS{"roles/mine.toml": {Data: role}, "networks/mine.toml": {Data: network}})
		if err != nil {
			if strings.ContainsFunc(err.Error(), unprintable) {
				t.Fatalf("%q", err)
			}
			return
		}
		inst := sequencer()
		inst.Role, inst.Network = "mine", "mine"
		c.Listens(inst)
		svc, err := c.Render(inst, ImageFacts{Version: "4.1.2"}, HostFacts{})
		if err == nil && len(svc.Args) == 0 {
			t.Fatal("no command line")
		}
	})
}

// No role has a prefix under which the packages have a unit.
func TestReservedPrefixes(t *testing.T) {
	found, err := filepath.Glob("../packaging/systemd/*.service")
	if err != nil || len(found) == 0 {
		t.Fatalf("%q, %v", found, err)
	}
	for _, f := range found {
		prefix := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(f), ".service"), "@")
		if !slices.Contains(reservedPrefixes, prefix) {
			t.Errorf("%s is not reserved", prefix)
		}
	}
}
