package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What faults make of the answers.
func TestFaultyAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		faults        faults
		path, method  string
		status        int // 0: no answer
		says, saysNot string
	}{
		"well":           {faults{}, "/", "node_getNodeVersion", 200, `"result":"4.1.2"`, "error"},
		"has peers":      {faults{}, "/", "p2p_getPeers", 200, "connected", ""},
		"ready":          {faults{}, "/", "node_isReady", 200, "true", ""},
		"alone":          {faults{Alone: true}, "/", "p2p_getPeers", 200, `"result":[]`, ""},
		"behind":         {faults{Behind: true}, "/", "node_isReady", 200, "false", ""},
		"behind, trees":  {faults{Behind: true}, "/", "node_getWorldStateSyncStatus", 200, `"treesAreSynched":false`, ""},
		"frozen":         {faults{Frozen: true}, "/", "node_getBlockNumber", 200, `"result":1`, ""},
		"not frozen":     {faults{}, "/", "node_getBlockNumber", 200, `"result":1`, `"result":1}`},
		"sick, status":   {faults{Sick: true}, "/status", "", 200, "OK", ""},
		"sick":           {faults{Sick: true}, "/", "node_getNodeInfo", 200, "Internal error", "result"},
		"standby":        {faults{Standby: true}, "/", "node_getNodeInfo", 404, "Not Found", ""},
		"standby,status": {faults{Standby: true}, "/status", "", 200, "OK", ""},
		"hung":           {faults{Hung: true}, "/status", "", 0, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			n := &node{image: &image{version: "4.1.2", faults: c.faults}, data: &store{}, p2p: true, began: time.Now().Add(-10 * blockTime), payload: &payload{}}
			server := httptest.NewServer(c.faults.handler(n.handler(n.methods(), nil), n.data))
			defer server.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			if c.status == 0 {
				ctx, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond)
			}
			defer cancel()
			verb, body := http.MethodPost, `{"id":1,"method":"`+c.method+`"}`
			if c.method == "" {
				verb, body = http.MethodGet, ""
			}
			req, err := http.NewRequestWithContext(ctx, verb, server.URL+c.path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			resp, err := server.Client().Do(req)
			if c.status == 0 {
				if err == nil {
					t.Errorf("it answers %s", resp.Status)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			got, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != c.status || !bytes.Contains(got, []byte(c.says)) || c.saysNot != "" && bytes.Contains(got, []byte(c.saysNot)) {
				t.Errorf("%s: %s, %v", resp.Status, got, err)
			}
		})
	}
}

// One that waits for its cutover follows its rollup when it has come.
func TestCutover(t *testing.T) {
	f := faults{Cutover: true, Rollup: "0x5fbdb2315678afecb367f032d93f642f64180aa3"}
	n := &node{image: &image{version: "6.0.0", faults: f}, data: &store{dir: t.TempDir()}, chain: chain{rollupAddress: f.Rollup}, began: time.Now(), payload: &payload{}}
	h := f.handler(n.handler(n.methods(), nil), n.data)
	ask := func() *httptest.ResponseRecorder {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(`{"id":1,"method":"node_getNodeInfo"}`))
		req.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		return w
	}
	if w := ask(); w.Code != http.StatusNotFound {
		t.Errorf("before it: %d %s", w.Code, w.Body)
	}
	if err := os.WriteFile(filepath.Join(n.data.dir, "cutover"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if w := ask(); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), f.Rollup) {
		t.Errorf("after it: %d %s", w.Code, w.Body)
	}
}

// One that is deaf ends by another signal.
func TestDeaf(t *testing.T) {
	signals := make(chan os.Signal, 2)
	up := &trigger{word: "admin API listening", do: func() { signals <- syscall.SIGTERM; signals <- syscall.SIGINT }}
	code := run([]string{rootfs(t, "4.1.2", `{"deaf":true}`), "start", "--node"}, lookup(working(t.TempDir())), io.Discard, up, signals)
	if code != 130 {
		t.Errorf("exit %d\n%s", code, up.all.String())
	}
}
