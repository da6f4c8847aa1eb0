package probe

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// says puts the version of the package into each answer, as 4.1.2 does.
func says(version string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if version != "" {
			w.Header()["x-aztec-packageVersion"] = []string{version}
		}
		h.ServeHTTP(w, req)
	})
}

func TestCheckProver(t *testing.T) {
	const (
		status  = "proverBroker_getProvingJobStatus"
		running = `{"status":"running"}`
		proving = `{"status":"proving","jobId":"1:BLOCK_ROOT","proofType":7,"startedAtISO":"STARTED"}` // 90 s before it is asked
	)
	agent := Target{Namespace: AgentNamespace, Version: "4.1.2"}
	broker := Target{Namespace: BrokerNamespace, Version: "4.1.2", ChainID: 1}
	for _, c := range []struct {
		name     string
		target   Target
		status   int
		version  string
		results  map[string]string
		want     Health
		reason   string
		agents   *int
		inProof  *int
		answered string
	}{
		{"agent waits", agent, 200, "4.1.2", map[string]string{"agent_getStatus": running}, Healthy, "the agent, version 4.1.2, waits for jobs", count(1), count(0), "4.1.2"},
		{"agent proves", agent, 200, "4.1.2", map[string]string{"agent_getStatus": proving}, Healthy, "the agent, version 4.1.2, proves, for 1m30s now", count(1), count(1), "4.1.2"},
		{"agent without a version", agent, 200, "", map[string]string{"agent_getStatus": running}, Healthy, "the agent waits for jobs", count(1), count(0), ""},
		{"agent of another version", agent, 200, "4.1.1", map[string]string{"agent_getStatus": running}, Unhealthy, "answers with version 4.1.1, wanted 4.1.2", count(1), count(0), "4.1.1"},
		{"agent stopped", agent, 500, "4.1.2", map[string]string{"agent_getStatus": `{"status":"stopped"}`}, Unhealthy, "1 of 1 agents stopped", count(1), count(0), "4.1.2"},
		{"agent not well", agent, 500, "4.1.2", map[string]string{"agent_getStatus": running}, Unhealthy, "/status answers 500", count(1), count(0), "4.1.2"},
		{"agent in a new state", agent, 200, "4.1.2", map[string]string{"agent_getStatus": `{"status":"dreams\u001b"}`}, Unhealthy, `an agent answers that it is "dreams`, count(1), count(0), "4.1.2"},
		{"agent that fails", agent, 200, "4.1.2", map[string]string{"agent_getStatus": `error {"code":-32000,"message":"boom"}`}, Unhealthy, "boom (-32000)", nil, nil, ""},
		{"three agents", agent, 200, "4.1.2", map[string]string{"agent0_getStatus": running, "agent1_getStatus": proving, "agent2_getStatus": running}, Healthy, "1 of 3 prove, the longest for 1m30s now", count(3), count(1), "4.1.2"},
		{"one of two stopped", agent, 200, "4.1.2", map[string]string{"agent0_getStatus": running, "agent1_getStatus": `{"status":"stopped"}`}, Unhealthy, "1 of 2 agents stopped", count(2), count(0), "4.1.2"},
		{"no agent", agent, 200, "4.1.2", nil, Unhealthy, "has no agent behind it", nil, nil, ""},
		{"broker", broker, 200, "4.1.2", map[string]string{status: `{"status":"not-found"}`}, Healthy, "the broker, version 4.1.2, gives out jobs", nil, nil, "4.1.2"},
		{"broker without a version", broker, 200, "", map[string]string{status: `{"status":"not-found"}`}, Healthy, "the broker gives out jobs", nil, nil, ""},
		{"broker of another version", broker, 200, "v5.0.0", map[string]string{status: `{"status":"not-found"}`}, Unhealthy, "answers with version v5.0.0, wanted 4.1.2", nil, nil, "v5.0.0"},
		{"broker not well", broker, 500, "4.1.2", map[string]string{status: `{"status":"not-found"}`}, Unhealthy, "/status answers 500", nil, nil, "4.1.2"},
		{"broker waits for a rollup", broker, 200, "", nil, Standby, "waits for a cutover", nil, nil, ""},
		{"broker that fails", broker, 200, "4.1.2", map[string]string{status: `error {"code":-32000,"message":"boom"}`}, Unhealthy, "boom (-32000)", nil, nil, "4.1.2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			results := maps.Clone(c.results)
			for method, result := range results {
				results[method] = strings.ReplaceAll(result, "STARTED", time.Now().Add(-90*time.Second).UTC().Format(time.RFC3339Nano))
			}
			server := httptest.NewServer(says(c.version, fake{c.status, results, nil}))
			defer server.Close()
			target := c.target
			target.URL = server.URL
			got := Check(t.Context(), Client(), target)
			if got.Health != c.want || !strings.Contains(got.Reason, c.reason) || got.NodeVersion != c.answered {
				t.Errorf("%s: %s (version %q), want %s: %s", got.Health, got.Reason, got.NodeVersion, c.want, c.reason)
			}
			if d := cmp.Diff([]*int{c.agents, c.inProof}, []*int{got.Agents, got.Proving}); d != "" {
				t.Errorf("agents, proving (-want +got):\n%s", d)
			}
			if strings.ContainsRune(got.Reason, 0x1b) {
				t.Errorf("a terminal would act on %q", got.Reason)
			}
		})
	}
}

// TestBrokerIsAskedNothingElse: other questions take what prover nodes wait
// for, or jobs.
func TestBrokerIsAskedNothingElse(t *testing.T) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body := make([]byte, 4096)
		n, _ := req.Body.Read(body) // of a GET there is none
		asked = append(asked, req.Method+" "+req.URL.Path+" "+string(body[:n]))
	}))
	defer server.Close()
	Check(t.Context(), Client(), Target{Namespace: BrokerNamespace, URL: server.URL})
	want := []string{"GET /status ", `POST / {"jsonrpc":"2.0","id":1,"method":"proverBroker_getProvingJobStatus","params":["aztec-spartan-probe"]}`}
	if d := cmp.Diff(want, asked); d != "" {
		t.Errorf("-want +asked:\n%s", d)
	}
}

func TestNothingAnswers(t *testing.T) {
	for _, namespace := range []string{AgentNamespace, BrokerNamespace} {
		got := Check(t.Context(), Client(), Target{Namespace: namespace, URL: closedPort})
		if got.Health != Unhealthy || !strings.Contains(got.Reason, "connection refused") {
			t.Errorf("%s: %s: %s", namespace, got.Health, got.Reason)
		}
	}
}
