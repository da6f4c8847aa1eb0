package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"
)

// pollInterval is how often an idle agent asks for a job
// (PROVER_AGENT_POLL_INTERVAL_MS of 4.1.2).
const pollInterval = time.Second

// askForJobs asks the broker for jobs until ctx ends. There never is one, and
// one that does not answer is asked again.
func askForJobs(ctx context.Context, broker string) {
	client := &http.Client{Timeout: 5 * time.Second}
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		body := strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"proverBroker_getProvingJob","params":[{"allowList":[]}]}`)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, broker, body)
		if err != nil {
			return // no URL, which the real one takes for a broker that is away
		}
		req.Header.Set("Content-Type", "application/json")
		if resp, err := client.Do(req); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body) // so that the connection stays
			resp.Body.Close()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
