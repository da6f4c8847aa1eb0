package main

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/profiles"
)

// The defects of aztec-spartan.sh that reading it shows, one test each: what it
// did, and that this program does not.

// scriptHost is a tree for one test, on which config is called.
type scriptHost struct {
	t    *testing.T
	root string
}

func newScriptHost(t *testing.T) scriptHost { return scriptHost{t, t.TempDir()} }

// config runs config off a terminal and returns all it says.
func (h scriptHost) config(args ...string) (said string, code int) {
	h.t.Helper()
	var out bytes.Buffer
	code = run(context.Background(), append([]string{"--root", h.root, "config"}, args...), strings.NewReader(""), &out, &out)
	return out.String(), code
}

// good are flags with which an instance is made.
func (h scriptHost) good(name string, more ...string) []string {
	h.t.Helper()
	key := filepath.Join(h.root, "key")
	if err := os.WriteFile(key, []byte("0x"+someKey+"\n"), 0o600); err != nil {
		h.t.Fatal(err)
	}
	return append([]string{name, "--network", "local", "--version", "4.1.2", "--no-pull", "--ethereum-host", "http://127.0.0.1:8545", "--no-p2p", "--key-file", key}, more...)
}

func (h scriptHost) must(args ...string) string {
	h.t.Helper()
	said, code := h.config(args...)
	if code != 0 {
		h.t.Fatalf("config %q: code %d: %s", args, code, said)
	}
	return said
}

// refuses wants an error with words, and nothing written.
func (h scriptHost) refuses(words string, args ...string) {
	h.t.Helper()
	said, code := h.config(args...)
	if code == 0 || !strings.Contains(said, words) {
		h.t.Errorf("config %q: code %d, want %q: %s", args, code, words, said)
	}
	if _, err := os.Stat(filepath.Join(h.root, "etc")); err == nil {
		h.t.Errorf("config %q wrote something", args)
	}
}

func (h scriptHost) read(file string) string {
	h.t.Helper()
	data, err := os.ReadFile(filepath.Join(h.root, file))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(data)
}

// It took any docker for docker compose. Here no container runtime is needed:
// config does with an empty PATH.
func TestScriptDefect01NoComposePlugin(t *testing.T) {
	t.Setenv("PATH", "")
	h := newScriptHost(t)
	h.must(h.good("val1")...)
}

// It installed Docker, and went on without being in its group. Here a node has
// a user of its own, made by sysusers.d, and no group to join.
func TestScriptDefect02GroupNotActive(t *testing.T) {
	h := newScriptHost(t)
	h.must(h.good("val1")...)
	if line := h.read("etc/sysusers.d/aztec-val1.conf"); !strings.Contains(line, "\nu aztec-val1 - ") {
		t.Errorf("sysusers.d: %q", line)
	}
}

// It went on with a network that it did not know.
func TestScriptDefect03UnknownNetwork(t *testing.T) {
	h := newScriptHost(t)
	h.refuses("troll-turtel", h.good("val1", "-n", "troll-turtel", "-b", "http://127.0.0.1:1")...)
}

// It had no flag for the coinbase, and once did not write it.
func TestScriptDefect04NoCoinbaseFlag(t *testing.T) {
	const coinbase = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"
	h := newScriptHost(t)
	h.must(h.good("val1", "--coinbase", coinbase)...)
	for _, file := range []string{"instance.toml", "keystore.json"} {
		if !strings.Contains(h.read(instancePath("val1", file)), coinbase) {
			t.Errorf("%s does not have the coinbase", file)
		}
	}
}

// It wrote "null" for what a bootnode did not say, and ended without a word
// when there was none.
func TestScriptDefect05NullFromBootnode(t *testing.T) {
	h := newScriptHost(t)
	h.refuses("l1ContractAddresses.rollupAddress is missing", h.good("val1", "-b", bootnodeServer(t, 200, strings.Replace(goodNodeInfo, `"rollupAddress":"0x0000000000000000000000000000000000000004"`, `"rollupAddress":null`, 1)))...)
	h.refuses("asking the bootnode http://127.0.0.1:1", h.good("val1", "-b", "http://127.0.0.1:1")...)
	h.must(h.good("val1", "-b", bootnodeServer(t, 200, goodNodeInfo))...)
	settings := h.read(instancePath("val1", "instance.toml"))
	if strings.Contains(settings, "null") || !strings.Contains(settings, `registry_address = "0x0000000000000000000000000000000000000001"`) || !strings.Contains(settings, "enr:-IS4Q") {
		t.Errorf("settings:\n%s", settings)
	}
}

// It used jq and curl without looking for them. Here nothing is run to make an
// instance, as the first test shows; to ask a bootnode neither.
func TestScriptDefect06MissingTools(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	h := newScriptHost(t)
	h.must(h.good("val1", "-b", bootnodeServer(t, 200, goodNodeInfo))...)
}

// It took any key, address and port, and knew IPv4 only.
func TestScriptDefect07NothingValidated(t *testing.T) {
	h := newScriptHost(t)
	h.refuses("ports.rpc", h.good("val1", "-p", "80")...)
	h.refuses("--ip", h.good("val1", "-ip", "300.1.1.1")...)
	h.refuses("a key is 0x and 64 hexadecimal digits", "val1", "--network", "local", "--version", "4.1.2", "--no-pull", "--ethereum-host", "http://127.0.0.1:8545", "-k", "0x12")
	h.must(h.good("val1", "-ip", "2001:db8::7")...)
	h.must(h.good("val1")...)
	if said, code := h.config(h.good("val2", "-p", "8080")...); code != exitUsage || !strings.Contains(said, "rpc port 8080 is instance val1's") {
		t.Errorf("a port that is taken: code %d: %s", code, said)
	}
}

// It wrote the key three times, readable for others, and took it as an
// argument only.
func TestScriptDefect08KeyInTheOpen(t *testing.T) {
	h := newScriptHost(t)
	said := h.must(h.good("val1")...)
	if strings.Contains(said, someKey[:8]) {
		t.Errorf("the key is printed: %s", said)
	}
	h.secretsIn(someKey[:8], "keystore.json")
}

// secretsIn wants a secret in one file of the instance, for root alone.
func (h scriptHost) secretsIn(secret, only string) {
	h.t.Helper()
	found := false
	err := filepath.WalkDir(h.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Dir(path) == h.root {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(data, []byte(secret)) {
			return err
		}
		info, err := d.Info()
		if err != nil || filepath.Base(path) != only || info.Mode().Perm() != 0o600 {
			h.t.Errorf("%s (%s) has the key", path, info.Mode())
		}
		found = true
		return nil
	})
	if err != nil || !found {
		h.t.Errorf("%s: found %v, %v", only, found, err)
	}
}

// It printed the P2P key into the log, and took an empty file for one.
func TestScriptDefect09P2PKeyInTheLog(t *testing.T) {
	const raw = "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6"
	h := newScriptHost(t)
	key := filepath.Join(h.root, "p2p")
	if err := os.WriteFile(key, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h.refuses("not a key of libp2p", h.good("val1", "-pk", key)...)
	if err := os.WriteFile(key, []byte(secp256k1Key+raw+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if said := h.must(h.good("val1", "-pk", key)...); strings.Contains(said, raw[:8]) {
		t.Errorf("the key is printed: %s", said)
	}
	h.secretsIn(raw, p2pKeyFile)
}

// It set ETHEREUM_SLOT_DURATION=12sec, and rules that a network fixes.
func TestScriptDefect10NoNumber(t *testing.T) {
	h := newScriptHost(t)
	h.refuses("ETHEREUM_SLOT_DURATION", h.good("val1", "--set", "ETHEREUM_SLOT_DURATION=12sec")...)
	public := []string{
		"val1", "--network", "testnet", "--version", "4.1.2", "--no-pull", "--ethereum-host", "https://eth.example",
		"--l1-consensus-host-url", "https://beacon.example", "--ip", "203.0.113.7", "--key-file", filepath.Join(h.root, "key"),
	}
	h.refuses("AZTEC_EPOCH_DURATION", append(public, "--set", "AZTEC_EPOCH_DURATION=48")...)
}

// Its update restarted nothing, and a tag could change without a trace. What a
// new instance has is the version it was asked for; update says what changes,
// and that a tag has moved (testdata/root/tree.txt and pull.txt).
func TestScriptDefect11UpdateWithoutRestart(t *testing.T) {
	h := newScriptHost(t)
	h.must(h.good("val1")...)
	if !strings.Contains(h.read(instancePath("val1", "instance.toml")), `aztec:4.1.2"`) {
		t.Error("the version is not in the settings")
	}
	if c, _, err := newApp(os.Stderr).command().Find([]string{"update"}); err != nil || !strings.Contains(c.Long, "restart") && !strings.Contains(c.Long, "gate") {
		t.Errorf("update: %v", err)
	}
}

// Its config lost edits by hand. Here what is not named stays as it is.
func TestScriptDefect12EditsLost(t *testing.T) {
	h := newScriptHost(t)
	h.must(h.good("val1")...)
	path := filepath.Join(h.root, instancePath("val1", "instance.toml"))
	edited := h.read(instancePath("val1", "instance.toml")) + "\n[env]\nP2P_MAX_PEERS = \"50\"\n"
	if err := os.WriteFile(path, []byte(edited), 0o640); err != nil {
		t.Fatal(err)
	}
	local := filepath.Join(h.root, instancePath("val1", "local.env"))
	if err := os.WriteFile(local, []byte("LOG_JSON=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.must("val1", "--verbose", "--no-pull")
	if now := h.read(instancePath("val1", "instance.toml")); !strings.Contains(now, `P2P_MAX_PEERS = "50"`) || !strings.Contains(now, `log_level = "debug"`) {
		t.Errorf("settings:\n%s", now)
	}
	if now, err := os.ReadFile(local); err != nil || string(now) != "LOG_JSON=1\n" {
		t.Errorf("local.env: %q, %v", now, err)
	}
}

// It could not be used without a terminal. Here what is missing is said, all of
// it, and what is relative is made absolute.
func TestScriptDefect13NeedsATerminal(t *testing.T) {
	h := newScriptHost(t)
	h.refuses("missing: --network, --version, --ethereum-host, --l1-consensus-host-url, --ip, --key-file", "val1")
	t.Chdir(h.root)
	h.must(h.good("val1", "-d", "data")...)
	if !strings.Contains(h.read(instancePath("val1", "instance.toml")), `data_dir = "`+h.root+`/data"`) {
		t.Error("a relative directory is not made absolute")
	}
}

// Its RPC was open to everybody without a word. Here who may reach it is a
// setting, and everybody is refused.
func TestScriptDefect14OpenRPC(t *testing.T) {
	h := newScriptHost(t)
	h.refuses("allow", h.good("val1", "--allow", "0.0.0.0/0")...)
	h.must(h.good("val1", "--allow", "10.0.0.0/8")...)
}

// It had no status, no second instance, and debug logs without an end.
func TestScriptDefect15OneNodeWithoutStatus(t *testing.T) {
	h := newScriptHost(t)
	h.must(h.good("val1")...)
	h.must("full1", "--role", "full-node", "--network", "local", "--version", "4.1.2", "--no-pull", "--ethereum-host", "http://127.0.0.1:8545", "--no-p2p")
	var out bytes.Buffer
	if code := run(context.Background(), []string{"--root", h.root, "status"}, strings.NewReader(""), &out, &out); code != 0 || !strings.Contains(out.String(), "val1") || !strings.Contains(out.String(), "full1") {
		t.Errorf("status: code %d: %s", code, out.String())
	}
	if !strings.Contains(h.read(instancePath("full1", "instance.toml")), `log_level = "info"`) {
		t.Error("the log level is not info")
	}
	if !strings.Contains(h.read(instancePath("full1", "instance.toml")), "rpc = 8081") {
		t.Error("the second instance has no ports of its own")
	}
}

// It named an arm64 image on every machine, and wrote variables twice.
func TestScriptDefect16WrongArchitectureAndTwice(t *testing.T) {
	catalog := profiles.BuiltIn()
	inst := profiles.New("val1")
	inst.Network, inst.Image = "local", "registry.example/aztec:4.1.2"
	inst.L1.RPC = []string{"http://127.0.0.1:8545"}
	inst.Registry = "0x0000000000000000000000000000000000000001"
	svc, err := catalog.Render(inst, profiles.ImageFacts{Version: "4.1.2"}, profiles.HostFacts{})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, v := range svc.Env {
		if seen[v.Name] {
			t.Errorf("%s is there twice", v.Name)
		}
		seen[v.Name] = true
	}
	h := newScriptHost(t)
	h.must(h.good("val1")...)
	if regexp.MustCompile(`a(md|rm)64`).MatchString(h.read(instancePath("val1", "instance.toml"))) {
		t.Error("the image is one architecture's")
	}
}

// Every command and flag of the script means something here, and README's table
// of them says what.
func TestScriptFlags(t *testing.T) {
	_, table, _ := strings.Cut(get(t, "../../README.md"), "\n## Coming from aztec-spartan.sh\n")
	table, _, _ = strings.Cut(table, "\n## ")
	said := func(word string) {
		t.Helper()
		for line := range strings.Lines(table) {
			if first, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " | "); strings.Contains(first, "`"+word+"`") || strings.Contains(first, "`"+word+" ") {
				return
			}
		}
		t.Errorf("README's table does not say what %s does", word)
	}
	config, _, err := newApp(os.Stderr).command().Find([]string{"config"})
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range []string{
		"-b", "--bootnode-url", "-n", "--network", "-i", "--image", "-e", "--ethereum-host", "-p", "--port", "-p2p", "--p2p-port",
		"-ip", "--ip", "-k", "--key", "-d", "--data-dir", "-pk", "--p2p-id-private-key", "-l", "--l1-consensus-host-url", "-v", "--verbose",
	} {
		said(flag)
		long := longForm([]string{flag})[0]
		name := strings.TrimLeft(long, "-")
		if f := config.Flags().Lookup(name); strings.HasPrefix(long, "--") && f == nil {
			t.Errorf("%s: there is no --%s", flag, name)
		}
		if f := config.Flags().ShorthandLookup(name[:1]); !strings.HasPrefix(long, "--") && f == nil {
			t.Errorf("%s is no flag", flag)
		}
	}
	for _, verb := range []string{"config", "start", "stop", "update", "logs"} {
		said(verb)
		if c, _, err := newApp(os.Stderr).command().Find([]string{verb}); err != nil || c.Name() != verb {
			t.Errorf("%s is no verb: %v", verb, err)
		}
	}
}
