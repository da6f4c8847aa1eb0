package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// rootfs makes the few files that the node reads and returns its script.
func rootfs(t *testing.T, version, faults string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "usr/src/yarn-project")
	for name, body := range map[string]string{
		"aztec/dest/bin/index.js": "", "stdlib/package.json": `{"version":"` + version + `"}`, "stub.json": faults,
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "aztec/dest/bin/index.js")
}

// working is the environment of a full node on ports that the system chooses.
func working(dir string) map[string]string {
	return map[string]string{
		"ETHEREUM_HOSTS": "http://127.0.0.1:8545", "REGISTRY_CONTRACT_ADDRESS": "0x" + strings.Repeat("ab", 20),
		"DATA_DIRECTORY": dir, "AZTEC_PORT": "0", "AZTEC_ADMIN_PORT": "0",
	}
}

func lookup(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := env[name]; return v, ok }
}

func TestVersions(t *testing.T) {
	script := rootfs(t, "4.1.3", "{}")
	manifest := filepath.Join(filepath.Dir(script), "../../../../.release-please-manifest.json")
	check := func(want string, args ...string) {
		t.Helper()
		var out, errs bytes.Buffer
		if code := run(args, lookup(nil), &out, &errs, nil); code != 0 || out.String() != want+"\n" {
			t.Errorf("%v: exit %d, %q, %q", args, code, out.String(), errs.String())
		}
	}
	check("v24.21.0", "--version")
	check("4.1.3", "--no-warnings", script, "--version")
	if err := os.WriteFile(manifest, []byte(`{".":"9.9.9"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	check("9.9.9", script, "--version")
	var out, errs bytes.Buffer
	if code := run([]string{"/none/index.js", "--version"}, lookup(nil), &out, &errs, nil); code != 1 || !strings.Contains(errs.String(), "Cannot find module") {
		t.Errorf("a missing script: exit %d, %q", code, errs.String())
	}
}

func TestParseStart(t *testing.T) {
	tests := []struct {
		args string
		want options
		err  string
	}{
		{"--node --archiver", options{"node": "", "archiver": ""}, ""},
		{"--port 1 --admin-port=2 word", options{"port": "1", "admin-port": "2"}, ""},
		{"--p2p-enabled --node", options{"p2p-enabled": "", "node": ""}, ""},
		{"--p2p-enabled false", options{"p2p-enabled": "false"}, ""},
		{"--node -- --bogus", options{"node": ""}, ""},
		{"--bogus", nil, "unknown option '--bogus'"},
		{"--bogus=1", nil, "unknown option '--bogus'"},
		{"-x", nil, "unknown option '-x'"},
		{"--port", nil, "option '--port <value>' argument missing"},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			got, err := parseStart(strings.Fields(tt.args))
			if diff := cmp.Diff(tt.want, got); diff != "" || (tt.err == "") != (err == nil) || err != nil && err.Error() != tt.err {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestStartUntilSignal(t *testing.T) {
	tests := []struct {
		name, faults, level string
		early               bool
		signal              syscall.Signal
		want                int
	}{
		{"terminated", `{}`, "", false, syscall.SIGTERM, 143},
		{"interrupted", `{}`, "", false, syscall.SIGINT, 130},
		{"terminated while starting", `{}`, "", true, syscall.SIGTERM, 0},
		{"silent", `{"silent":true}`, "", true, syscall.SIGTERM, 0},
		{"exits", `{"exit_after_ms":1}`, "", false, 0, 1},
		{"crashes", `{"crash_after_ms":1}`, "", false, 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			signals := make(chan os.Signal, 1)
			if tt.early {
				signals <- tt.signal
			}
			up := &trigger{word: "admin API listening", do: func() { signals <- tt.signal }}
			if tt.early || tt.signal == 0 {
				up.do = func() {}
			}
			code := run([]string{rootfs(t, "4.1.2", tt.faults), "start", "--node"}, lookup(working(t.TempDir())), io.Discard, up, signals)
			if code != tt.want {
				t.Errorf("exit %d, want %d\n%s", code, tt.want, up.all.String())
			}
		})
	}
}

// trigger does something once a word has been written.
type trigger struct {
	word string
	do   func()
	done bool
	all  bytes.Buffer
}

func (t *trigger) Write(p []byte) (int, error) {
	t.all.Write(p)
	if !t.done && strings.Contains(t.all.String(), t.word) {
		t.done = true
		t.do()
	}
	return len(p), nil
}

func TestTool(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "k.json")
	if err := os.WriteFile(file, []byte("in"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, env := range map[string]map[string]string{
		"keystore: no\ndata: no\nterminal: no\n":   {"KEY_STORE_DIRECTORY": dir + "/none"},
		"keystore: yes\ndata: yes\nterminal: no\n": {"KEY_STORE_DIRECTORY": file, "DATA_DIRECTORY": dir},
	} {
		in, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		if code := (&cli{env: lookup(env), stdout: &out, stderr: &errs}).tool(in); code != 0 || out.String() != "in" || errs.String() != want {
			t.Errorf("exit %d, %q, %q, want %q", code, out.String(), errs.String(), want)
		}
		in.Close()
	}
}

func TestBlocksGoOnAfterARestart(t *testing.T) { synctest.Test(t, blocksGoOnAfterARestart) }

func blocksGoOnAfterARestart(t *testing.T) {
	dir := t.TempDir()
	log, err := newLogger(io.Discard, "", "")
	if err != nil {
		t.Fatal(err)
	}
	s, err := openStore(dir, rollupAddress, faults{}, log)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.save(41); err != nil {
		t.Fatal(err)
	}
	if s, err = openStore(dir, rollupAddress, faults{}, log); err != nil {
		t.Fatal(err)
	}
	n := &node{image: &image{version: "4.1.2"}, data: s, began: time.Now()}
	if got := n.blocks(); got != 42 {
		t.Errorf("block %d, want 42", got)
	}
	n.began = n.began.Add(-10 * blockTime)
	if got := n.blocks(); got != 52 {
		t.Errorf("ten blocks later it is %d, want 52", got)
	}
}

// A node that was told to follows L1: without it there is no new block.
func TestFollowsL1(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	hosts := "http://" + l.Addr().String() + ",http://192.0.2.1"
	data := &store{dir: dir, start: 7}
	if openL1(data, hosts) != nil {
		t.Error("it follows L1 without having been told to")
	}
	if err := os.WriteFile(filepath.Join(dir, followsL1), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	n := &node{image: &image{}, data: data, l1: openL1(data, hosts), began: time.Now().Add(-time.Hour)}
	n.l1.look()
	n.l1.look()
	if got := n.blocks(); got != 9 {
		t.Errorf("block %d, want 9", got)
	}
	l.Close()
	n.l1.look()
	if got := n.blocks(); got != 9 {
		t.Errorf("without L1 it is at block %d, was at 9", got)
	}
}

func TestKeystore(t *testing.T) {
	tests := []struct{ name, body, says string }{
		{"good", `{"schemaVersion":1,"validators":[{"attester":"0x1","feeRecipient":"0x2"}]}`, ""},
		{"prover only", `{"schemaVersion":1,"prover":"0x1"}`, ""},
		{"second version", `{"schemaVersion":2,"feeRecipient":"0x2","validators":[{"attester":["0x1"]}]}`, ""},
		{"no JSON", `{`, "Invalid JSON format"},
		{"unknown key", `{"schemaVersion":1,"validators":[],"x":1}`, "Schema validation failed"},
		{"no recipient", `{"schemaVersion":1,"validators":[{"attester":"0x1"}]}`, "Schema validation failed"},
		{"nothing", `{"schemaVersion":1}`, "must have at least validators or prover"},
		{"third version", `{"schemaVersion":3,"prover":"0x1"}`, "Schema validation failed"},
		{"top level of the second", `{"schemaVersion":1,"prover":"0x1","coinbase":"0x1"}`, "Schema validation failed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "k.json")
			if err := os.WriteFile(file, []byte(tt.body), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{file, filepath.Dir(file), file + ", " + file} {
				err := (&cli{env: lookup(map[string]string{"KEY_STORE_DIRECTORY": path})}).keystore()
				if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
					t.Errorf("%s: %v, want %q", path, err, tt.says)
				}
			}
		})
	}
}

func TestRPC(t *testing.T) {
	hash := hashOf("secret")
	n := &node{image: &image{version: "4.1.6", faults: faults{ReportVersion: "4.1.2"}}, data: &store{}, began: time.Now(), chain: chain{id: 1}, payload: &payload{}}
	open, locked := n.handler(n.methods(), nil), n.handler(n.adminMethods(), &hash)
	tests := []struct {
		name, body, key string
		h               http.Handler
		status          int
		want            string
	}{
		{"a liar's version", `{"id":1,"method":"node_getNodeVersion"}`, "", open, 200, `{"jsonrpc":"2.0","id":1,"result":"4.1.2"}`},
		{"undefined", `{"id":1,"method":"node_getEncodedEnr"}`, "", open, 200, `{"jsonrpc":"2.0","id":1}`},
		{"unknown", `{"id":1,"method":"x"}`, "", open, 400, `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found: x"}}`},
		{"no key", `{"id":1,"method":"nodeAdmin_getConfig"}`, "", locked, 401, `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Unauthorized: invalid or missing API key"}}`},
		{"payload", `{"id":1,"method":"nodeAdmin_setConfig","params":[{"governanceProposerPayload":"0x` + strings.Repeat("AB", 20) + `"}]}`, "secret", locked, 200, `{"jsonrpc":"2.0","id":1}`},
		{"no payload", `{"id":1,"method":"nodeAdmin_setConfig","params":[{"governanceProposerPayload":"none"}]}`, "secret", locked, 400, `{"jsonrpc":"2.0","id":1,"error":{"code":-32701,"message":"Not a valid instance (0.governanceProposerPayload)"}}`},
		{"config", `{"id":1,"method":"nodeAdmin_getConfig"}`, "secret", locked, 200, `{"jsonrpc":"2.0","id":1,"result":{"governanceProposerPayload":"0x` + strings.Repeat("ab", 20) + `","minTxsPerBlock":0,"realProofs":false}}`},
		{"key", `{"id":1,"method":"x"}`, "secret", locked, 400, `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found: x"}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(tt.body))
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("X-Api-Key", tt.key)
			w := httptest.NewRecorder()
			tt.h.ServeHTTP(w, req)
			if w.Code != tt.status || w.Body.String() != tt.want {
				t.Errorf("%d %s\nwant %d %s", w.Code, w.Body, tt.status, tt.want)
			}
		})
	}
}

func TestLogger(t *testing.T) {
	var b bytes.Buffer
	text, err := newLogger(&b, "info;debug:p2p", "")
	if err != nil {
		t.Fatal(err)
	}
	text.log("debug", "m", "hidden")
	text.log("warn", "a:b", "said <x>", field{"z", 1}, field{"a", "2"})
	if got := b.String(); !strings.HasSuffix(got, `] WARN: a:b said <x> {"z":1,"a":"2"}`+"\n") || strings.Contains(got, "hidden") {
		t.Errorf("line %q", got)
	}
	b.Reset()
	asJSON, err := newLogger(&b, "", "true")
	if err != nil {
		t.Fatal(err)
	}
	asJSON.log("info", "m", "said", field{"n", 1})
	var m map[string]any
	if err := json.Unmarshal(b.Bytes(), &m); err != nil || m["level"] != 30.0 || m["msg"] != "said" || m["n"] != 1.0 {
		t.Errorf("line %s, %v", b.String(), err)
	}
	if _, err := newLogger(&b, "loud", ""); err == nil {
		t.Error("an unknown level was accepted")
	}
}
