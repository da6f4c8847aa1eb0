package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fakeL1 is an execution node and a beacon node. Answers to JSON-RPC are by
// method, those of the beacon node by path; what is absent is not known to it.
type fakeL1 struct {
	rpc    map[string]string // the whole result, or error:CODE:MESSAGE
	beacon map[string]string // the body, or the code of another answer than 200
	code   int               // of every answer, if not 200
}

func (f *fakeL1) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.code != 0 {
		w.WriteHeader(f.code)
		return
	}
	if r.Method == http.MethodGet {
		body, known := f.beacon[strings.TrimPrefix(r.URL.Path, "/SECRETKEY")]
		if !known {
			http.NotFound(w, r)
			return
		}
		var code int
		if _, err := fmt.Sscanf(body, "code %d", &code); err == nil {
			w.WriteHeader(code)
			return
		}
		_, _ = io.WriteString(w, body)
		return
	}
	var call struct{ Method string }
	_ = json.NewDecoder(r.Body).Decode(&call)
	result, known := f.rpc[call.Method]
	switch {
	case !known:
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"the method does not exist/is not available"}}`)
	case strings.HasPrefix(result, "error:"):
		_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":%q}}`, strings.TrimPrefix(result, "error:"))
	default:
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":`+result+`}`)
	}
}

// now is the time of the fake host.
var now = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func blockOf(t time.Time) string {
	return fmt.Sprintf(`{"number":"0x10","timestamp":"0x%x","transactions":["0x01"]}`, t.Unix())
}

type fakeClock struct {
	synced bool
	ahead  time.Duration
	err    error
}

func (fakeClock) Now() time.Time                { return now }
func (c fakeClock) Synchronized() (bool, error) { return c.synced, nil }
func (c fakeClock) Offset(context.Context) (time.Duration, string, error) {
	return c.ahead, "ntp.example", c.err
}

type fakeDisk struct {
	free, total int64
	sync        time.Duration
}

func (d fakeDisk) Room(string) (free, total int64, err error) { return d.free, d.total, nil }
func (d fakeDisk) Sync(string) (time.Duration, error) {
	if d.sync == 0 {
		return 0, fs.ErrNotExist
	}
	return d.sync, nil
}

type fakeResolver map[string]error

func (r fakeResolver) LookupHost(_ context.Context, name string) ([]string, error) {
	return []string{"192.0.2.1"}, r[name]
}

// sick is a host on which all is well, until a test breaks a thing.
type sick struct {
	t    *testing.T
	l1   *fakeL1
	host Host
	node Node
}

// put writes a file below the root of the host.
func (s *sick) put(path, text string) {
	s.t.Helper()
	path = filepath.Join(s.host.Root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

const goodCPU = "processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu adx avx2 bmi2 fma\n\nprocessor\t: 1\n"

func healthy(t *testing.T) *sick {
	l1 := &fakeL1{
		rpc: map[string]string{
			"eth_chainId": `"0x1"`, "eth_syncing": "false", "eth_getBlockByNumber": blockOf(now.Add(-5 * time.Second)),
			"debug_traceTransaction": "{}", "eth_getBalance": `"0xde0b6b3a7640000"`,
			"eth_accounts": `["0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266","0x70997970c51812dc3a010c7d01b50e0d17dc79c8"]`,
		},
		beacon: map[string]string{
			"/eth/v1/node/syncing":           `{"data":{"is_syncing":false,"sync_distance":"0","el_offline":false}}`,
			"/eth/v1/config/spec":            `{"data":{"DEPOSIT_CHAIN_ID":"1"}}`,
			"/eth/v1/beacon/blobs/head":      `{"data":[]}`,
			"/eth/v1/beacon/blobs/finalized": `{"data":[]}`,
			"/eth/v1/node/identity":          `{"data":{"metadata":{"custody_group_count":"128"}}}`,
		},
	}
	server := httptest.NewServer(l1)
	t.Cleanup(server.Close)
	s := &sick{t: t, l1: l1}
	s.host = Host{
		Root: t.TempDir(), Systemd: 252, Client: server.Client(), Resolver: fakeResolver{},
		Clock: fakeClock{synced: true}, Disk: fakeDisk{free: 1 << 40, total: 2 << 40, sync: time.Millisecond},
		Free:     func(string, int) error { return nil },
		Table:    func(context.Context) error { return nil },
		Closed:   func(context.Context) error { return nil },
		Registry: func(context.Context) error { return nil },
		Keystore: func(context.Context) (string, error) { return "1 attester", nil },
		Locals:   func() ([]string, error) { return []string{"203.0.113.7"}, nil },
	}
	s.node = Node{
		Name: "val1", L1: []string{server.URL + "/v3/SECRETKEY"}, Beacon: []string{server.URL + "/SECRETKEY/?apikey=SECRETKEY"}, Traces: true, ChainID: 1,
		Publishers: []string{"0x70997970C51812dc3A010C7d01b50e0d17dc79C8"},
		Signers:    []Signer{{server.URL + "/SECRETKEY", []string{"0x70997970C51812dc3A010C7d01b50e0d17dc79C8"}}},
		Listens:    []Port{{"rpc", "tcp", 8080}, {"p2p", "tcp", 40400}, {"p2p", "udp", 40400}},
		Address:    "203.0.113.7", Floor: Floor{CPUs: 2, Memory: 8e9, Disk: 1e12},
		Data: "/var/lib/aztec/val1", Images: "/var/lib/aztec-spartan/images", Reserve: 1 << 30,
	}
	s.put("/proc/cpuinfo", goodCPU)
	s.put("/proc/meminfo", "MemTotal:       16384000 kB\nMemAvailable:   12000000 kB\n")
	s.put("/proc/sys/kernel/osrelease", "6.1.0-18-amd64\n")
	s.put("/sys/fs/cgroup/cgroup.controllers", "cpu io memory\n")
	return s
}

var errBroken = errors.New("it is broken")
