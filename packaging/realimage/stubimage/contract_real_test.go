//go:build real

package stubimage

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage"
	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/tree"
)

// The contract: what the stub does is what the real 4.1.2 does, as far as a
// status code, a shape, an exit code or the form of a line goes. Each case runs
// on both and the two outcomes are compared with each other.

const uid = 4242

// patience is for a machine that does much else: a node starts in six seconds.
const patience = 3 * time.Minute

// world is what both nodes run against.
type world struct {
	real, stub subject
	env        map[string]string
}

type subject struct{ name, root string }

// tearDown ends what theWorld began.
var tearDown []func()

func TestMain(m *testing.M) {
	code := m.Run()
	for _, f := range tearDown {
		f()
	}
	os.Exit(code)
}

var theWorld = sync.OnceValues(func() (*world, error) {
	set, err := realimage.Build(context.Background(), os.Stderr)
	if err != nil {
		return nil, err
	}
	scratch, err := os.MkdirTemp("", "contract-")
	if err != nil {
		return nil, err
	}
	tearDown = append(tearDown, func() { os.RemoveAll(scratch) })
	stub := filepath.Join(scratch, "rootfs")
	binary := filepath.Join(scratch, "node")
	compile := exec.Command("go", "build", "-o", binary, nodePackage)
	compile.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := compile.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	if err := tree.Unpack(stub, base(), node(binary), deps(), aztec(Good, "")); err != nil {
		return nil, err
	}
	command := realimage.L1Command(set.Anvil, set.L1State, 0)
	anvil := exec.Command(command[0], command[1:]...)
	anvil.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := anvil.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := anvil.Start(); err != nil {
		return nil, err
	}
	tearDown = append(tearDown, func() { anvil.Process.Kill(); anvil.Wait() })
	lines := bufio.NewScanner(out)
	var l1 string
	for l1 == "" && lines.Scan() {
		l1, _ = strings.CutPrefix(lines.Text(), "Listening on ")
		if l1 == lines.Text() {
			l1 = ""
		}
	}
	go io.Copy(io.Discard, out)
	if l1 == "" {
		return nil, fmt.Errorf("anvil did not listen: %w", lines.Err())
	}
	if err := awaitBlock("http://" + l1); err != nil {
		return nil, err
	}
	w := &world{subject{"real", set.Rootfs}, subject{"stub", stub}, realimage.SequencerEnv(set, realimage.ChrootData)}
	w.env["ETHEREUM_HOSTS"] = "http://" + l1
	w.env["DATA_DIRECTORY"] = realimage.ChrootData
	w.env["KEY_STORE_DIRECTORY"] = realimage.ChrootData + "/keystore.json"
	w.env["HOME"] = "/nonexistent"
	w.env["PATH"] = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	return w, nil
})

func newWorld(t *testing.T) *world {
	t.Helper()
	w, err := theWorld()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// process is one run of a node.
type process struct {
	cmd            *exec.Cmd
	data           string
	rpc, admin     int
	stdout, stderr output
	done           chan struct{}
}

// output is a file and not a pipe: the real node ends without waiting for a
// pipe to take what it printed, so that the end of long output is lost.
type output struct{ *os.File }

func newOutput(t *testing.T, dir string) output {
	t.Helper()
	f, err := os.CreateTemp(dir, "output-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return output{f}
}

func (o output) String() string {
	b, err := os.ReadFile(o.Name())
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// end is enough of the output for a failure to be understood.
func (o output) end() string {
	s := o.String()
	return s[max(0, len(s)-1500):]
}

// start runs a node; change may alter its environment, "" unsets.
func start(t *testing.T, w *world, s subject, change map[string]string, args ...string) *process {
	t.Helper()
	dir := t.TempDir()
	p := &process{data: filepath.Join(dir, "data"), rpc: freePort(t), admin: freePort(t), stdout: newOutput(t, dir), stderr: newOutput(t, dir), done: make(chan struct{})}
	if err := os.MkdirAll(p.data, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(p.data, "keystore.json"), realimage.Keystore(), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(p.data, "bad.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	env := maps.Clone(w.env)
	env["AZTEC_PORT"], env["AZTEC_ADMIN_PORT"] = strconv.Itoa(p.rpc), strconv.Itoa(p.admin)
	maps.Copy(env, change)
	full := append([]string{"/usr/local/bin/node", "--no-warnings", "/usr/src/yarn-project/aztec/dest/bin/index.js"}, args...)
	cmd, err := realimage.Chroot{Root: s.root, Data: p.data, UID: uid}.Command(t.Context(), full...)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env = nil
	for name, value := range env {
		if value != unset {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.Stdout, cmd.Stderr = p.stdout.File, p.stderr.File
	p.cmd = cmd
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { defer close(p.done); cmd.Wait() }()
	t.Cleanup(func() { cmd.Process.Kill(); <-p.done })
	return p
}

// unset as a value takes a variable out of the environment.
const unset = "\x00"

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// exit waits for the end and returns the exit code.
func (p *process) exit(t *testing.T) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatalf("still running after %s\n%s%s", patience, p.stdout.end(), p.stderr.end())
	}
	return p.cmd.ProcessState.ExitCode()
}

// until waits for a condition while the node runs.
func (p *process) until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for !condition() {
		select {
		case <-tick.C:
		case <-p.done:
			t.Fatalf("ended before %s\n%s%s", what, p.stdout.end(), p.stderr.end())
		case <-limit:
			t.Fatalf("%s and not %s\n%s", patience, what, p.stderr.end())
		}
	}
}

// up waits until both ports answer; the second opens a moment after the first.
func (p *process) up(t *testing.T) {
	t.Helper()
	p.answers(t, p.rpc, p.admin)
}

// answers waits until ports answer.
func (p *process) answers(t *testing.T, ports ...int) {
	t.Helper()
	for _, port := range ports {
		p.until(t, "up", func() bool {
			resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/status", port))
			if err != nil {
				return false
			}
			resp.Body.Close()
			return resp.StatusCode == http.StatusOK
		})
	}
}

// both runs a case on either node and compares what it returns.
func both(t *testing.T, run func(t *testing.T, w *world, s subject) any) {
	t.Helper()
	w := newWorld(t)
	got := map[string]any{}
	for _, s := range []subject{w.real, w.stub} {
		t.Run(s.name, func(t *testing.T) { got[s.name] = run(t, w, s) })
	}
	if diff := cmp.Diff(got["real"], got["stub"]); diff != "" {
		t.Errorf("real and stub differ (-real +stub):\n%s", diff)
	}
}

var sequencer = []string{"start", "--node", "--archiver", "--sequencer"}

func TestContractCommandLine(t *testing.T) {
	for _, args := range [][]string{
		{"--version"},
		{"start", "--node", "--bogus"},
		{"bogus"},
		{"--bogus"},
		{"start"},
		{"start", "--sequencer"},
		{"start", "--node", "--port"},
		{"start", "--prover-agent"},
		{"start", "--prover-node", "--archiver"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			both(t, func(t *testing.T, w *world, s subject) any {
				p := start(t, w, s, nil, args...)
				return []any{p.exit(t), p.stdout.String(), p.stderr.String()}
			})
		})
	}
}

// TestContractFlags compares the options of start one by one.
func TestContractFlags(t *testing.T) {
	flag := regexp.MustCompile(`(?m)^ +(--[^\s]+( (<[a-zA-Z.]+>|\[[a-zA-Z.]+\]))?)`)
	both(t, func(t *testing.T, w *world, s subject) any {
		p := start(t, w, s, nil, "start", "--help")
		code := p.exit(t)
		var flags []string
		for _, m := range flag.FindAllStringSubmatch(p.stdout.String()+p.stderr.String(), -1) {
			flags = append(flags, m[1])
		}
		return []any{code, flags}
	})
}

// TestContractVariables holds env_vars.txt to the declaration in the image.
func TestContractVariables(t *testing.T) {
	w := newWorld(t)
	first := func(root string) string {
		b, err := os.ReadFile(filepath.Join(root, "usr/src/yarn-project/foundation/dest/config/env_var.d.ts"))
		if err != nil {
			t.Fatal(err)
		}
		line, _, _ := strings.Cut(string(b), "\n")
		return line
	}
	if diff := cmp.Diff(first(w.real.root), first(w.stub.root)); diff != "" {
		t.Errorf("env_var.d.ts (-real +stub):\n%s", diff)
	}
}

// TestContractRefusals are starts that end with 1. Of what is said, the line
// that names the cause is compared where the stub claims to have it.
func TestContractRefusals(t *testing.T) {
	tests := []struct {
		name   string
		change map[string]string
		says   string
	}{
		{"no L1", map[string]string{"ETHEREUM_HOSTS": ""}, "UrlRequiredError"},
		{"no registry", map[string]string{"REGISTRY_CONTRACT_ADDRESS": unset}, "Error: L1 registry address is required to start Aztec Node\n"},
		{"empty registry", map[string]string{"REGISTRY_CONTRACT_ADDRESS": ""}, "Error: Invalid address string: \n"},
		{"unknown network", map[string]string{"NETWORK": "bogus"}, "Error: Unknown network: bogus\n"},
		{"bad payload", map[string]string{"GOVERNANCE_PROPOSER_PAYLOAD_ADDRESS": "none"}, "Error: Invalid address string: none\n"},
		{"unknown level", map[string]string{"LOG_LEVEL": "loud"}, "Error: Invalid log level: loud\n"},
		{"no keys", map[string]string{"KEY_STORE_DIRECTORY": unset}, "Error: Failed to create key store, a requirement for running a validator\n"},
		{"no keystore", map[string]string{"KEY_STORE_DIRECTORY": "/mnt/none.json"}, "Failed to load keystore from /mnt/none.json: File or directory not found"},
		{"bad keystore", map[string]string{"KEY_STORE_DIRECTORY": "/mnt/bad.json"}, "Failed to load keystore from /mnt/bad.json: Invalid JSON format"},
		{"read-only data", map[string]string{"DATA_DIRECTORY": "/usr/data"}, "mkdir '/usr/data"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			both(t, func(t *testing.T, w *world, s subject) any {
				p := start(t, w, s, tt.change, sequencer...)
				code := p.exit(t)
				if !strings.Contains(p.stderr.String(), tt.says) {
					t.Errorf("it does not say %q:\n%s", tt.says, p.stderr.end())
				}
				return []any{code, p.stdout.String()}
			})
		})
	}
}

func TestContractTakenPort(t *testing.T) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	both(t, func(t *testing.T, w *world, s subject) any {
		p := start(t, w, s, map[string]string{"AZTEC_PORT": port}, sequencer...)
		code := p.exit(t)
		if want := "Error: listen EADDRINUSE: address already in use :::" + port; !strings.Contains(p.stderr.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, p.stderr.end())
		}
		return code
	})
}

// TestContractRunning looks at a node that is up, then stops it.
func TestContractRunning(t *testing.T) {
	both(t, func(t *testing.T, w *world, s subject) any {
		seen := map[string]any{}
		p := start(t, w, s, nil, sequencer...)
		p.up(t)
		calls(t, p, seen)
		seen["votes"] = votes(t, p, secret.FindString(p.stdout.String()))
		p.cmd.Process.Signal(syscall.SIGTERM)
		seen["SIGTERM"] = p.exit(t)
		seen["data"] = written(t, p.data)
		seen["stdout"] = blank(p.stdout.String())
		lines(t, p.stderr.String(), regexp.MustCompile(`^\[\d\d:\d\d:\d\d\.\d{3}\] (INFO|WARN|ERROR): [a-z0-9:_-]+ .+$`))
		for _, want := range []string{"INFO: node Aztec Node version: 4.1.2\n", "INFO: cli Shutting down... {\"exitCode\":143}\n", fmt.Sprintf("INFO: cli Aztec Server listening on port %d ", p.rpc)} {
			if !strings.Contains(p.stderr.String(), want) {
				t.Errorf("the log does not say %q:\n%s", want, p.stderr.end())
			}
		}
		return seen
	})
}

// TestContractProver looks at a broker and an agent, then stops them. The agent
// does not need its broker to be there.
func TestContractProver(t *testing.T) {
	for name, args := range map[string][]string{"broker": {"start", "--prover-broker"}, "agent": {"start", "--prover-agent"}} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, w *world, s subject) any {
				seen := map[string]any{}
				p := start(t, w, s, map[string]string{"PROVER_BROKER_HOST": "http://127.0.0.1:1"}, args...)
				p.answers(t, p.rpc)
				for _, call := range []string{
					`"agent_getStatus","params":[]`, `"agent0_getStatus","params":[]`, `"proverBroker_getProvingJobStatus","params":["nothing"]`,
					`"proverBroker_getStatus","params":[]`, `"node_getNodeInfo","params":[]`, `"aztec_getNodeInfo","params":[]`,
				} {
					seen[call] = ask(t, p.rpc, http.MethodPost, "/", `{"jsonrpc":"2.0","id":7,"method":`+call+`}`, nil)
				}
				seen["status"] = ask(t, p.rpc, http.MethodGet, "/status", "", nil)
				if _, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", p.admin)); err == nil {
					t.Error("it has an admin port")
				}
				p.cmd.Process.Signal(syscall.SIGTERM)
				if name == "broker" { // an agent without its broker takes 22 s
					seen["SIGTERM"] = p.exit(t)
				}
				seen["stdout"] = blank(p.stdout.String())
				return seen
			})
		})
	}
}

// calls asks everything that the stub answers, and much that it refuses.
func calls(t *testing.T, p *process, seen map[string]any) {
	for _, method := range []string{
		"node_getNodeInfo", "node_getNodeVersion", "node_getL2Tips", "node_isReady", "node_getBlockNumber", "node_getProvenBlockNumber",
		"node_getCheckpointNumber", "node_getCheckpointedBlockNumber", "node_getVersion", "node_getChainId", "node_getL1ContractAddresses",
		"node_getProtocolContractAddresses", "node_getWorldStateSyncStatus", "node_getValidatorsStats", "node_getPendingTxCount",
		"node_getEncodedEnr", "p2p_getPeers", "node_nope", "aztec_getNodeInfo", "node_getChainTips", "node_getPeers", "node_getSyncedL1Timestamp",
	} {
		seen[method] = ask(t, p.rpc, http.MethodPost, "/", fmt.Sprintf(`{"jsonrpc":"2.0","id":7,"method":%q,"params":[]}`, method), nil)
	}
	for _, body := range []string{
		"", "{}", "[]", "3", "x", `{"id":1,"method":"node_isReady"}`, `{"method":"node_isReady","params":{},"id":1}`, `{"method":"node_isReady","params":[1],"id":"a"}`,
		`{"method":"node_isReady"}`, `[{"id":1,"method":"node_isReady"},{"id":2,"method":"node_nope"}]`,
	} {
		seen["POST "+body] = ask(t, p.rpc, http.MethodPost, "/", body, nil)
	}
	for _, path := range []string{"/", "/status", "/other", "/status/"} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			seen[method+" "+path] = ask(t, p.rpc, method, path, "", nil)
		}
	}
	seen["admin status"] = ask(t, p.admin, http.MethodGet, "/status", "", nil)
	config := `{"jsonrpc":"2.0","id":1,"method":"nodeAdmin_getConfig"}`
	seen["admin without key"] = ask(t, p.admin, http.MethodPost, "/", config, nil)
	seen["admin with wrong key"] = ask(t, p.admin, http.MethodPost, "/", config, http.Header{"X-Api-Key": {"wrong"}})
}

// ask returns the status, the type and the shape of an answer.
func ask(t *testing.T, port int, method, path, body string, header http.Header) any {
	t.Helper()
	req, err := http.NewRequest(method, fmt.Sprintf("http://127.0.0.1:%d%s", port, path), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(req.Header, http.Header{"Content-Type": {"application/json"}})
	maps.Copy(req.Header, header)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range resp.Header {
		if strings.HasPrefix(name, "X-Aztec-") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var v any
	if json.Unmarshal(b, &v) != nil {
		v = string(b)
	} else {
		v = shape(v)
	}
	return []any{resp.StatusCode, resp.Header.Get("Content-Type"), names, v}
}

// shape replaces what differs from run to run: numbers, hashes, and the values
// of a statistic. Names, types, versions and messages stay.
func shape(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := map[string]any{}
		for name, value := range v {
			m[name] = shape(value)
		}
		return m
	case []any:
		var list []any
		for _, value := range v {
			list = append(list, shape(value))
		}
		return list
	case float64:
		if v == 31337 || v < 0 {
			return v
		}
		return "number"
	case string:
		if strings.HasPrefix(v, "0x") {
			return fmt.Sprintf("hex of %d", len(v))
		}
	}
	return v
}

// written lists what a node left in its data directory, the number of blobs
// apart, and fails if it belongs to somebody else.
func written(t *testing.T, data string) (names []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(data), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name == "blobs" || name == "world_state" {
			// Their insides are the business of the real node alone.
			names = append(names, strings.TrimPrefix(name, "blobs"))
			return fs.SkipDir
		}
		info, err := d.Info()
		if err == nil && name != "keystore.json" && name != "bad.json" && info.Sys().(*syscall.Stat_t).Uid != uid {
			t.Errorf("%s belongs to %d", name, info.Sys().(*syscall.Stat_t).Uid)
		}
		if filepath.Base(name) == "db_version" {
			text, err := fs.ReadFile(os.DirFS(data), name)
			if err != nil {
				return err
			}
			name += " " + string(text)
		}
		names = append(names, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}

var secret = regexp.MustCompile(`\b[0-9a-f]{64}\b`)
