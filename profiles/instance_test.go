package profiles

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestValidName(t *testing.T) {
	for _, s := range []string{"a", "val1", "a-b", strings.Repeat("a", 24)} {
		if err := ValidName(s); err != nil {
			t.Error(err)
		}
	}
	for _, s := range []string{"", "1a", "-a", "Val1", "a_b", "a.b", "a/b", "../a", "a b", "a\n", "ä", strings.Repeat("a", 25)} {
		if ValidName(s) == nil {
			t.Errorf("%q is accepted", s)
		}
	}
}

func TestEncode(t *testing.T) {
	off := false
	all := sequencer()
	all.FeeRecipient = "0x" + strings.Repeat("0", 63) + "1"
	all.P2P.Enabled = &off
	all.L1.ChainID = 1
	all.Args = []string{"start", "--node"}
	nice := 5
	all.Resources = Resources{CPUWeight: 800, IOWeight: 700, MemoryHigh: "12GiB", MemoryMax: "none", Nice: &nice, OOMScoreAdjust: new(int), AllowedCPUs: "0-3,8", LogRateInterval: "30s", LogRateBurst: 10000}
	all.Env["A"] = "quote\" newline\n backslash\\ tab\t ü"
	for name, inst := range map[string]Instance{"all": all, "least": local()} {
		data := inst.Encode()
		golden(t, "testdata/instance-"+name+".toml", data)
		got, err := ParseInstance(inst.Name, data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if d := cmp.Diff(inst, got); d != "" {
			t.Errorf("%s is read back as:\n%s", name, d)
		}
	}
}

// Every field of an instance is in one of the golden files, so a new one that
// Encode leaves out is noticed.
func TestEncodeIsComplete(t *testing.T) {
	i := sequencer()
	on := true
	i.P2P.Enabled, i.P2P.QueryIP = &on, true
	i.Args, i.FeeRecipient, i.L1.ChainID = []string{"start"}, "0x1", 1
	i.StandbyOf, i.DataDir, i.CRS, i.Payload, i.Registry, i.Bootnode = "val0", "/srv/a", "/srv/crs", NoPayload, "0x1", "http://b"
	i.Allow, i.P2P.BootstrapNodes = []string{"192.0.2.0/24"}, []string{"enr:"}
	i.Egress, i.Resources = []string{"192.0.2.1"}, Resources{CPUWeight: 1, IOWeight: 1, MemoryHigh: "1GiB", MemoryMax: "1GiB", Nice: new(int), OOMScoreAdjust: new(int), AllowedCPUs: "0", LogRateInterval: "1s", LogRateBurst: 1}
	i.Prover = Prover{Broker: "http://b", ID: "0x1", Agents: new(int), PollIntervalMS: new(int), Nodes: []string{"http://n"}}
	i.Update = Update{
		Constraint: "~> 4.1", Channel: RC, HoldUntil: "2026-12-24", MinAge: "7d", Window: "02:00", WindowLength: "2h",
		Splay: "6h", Keep: 3, Mode: NotifyMode, PreHook: "/a", PostHook: "/b", HookTimeout: "1m", ResumeSigning: ResumeWhenSafe,
	}
	for _, key := range settings(reflect.TypeFor[Instance](), "") {
		last := key[strings.LastIndex(key, ".")+1:]
		if text := "\n" + string(i.Encode()); !strings.Contains(text, "\n"+last+" = ") && !strings.Contains(text, "\n["+key+"]") {
			t.Errorf("%s is not written", key)
		}
	}
}

func TestParseInstance(t *testing.T) {
	got, err := ParseInstance("val1", []byte("schema = 1\nrole = 'sequencer'\nnetwork = 'local'\n[ports]\nrpc = 9000\n"))
	want := Instance{Schema: 1, Name: "val1", Role: "sequencer", Network: "local", Ports: Ports{9000, 8880, 40400}}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v\n%s", err, d)
	}
}

func TestParseInstanceRefuses(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"no TOML", "schema = 1\nrole", "line 2"},
		{"negative chain", "schema = 1\n[l1]\nchain_id = -1", "l1.chain_id: not between"},
		{"no schema", "role = 'sequencer'", "schema = 1 belongs at the top"},
		{"wrong type", "schema = 1\n[ports]\nrpc = '80'", "ports.rpc"},
		{"number in [env]", "schema = 1\n[env]\nA = 1", "env.A"},
		{"table in [env]", "schema = 1\n[env.A]\nB = 'x'", "env.A"},
		{"unknown key", "schema = 1\nnetwrok = 'x'", `unknown setting "netwrok": did you mean network?`},
		{"unknown key of a table", "schema = 1\n[l1]\nrcp = []", `unknown setting "l1.rcp": did you mean l1.rpc?`},
		{"unknown table", "schema = 1\n[xyzzy]\na = 1", `unknown setting "xyzzy": known are`},
		{"two of them", "schema = 1\nnetwrok = 'x'\nimgae = 'y'", `did you mean network?; unknown setting "imgae": did you mean image?`},
		{"other case", "schema = 1\nRole = 'sequencer'", `unknown setting "Role": did you mean role?`},
		{"a key twice", "schema = 1\nrole = 'a'\nrole = 'b'", "role"},
	} {
		_, err := ParseInstance("val1", []byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %q, want %q on one line", c.name, err, c.want)
		}
	}
	// A newer file may have other keys: that it is newer is what counts.
	_, err := ParseInstance("val1", []byte("schema = 2\nrole = ['a']\nnew = 1"))
	if !errors.Is(err, ErrSchema) || !strings.Contains(err.Error(), "schema 2") {
		t.Errorf("newer schema: %v", err)
	}
}

func TestValidate(t *testing.T) {
	on := true
	for name, change := range map[string]func(*Instance){
		"as it is":            func(*Instance) {},
		"another public IP":   func(i *Instance) { i.P2P.IP = "2001:db8::7" },
		"asked for":           func(i *Instance) { i.P2P = P2P{QueryIP: true} },
		"log filter":          func(i *Instance) { i.LogLevel = "info; debug: p2p,sequencer;warn:x" },
		"the network's chain": func(i *Instance) { i.L1.ChainID = 1 },
		"local":               func(i *Instance) { *i = local() },
		"local P2P":           func(i *Instance) { *i = local(); i.P2P = P2P{Enabled: &on, IP: "127.0.0.1"} },
		"custom":              func(i *Instance) { i.Network, i.L1.ChainID, i.P2P.IP = "custom", 5, "10.0.0.1" },
		"path of a P2P key":   func(i *Instance) { i.Env["PEER_ID_PRIVATE_KEY_PATH"] = "/x" },
	} {
		i := sequencer()
		change(&i)
		if err := BuiltIn().Validate(i); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestValidateRefuses(t *testing.T) {
	const secret = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
	off, on := false, true
	env := func(name, value string) func(*Instance) {
		return func(i *Instance) { i.Env = map[string]string{name: value} }
	}
	for _, c := range []struct {
		name   string
		change func(*Instance)
		want   string
	}{
		{"name", func(i *Instance) { i.Name = "../x" }, "name: "},
		{"role", func(i *Instance) { i.Role = "" }, "role: is missing: one of full-node, prover-agent,"},
		{"network", func(i *Instance) { i.Network = "mianet" }, "network: unknown network"},
		{"image", func(i *Instance) { i.Image = "" }, "image: is missing"},
		{"no RPC", func(i *Instance) { i.L1.RPC = nil }, "l1.rpc: is missing"},
		{"no beacon node", func(i *Instance) { i.L1.Consensus = nil }, "l1.consensus: is missing"},
		{"RPC without scheme", func(i *Instance) { i.L1.RPC = []string{"example.org"} }, `l1.rpc: "example.org": a URL starts with`},
		{"RPC with a secret", func(i *Instance) { i.L1.RPC = []string{"wss://u:" + secret + "@h/" + secret} }, `l1.rpc: "wss://...@h/..."`},
		{"another chain", func(i *Instance) { i.L1.ChainID = 5 }, "l1.chain_id: mainnet is on chain 1, not 5"},
		{"no chain", func(i *Instance) { i.Network = "custom" }, "l1.chain_id: is missing"},
		{"huge chain", func(i *Instance) { i.Network, i.L1.ChainID = "custom", 1<<53 }, "l1.chain_id: "},
		{"port 0", func(i *Instance) { i.Ports.RPC = 0 }, "ports.rpc: 0 is not"},
		{"port above", func(i *Instance) { i.Ports.RPC = 70000 }, "ports.rpc: 70000 is not"},
		{"port below", func(i *Instance) { i.Ports.P2P = -1 }, "ports.p2p: -1 is not"},
		{"root's port", func(i *Instance) { i.Ports.Admin = 443 }, "ports.admin: 443 is below 1024"},
		{"port twice", func(i *Instance) { i.Ports.Admin = 8080 }, "ports.admin: 8080 is ports.rpc, too"},
		{"P2P port twice", func(i *Instance) { i.Ports.P2P = 8880 }, "ports.p2p: 8880 is ports.admin, too"},
		{"no IP", func(i *Instance) { i.P2P = P2P{} }, "p2p.ip: is missing"},
		{"no IP, P2P wanted", func(i *Instance) { *i = local(); i.P2P.Enabled = &on }, "p2p.ip: is missing"},
		{"IP and asking for it", func(i *Instance) { i.P2P.QueryIP = true }, "p2p.ip: excludes"},
		{"no address", func(i *Instance) { i.P2P.IP = "not.an.address" }, `p2p.ip: "not.an.address"`},
		{"any address", func(i *Instance) { i.P2P.IP = "0.0.0.0" }, "p2p.ip: 0.0.0.0"},
		{"loopback", func(i *Instance) { i.P2P.IP = "::1" }, "p2p.ip: ::1"},
		{"private", func(i *Instance) { i.P2P.IP = "192.168.1.1" }, "p2p.ip: 192.168.1.1 is a private"},
		{"carrier NAT", func(i *Instance) { i.P2P.IP = "100.64.1.1" }, "p2p.ip: 100.64.1.1 is a private"},
		{"zone", func(i *Instance) { i.P2P.IP = "fe80::1%eth0" }, "p2p.ip: "},
		{"mapped", func(i *Instance) { i.P2P.IP = "::ffff:203.0.113.7" }, "as 203.0.113.7"},
		{"IP checked though off", func(i *Instance) { i.P2P = P2P{Enabled: &off, IP: "x"} }, "p2p.ip: "},
		{"coinbase", func(i *Instance) { i.Coinbase = "0x12" }, "coinbase: "},
		{"fee recipient", func(i *Instance) { i.FeeRecipient = i.Coinbase }, "fee_recipient: "},
		{"log level", func(i *Instance) { i.LogLevel = "warning" }, `log_level: "warning"`},
		{"log filter first", func(i *Instance) { i.LogLevel = "debug:p2p" }, "log_level: "},
		{"second level for all", func(i *Instance) { i.LogLevel = "info;debug" }, "log_level: "},
		{"name of a variable", env("A-B", "x"), "env.A-B: not a name"},
		{"empty variable", env("P2P_MAX_PEERS", ""), "env.P2P_MAX_PEERS: is empty"},
		{"control character", env("A", "a\rb"), "env.A: contains a control character"},
		{"byte order mark", env("A", "\ufeff"), "env.A: contains U+FEFF"},
		{"data directory", env("DATA_DIRECTORY", "/x"), "env.DATA_DIRECTORY: is not set here"},
		{"port as a variable", env("AZTEC_PORT", "1"), "ports.rpc, or --port"},
		{"key as a variable", env("VALIDATOR_PRIVATE_KEYS", "0x"+secret), "env.VALIDATOR_PRIVATE_KEYS: is a secret and does not belong into instance.toml: --key-file"},
		{"mnemonic as a variable", env("MNEMONIC", secret), "--key-file"},
		{"P2P key as a variable", env("PEER_ID_PRIVATE_KEY", secret), "the node makes its own"},
		{"database as a variable", env("VALIDATOR_HA_DATABASE_URL", secret), "local.env"},
		{"API key as a variable", env("L1_CONSENSUS_HOST_API_KEYS", secret), "local.env"},
		{"key as an argument", func(i *Instance) { i.ExtraArgs = []string{"--sequencer.validatorPrivateKeys", "0x" + secret} }, "extra_args: a key on the command line"},
		{"empty argument", func(i *Instance) { i.Args = []string{""} }, "args: an argument is empty"},
		{"newline in an argument", func(i *Instance) { i.Args = []string{"a\nExecStart=b"} }, "args: an argument contains a control"},
	} {
		i := sequencer()
		c.change(&i)
		err := BuiltIn().Validate(i)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
			continue
		}
		if text := err.Error(); strings.Contains(text, secret) || strings.Contains(text, "\n") {
			t.Errorf("%s: the error is more than one line, or shows a secret: %s", c.name, text)
		}
		if _, ok := errors.AsType[*FieldError](err); !ok {
			t.Errorf("%s: the error names no field", c.name)
		}
	}
}

// Everything that is wrong is said at once.
func TestValidateSaysAll(t *testing.T) {
	err := BuiltIn().Validate(Instance{Name: "val1"})
	for _, field := range []string{"role: ", "network: ", "image: ", "ports.rpc: ", "ports.admin: ", "ports.p2p: "} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%v: lacks %s", err, field)
		}
	}
}

func TestListens(t *testing.T) {
	all := []Listen{{"rpc", "tcp", 8080}, {"admin", "tcp", 8880}, {"p2p", "tcp", 40400}, {"p2p", "udp", 40400}}
	if d := cmp.Diff(all, BuiltIn().Listens(sequencer())); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(all[:2], BuiltIn().Listens(local())); d != "" {
		t.Error(d)
	}
}

func TestURLs(t *testing.T) {
	for _, s := range []string{"http://h", "https://u:p@h:8545/v3/k?x=y", "http://[::1]:8545", "http://127.0.0.1:1"} {
		if err := ValidURL(s); err != nil {
			t.Error(err)
		}
	}
	for _, s := range []string{"", "h", "h:8545", "ftp://h", "http://", "http:///x", "http://:8545", "http://h:0", "http://h:65536", "http://h:9999999", "http://h,http://g", "http://h x", "http://h\n", "http://h/%zz", "http://h#f", "HTTP//h"} {
		if ValidURL(s) == nil {
			t.Errorf("%q is accepted", s)
		}
	}
	if err := ValidURLs("http://a, https://b"); err != nil {
		t.Error(err)
	}
	if ValidURLs("http://a,,b") == nil || ValidURLs("") == nil {
		t.Error("an empty one among URLs is accepted")
	}
}

func TestRedactURL(t *testing.T) {
	for s, want := range map[string]string{
		"http://h":                           "http://h",
		"http://h:8545/":                     "http://h:8545/",
		"http://h/":                          "http://h/",
		"https://u:secret@h/secret?k=secret": "https://...@h/...",
		"https://h?secret":                   "https://h/...",
		"https://h#secret":                   "https://h/...",
		"example.org":                        "example.org",
		"example.org/secret":                 "example.org/...",
		"u:se/cret@h":                        ".../...",
		"https://" + strings.Repeat("secret0", 5) + ".example": "https://....example",
		"0x" + strings.Repeat("5ecret", 11):                    "...",
		"https://u:secret\\@h":                                 "https://.../...",
		"":                                                     "",
	} {
		if got := RedactURL(s); got != want {
			t.Errorf("%s is shown as %s, want %s", s, got, want)
		}
	}
}

// What parses is written and read back the same; what validates also renders.
func FuzzParseInstance(f *testing.F) {
	f.Add(sequencer().Encode())
	f.Add(local().Encode())
	f.Add([]byte("schema = 1\nrole = \"sequencer\"\n[env]\nA = \"\\u0000\"\n[p2p]\nenabled = true"))
	f.Add([]byte("schema = 1\n[l1]\nchain_id = -1"))
	f.Add([]byte("schema = 1\negress = ['broker']\nallow = ['any']\n[resources]\nnice = -1\nmemory_high = '90%'\ncpu_weight = 0"))
	f.Add([]byte("schema = 2"))
	f.Fuzz(func(t *testing.T, data []byte) {
		i, err := ParseInstance("val1", data)
		if err != nil {
			return
		}
		again, err := ParseInstance("val1", i.Encode())
		if err != nil {
			t.Fatalf("%q is written as %q: %v", data, i.Encode(), err)
		}
		if string(i.Encode()) != string(again.Encode()) {
			t.Fatalf("%q is not read back the same", i.Encode())
		}
		if BuiltIn().Validate(i) != nil || i.Network == "testnet" || i.Network == "mainnet" {
			return
		}
		if _, err := BuiltIn().Render(i, ImageFacts{Version: "4.1.2"}, HostFacts{}); err != nil {
			t.Fatalf("%q: %v", data, err)
		}
	})
}
