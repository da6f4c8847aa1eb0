package probe

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

// fake is a node: results by method, as JSON. A method that is not there is
// absent, as in version 4.1.2.
type fake struct {
	status  int // of /status
	results map[string]string
	handler http.HandlerFunc // instead of the RPC
}

func (f fake) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.URL.Path == "/status" && req.Method == http.MethodGet {
		w.WriteHeader(f.status)
		io.WriteString(w, "OK")
		return
	}
	if f.handler != nil {
		f.handler(w, req)
		return
	}
	var call struct {
		ID     json.RawMessage
		Method string
	}
	if req.URL.Path != "/" || req.Method != http.MethodPost || req.Header.Get("Content-Type") != "application/json" || json.NewDecoder(req.Body).Decode(&call) != nil {
		http.Error(w, "Not Found", http.StatusNotFound)
		return
	}
	result, ok := f.results[call.Method]
	switch {
	case !ok:
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"Method not found: %s"}}`, call.ID, call.Method)
	case strings.HasPrefix(result, "error "):
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":%s}`, call.ID, strings.TrimPrefix(result, "error "))
	case result == "": // undefined
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s}`, call.ID)
	default:
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":%s}`, call.ID, result)
	}
}

const rollup = "0x322813fd9a801c5507c9de605d63cea4f2ce6c44"

// v4 answers as the real 4.1.2 does, from its own words.
func v4() map[string]string {
	return map[string]string{
		"node_getNodeInfo":             `{"nodeVersion":"4.1.2","l1ChainId":31337,"rollupVersion":2337355239,"l1ContractAddresses":{"registryAddress":"0xb7f8bc63bbcad18155201308c8f3540b07f84f5e","rollupAddress":"` + rollup + `"},"protocolContractAddresses":{},"realProofs":false}`,
		"node_getL2Tips":               `{"proposed":{"number":12,"hash":"0x1"},"proven":{"block":{"number":7,"hash":"0x2"},"checkpoint":{"number":3,"hash":"0x3"}},"finalized":{"block":{"number":0},"checkpoint":{"number":0}},"checkpointed":{"block":{"number":9,"hash":"0x4"},"checkpoint":{"number":4,"hash":"0x5"}}}`,
		"node_isReady":                 `true`,
		"node_getWorldStateSyncStatus": `{"latestBlockNumber":12,"latestBlockHash":"0x1","finalizedBlockNumber":0,"oldestHistoricBlockNumber":1,"treesAreSynched":true}`,
		"p2p_getPeers":                 `[{"status":"connected","id":"a"},{"status":"connected","id":"b"}]`,
	}
}

// v5 answers to the other names, with large numbers as strings.
func v5(synced time.Time) map[string]string {
	return map[string]string{
		"aztec_getNodeInfo":             `{"nodeVersion":"5.2.0","l1ChainId":1,"rollupVersion":"18446744073709551615","l1ContractAddresses":{"rollupAddress":"` + rollup + `"}}`,
		"aztec_getChainTips":            `{"proposed":{"number":12,"hash":"0x1"},"proven":{"block":{"number":7},"checkpoint":{"number":3}},"checkpointed":{"block":{"number":9},"checkpoint":{"number":4}}}`,
		"aztec_isReady":                 `true`,
		"aztec_getWorldStateSyncStatus": `{"latestBlockNumber":12,"treesAreSynched":true}`,
		"aztec_getPeers":                `[{}]`,
		"aztec_getSyncedL1Timestamp":    fmt.Sprintf(`"%d"`, synced.Unix()),
	}
}

// with changes some answers; the value "-" takes the method away.
func with(results map[string]string, changes ...string) map[string]string {
	for i := 0; i < len(changes); i += 2 {
		if changes[i+1] == "-" {
			delete(results, changes[i])
		} else {
			results[changes[i]] = changes[i+1]
		}
	}
	return results
}

func count(n int) *int { return &n }

func TestCheck(t *testing.T) {
	recent := time.Now().Add(-20 * time.Second).Truncate(time.Second).UTC()
	v3tips := `{"latest":{"number":5},"proven":{"number":2},"finalized":{"number":1}}`
	four := Target{Namespace: "node", Version: "4.1.2", ChainID: 31337}
	fourP2P := Target{Namespace: "node", Version: "4.1.2", ChainID: 31337, P2P: true}
	young, started, settled := fourP2P, fourP2P, fourP2P
	young.Young = true
	began := time.Now()
	started.Started, settled.Started = began.Add(-10*time.Second), began.Add(-6*time.Minute)
	five := Target{Namespace: "aztec", Version: "v5.2.0", ChainID: 1, P2P: true}
	full4 := Report{NodeVersion: "4.1.2", ChainID: 31337, RollupVersion: 2337355239, RollupAddress: rollup, Block: 12, Proven: 7, WorldState: 12, Checkpoint: 4}
	full5 := Report{NodeVersion: "5.2.0", ChainID: 1, RollupVersion: 1<<64 - 1, RollupAddress: rollup, Block: 12, Proven: 7, WorldState: 12, Checkpoint: 4, SyncedL1: &recent, Peers: count(1)}
	identified4 := Report{NodeVersion: "4.1.2", ChainID: 31337, RollupVersion: 2337355239, RollupAddress: rollup}
	for _, c := range []struct {
		name   string
		target Target
		node   fake
		want   Report // HTTP code and latency apart
		health Health
		reason string
	}{
		{"4", four, fake{200, v4(), nil}, full4, Healthy, "answers as version 4.1.2 at block 12, proven 7"},
		{"4 with peers", fourP2P, fake{200, v4(), nil}, full4.peers(2), Healthy, "answers as version 4.1.2 at block 12, proven 7, 2 peers"},
		{"5", five, fake{200, v5(recent), nil}, full5, Healthy, "answers as version 5.2.0 at block 12, proven 7, 1 peer"},
		{"3", Target{Namespace: "node"}, fake{200, with(v4(), "node_getL2Tips", v3tips), nil}, full4.at(5, 2, 0), Healthy, "answers as version 4.1.2 at block 5, proven 2"},
		{"any version, any chain", Target{Namespace: "node"}, fake{200, v4(), nil}, full4, Healthy, "answers as version 4.1.2 at block 12, proven 7"},

		{"wrong version", Target{Namespace: "node", Version: "4.1.3"}, fake{200, v4(), nil}, identified4, Unhealthy, "answers with version 4.1.2, wanted 4.1.3"},
		{"older era than wanted", five, fake{200, v4(), nil}, identified4, Unhealthy, "answers with version 4.1.2, wanted v5.2.0"},
		{"newer era than wanted", four, fake{200, v5(recent), nil}, Report{NodeVersion: "5.2.0", ChainID: 1, RollupVersion: 1<<64 - 1, RollupAddress: rollup}, Unhealthy, "answers with version 5.2.0, wanted 4.1.2"},
		{"no version", four, fake{200, with(v4(), "node_getNodeInfo", `{}`), nil}, Report{}, Unhealthy, "RPC answers on HOST without saying its version"},
		{"wrong chain", Target{Namespace: "node", Version: "4.1.2", ChainID: 1}, fake{200, v4(), nil}, identified4, Unhealthy, "is on L1 chain 31337, wanted 1"},

		{"standby", four, fake{200, nil, nil}, Report{}, Standby, "/status answers on HOST, but the RPC has no node behind it: it waits for a cutover, or has shut down"},
		{"standby without an RPC", five, fake{200, nil, http.NotFound}, Report{}, Standby, "/status answers on HOST, but the RPC has no node behind it: it waits for a cutover, or has shut down"},
		{"neither node nor status", four, fake{503, nil, http.NotFound}, Report{}, Unhealthy, "RPC does not answer on HOST: HTTP status 404"},
		{"unwell", four, fake{500, v4(), nil}, full4, Unhealthy, "/status answers 500: a part of the node is not well"},
		{"refuses", four, fake{200, with(v4(), "node_getNodeInfo", `error {"code":-32000,"message":"Unauthorized: invalid or missing API key"}`), nil}, Report{}, Unhealthy, "RPC does not answer on HOST: Unauthorized: invalid or missing API key (-32000)"},
		{"an error without a code", four, fake{200, with(v4(), "node_getNodeInfo", `error {"message":"oh"}`), nil}, Report{}, Unhealthy, "RPC does not answer on HOST: oh (-32603)"},
		{"undefined", four, fake{200, with(v4(), "node_getNodeInfo", ""), nil}, Report{}, Unhealthy, "RPC does not answer on HOST: the answer has no result"},
		{"no tips", four, fake{200, with(v4(), "node_getL2Tips", "-"), nil}, full4.at(0, 0, 0), Unhealthy, "answers as version 4.1.2, but not what its newest block is: Method not found: node_getChainTips (-32601)"},
		{"empty tips", four, fake{200, with(v4(), "node_getL2Tips", "{}"), nil}, full4.at(0, 0, 0), Unhealthy, "answers as version 4.1.2, but not what its newest block is: the answer has no newest block"},
		{"tips of another form", four, fake{200, with(v4(), "node_getL2Tips", `{"proposed":{"number":{}}}`), nil}, full4.at(0, 0, 0), Unhealthy, "answers as version 4.1.2, but not what its newest block is: the result has another form than expected"},
		{"alone", fourP2P, fake{200, with(v4(), "p2p_getPeers", "[]"), nil}, full4.peers(0), Unhealthy, "has no peers"},
		{"alone as yet", young, fake{200, with(v4(), "p2p_getPeers", "[]"), nil}, full4.peers(0), Healthy, "answers as version 4.1.2 at block 12, proven 7, 0 peers"},
		{"alone just after its start", started, fake{200, with(v4(), "p2p_getPeers", "[]"), nil}, full4.peers(0), Syncing, "is at block 12 and has no peers yet, 10s after its start"},
		{"alone for minutes", settled, fake{200, with(v4(), "p2p_getPeers", "[]"), nil}, full4.peers(0), Unhealthy, "has no peers"},
		{"peers fail", fourP2P, fake{200, with(v4(), "p2p_getPeers", `error {"code":-32603,"message":"p2p is down"}`), nil}, full4, Unhealthy, "does not say how many peers it has: p2p is down (-32603)"},
		{"peers not known", fourP2P, fake{200, with(v4(), "p2p_getPeers", "-"), nil}, full4, Healthy, "answers as version 4.1.2 at block 12, proven 7, peers not known"},
		{"peers under the old name", five, fake{200, with(v5(recent), "aztec_getPeers", "-", "p2p_getPeers", "[{}]"), nil}, full5, Healthy, "answers as version 5.2.0 at block 12, proven 7, 1 peer"},

		{"not ready", four, fake{200, with(v4(), "node_isReady", "false"), nil}, full4, Syncing, "is at block 12 and says that it is not ready yet"},
		{"behind", four, fake{200, with(v4(), "node_getWorldStateSyncStatus", `{"latestBlockNumber":3,"treesAreSynched":false}`), nil}, full4.state(3), Syncing, "is at block 12; its world state is at 3"},
		{"behind, somewhere", four, fake{200, with(v4(), "node_getWorldStateSyncStatus", `{"treesAreSynched":false}`), nil}, full4.state(0), Syncing, "is at block 12; its world state is behind"},
		{"nothing yet", four, fake{200, with(v4(), "node_getL2Tips", `{"proposed":{"number":0},"proven":{"block":{"number":0}}}`), nil}, full4.at(0, 0, 0), Syncing, "has no block yet"},
		{"no word of readiness", four, fake{200, with(v4(), "node_isReady", "-", "node_getWorldStateSyncStatus", "-"), nil}, full4.state(0), Healthy, "answers as version 4.1.2 at block 12, proven 7"},
		{"a timestamp out of this world", five, fake{200, with(v5(recent), "aztec_getSyncedL1Timestamp", "9223372036854775807"), nil}, full5.synced(nil), Healthy, "answers as version 5.2.0 at block 12, proven 7, 1 peer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(c.node)
			defer server.Close()
			c.target.URL = server.URL
			if !c.target.Started.IsZero() {
				c.target.Started = c.target.Started.Add(time.Since(began)) // it does not age while others are tried
			}
			got := Check(t.Context(), Client(), c.target)
			c.want.Health, c.want.Status, c.want.StatusOK = c.health, c.node.status, c.node.status == 200
			c.want.Reason = strings.ReplaceAll(c.reason, "HOST", strings.TrimPrefix(server.URL, "http://"))
			c.want.Latency = got.Latency
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if got.Latency <= 0 {
				t.Errorf("latency %s", got.Latency)
			}
		})
	}
}

func (r Report) peers(n int) Report {
	r.Peers = &n
	return r
}

func (r Report) state(block uint64) Report {
	r.WorldState = block
	return r
}

func (r Report) synced(at *time.Time) Report {
	r.SyncedL1 = at
	return r
}

func (r Report) at(block, proven, checkpoint uint64) Report {
	r.Block, r.Proven, r.Checkpoint = block, proven, checkpoint
	return r
}

func TestCheckStale(t *testing.T) {
	server := httptest.NewServer(fake{200, v5(time.Now().Add(-time.Hour)), nil})
	defer server.Close()
	got := Check(t.Context(), Client(), Target{URL: server.URL, Namespace: "aztec"})
	if got.Health != Syncing || !strings.HasPrefix(got.Reason, "is at block 12; the newest L1 block it has seen is 1h0m") {
		t.Errorf("got %s: %s", got.Health, got.Reason)
	}
}

func TestVersions(t *testing.T) {
	for _, c := range []struct {
		want, says string
		ok         bool
	}{
		{"4.1.2", "4.1.2", true},
		{"v4.1.2", "4.1.2", true},
		{"4.1.2", "v4.1.2", true},
		{"4.1.2", " 4.1.2\n", true},
		{"4.1.2", "4.1.20", false},
		{"4.1.2", "4.1.2-rc.1", false},
		{"4.1.2", "4.1", false},
		{"4.1.3-test", "4.1.3-test", true},
		{"4.1.2", "unknown", false},
		{"", "unknown", true},
	} {
		quoted, err := json.Marshal(c.says)
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(fake{200, with(v4(), "node_getNodeInfo", `{"nodeVersion":`+string(quoted)+`}`), nil})
		got := Check(t.Context(), Client(), Target{URL: server.URL, Namespace: "node", Version: c.want})
		server.Close()
		if (got.Health == Healthy) != c.ok {
			t.Errorf("wanted %q, says %q: %s, %s", c.want, c.says, got.Health, got.Reason)
		}
	}
}

func TestUnreachable(t *testing.T) {
	address := strings.TrimPrefix(closedPort, "http://")
	got := Check(t.Context(), Client(), Target{URL: closedPort})
	if want := "RPC does not answer on " + address + ": connection refused"; got.Health != Unhealthy || got.Reason != want || got.Status != 0 {
		t.Errorf("got %+v", got)
	}
	for _, c := range []struct {
		age    time.Duration
		target Target
		want   Health
		reason string
	}{
		{3 * time.Second, Target{Namespace: "node"}, Syncing, "opens no port yet, 3s after its start: it looks for blobs, fetches a snapshot, or syncs"},
		{31 * time.Minute, Target{Namespace: "aztec"}, Syncing, "opens no port yet, 31m0s after its start: "},
		{46 * time.Minute, Target{Namespace: "node"}, Unhealthy, "RPC does not answer"},
		{-time.Hour, Target{Namespace: "node"}, Unhealthy, "RPC does not answer"},
		{time.Minute, Target{Namespace: AgentNamespace}, Unhealthy, "RPC does not answer"},
		{time.Minute, Target{Namespace: BrokerNamespace}, Unhealthy, "RPC does not answer"},
	} {
		c.target.URL, c.target.Started = closedPort, time.Now().Add(-c.age)
		if got := Check(t.Context(), Client(), c.target); got.Health != c.want || !strings.HasPrefix(got.Reason, c.reason) {
			t.Errorf("%s after its start: got %s: %s", c.age, got.Health, got.Reason)
		}
	}
	for _, bad := range []string{"", "127.0.0.1:8080", "ftp://x", "http://", "http://[", "unix:///x"} {
		if got := Check(t.Context(), Client(), Target{URL: bad}); got.Health != Unknown || !strings.HasPrefix(got.Reason, "its RPC cannot be asked: ") {
			t.Errorf("%q: got %+v", bad, got)
		}
	}
}

// TestSilent is a node that accepts and says nothing: the caller's patience
// ends first.
func TestSilent(t *testing.T) {
	block := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-block }))
	defer server.Close()
	defer close(block)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if got := Check(ctx, Client(), Target{URL: server.URL}); got.Health != Unknown || got.Reason != "the check was ended before it was done: context deadline exceeded" {
		t.Errorf("got %+v", got)
	}
	began := time.Now()
	got := Check(t.Context(), Client(), Target{URL: server.URL})
	if got.Health != Unhealthy || !strings.HasSuffix(got.Reason, ": no answer within 3s") || time.Since(began) > 2*callTimeout {
		t.Errorf("after %s: %+v", time.Since(began), got)
	}
}

func TestHostile(t *testing.T) {
	write := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			io.WriteString(w, body)
		}
	}
	var elsewhere int
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		elsewhere++
		fake{200, v4(), nil}.ServeHTTP(w, req)
	}))
	defer other.Close()
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		reason  string
	}{
		"endless": {func(w http.ResponseWriter, _ *http.Request) {
			for range 64 {
				io.WriteString(w, strings.Repeat(" ", 1<<16))
			}
		}, "the answer is longer than 1048576 bytes"},
		"HTML":           {write(200, "<html>hi</html>"), "the answer is not JSON-RPC"},
		"deep":           {write(200, strings.Repeat("[", 100_000)), "the answer is not JSON-RPC"},
		"a number":       {write(200, "7"), "the answer is not JSON-RPC"},
		"a list":         {write(200, `[{"result":{}}]`), "the answer is not JSON-RPC"},
		"null":           {write(200, `{"result":null}`), "the answer has no result"},
		"a string":       {write(200, `{"result":"4.1.2"}`), "the result has another form than expected"},
		"bad number":     {write(200, `{"result":{"nodeVersion":"4.1.2","l1ChainId":1e99}}`), "the result has another form than expected"},
		"bad gateway":    {write(502, "<html>"), "HTTP status 502"},
		"escape":         {write(400, `{"error":{"code":-32000,"message":"\u001b[2J\u202e\u009b\nline \"q\""}}`), `\x1b[2J\u202e\u009b\nline "q" (-32000)`},
		"long":           {write(400, `{"error":{"code":-32000,"message":"`+strings.Repeat("x", 1000)+`"}}`), strings.Repeat("x", maxText) + "... (-32000)"},
		"a code of text": {write(400, `{"error":{"code":"x","message":"y"}}`), "HTTP status 400"},
		"redirect": {func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, other.URL, http.StatusTemporaryRedirect)
		}, "HTTP status 307"},
		"hangs up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "the connection was closed"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(fake{200, nil, c.handler})
			defer server.Close()
			// A client that follows must not matter either.
			for _, client := range []*http.Client{Client(), {}} {
				got := Check(t.Context(), client, Target{URL: server.URL, Namespace: "node"})
				want := "RPC does not answer on " + strings.TrimPrefix(server.URL, "http://") + ": " + c.reason
				if got.Health != Unhealthy || got.Reason != want {
					t.Errorf("got %s: %s", got.Health, got.Reason)
				}
			}
		})
	}
	if elsewhere != 0 {
		t.Errorf("%d requests went elsewhere", elsewhere)
	}

	server := httptest.NewServer(fake{200, with(v4(), "node_getNodeInfo",
		`{"nodeVersion":"4\u001b[31m`+strings.Repeat("9", 1000)+`","l1ContractAddresses":{"rollupAddress":"\u001b]0;x\u0007"}}`), nil})
	defer server.Close()
	got := Check(t.Context(), Client(), Target{URL: server.URL, Namespace: "node", Version: "4.1.2"})
	if got.RollupAddress != "" || len(got.NodeVersion) > maxText+3 || strings.ContainsFunc(got.NodeVersion+got.Reason, unicode.IsControl) {
		t.Errorf("got %+v", got)
	}
}

func TestProxyIsNotAsked(t *testing.T) {
	asked := false
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("http_proxy", proxy.URL)
	// Not this host: net/http never uses a proxy for localhost.
	got := Check(t.Context(), Client(), Target{URL: "http://192.0.2.1:1"})
	if asked || got.Health != Unhealthy {
		t.Errorf("asked %t, %+v", asked, got)
	}
}

func TestReportJSON(t *testing.T) {
	at := time.Unix(1_700_000_000, 0).UTC()
	b, err := json.Marshal(Report{
		Health: Healthy, Reason: "r", NodeVersion: "5", ChainID: 1, RollupVersion: 2, RollupAddress: rollup,
		Block: 3, Proven: 2, Checkpoint: 1, SyncedL1: &at, Peers: count(0), Status: 200, StatusOK: true, Latency: 5,
	})
	want := `{"health":"healthy","reason":"r","node_version":"5","chain_id":1,"rollup_version":2,"rollup_address":"` + rollup + `","block":3,"proven":2,"checkpoint":1,"synced_l1":"2023-11-14T22:13:20Z","peers":0,"status":200,"status_ok":true,"latency_ns":5}`
	if err != nil || string(b) != want {
		t.Errorf("got %s, %v", b, err)
	}
}

func FuzzAnswer(f *testing.F) {
	for method, result := range v4() {
		f.Add(method, []byte(`{"jsonrpc":"2.0","id":1,"result":`+result+`}`))
	}
	f.Add("node_getNodeInfo", []byte(`{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found"}}`))
	f.Add("node_getL2Tips", []byte(`{"result":{"latest":{"number":"0x10"}}}`))
	f.Fuzz(func(t *testing.T, method string, body []byte) {
		answers := v4()
		client := &http.Client{Transport: transport(func(req *http.Request) *http.Response {
			w := httptest.NewRecorder()
			var call struct{ Method string }
			sent, err := io.ReadAll(req.Body)
			if err != nil {
				t.Error(err)
			}
			_ = json.Unmarshal(sent, &call)
			if call.Method == method {
				w.Write(body)
			} else {
				req.Body = io.NopCloser(strings.NewReader(string(sent)))
				fake{200, answers, nil}.ServeHTTP(w, req)
			}
			return w.Result()
		})}
		r := Check(t.Context(), client, Target{URL: "http://node", Namespace: "node", P2P: true})
		if r.Health == "" || r.Reason == "" || strings.ContainsFunc(r.Reason+r.NodeVersion+r.RollupAddress, unicode.IsControl) {
			t.Errorf("got %+v", r)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Error(err)
		}
	})
}

type transport func(*http.Request) *http.Response

func (f transport) RoundTrip(req *http.Request) (*http.Response, error) { return f(req), nil }
