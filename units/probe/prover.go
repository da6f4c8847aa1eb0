package probe

import (
	"context"
	"fmt"
	"time"
)

// A broker has the jobs of a prover, and agents do them. Both answer few
// questions: agents how they are (ProverAgentApiSchema of @aztec/stdlib,
// interfaces/prover-agent), brokers nothing about themselves
// (ProvingJobBrokerSchema of @aztec/prover-client). Neither follows a chain.

// maxAgents bounds how many agents of one process are asked. Each wants 128 GB
// of memory when it proves.
const maxAgents = 64

// agents examines the agents of a process. The only one is "agent", and each
// of several agent0, agent1 (start_prover_agent of 4.1.2).
func (e *examination) agents(ctx context.Context) {
	var states []agentState
	var missing error
	for i := -1; i < maxAgents; i++ {
		prefix := AgentNamespace
		if i >= 0 {
			prefix = fmt.Sprintf("%s%d", AgentNamespace, i)
		}
		state, err := e.agent(ctx, prefix)
		if err == nil {
			states = append(states, state)
			if i < 0 {
				break
			}
			continue
		}
		if !absent(err) {
			e.judge(Unhealthy, "RPC does not answer on %s: %s", e.base.Host, why(err))
			return
		}
		if i >= 0 {
			missing = err
			break
		}
	}
	if len(states) == 0 {
		e.judge(Unhealthy, "the RPC on %s has no agent behind it: %s", e.base.Host, why(missing))
		return
	}
	e.agentVerdict(states)
}

// agentState is the answer of one agent.
type agentState struct {
	Status  string    `json:"status"` // stopped, running, proving
	Started time.Time `json:"startedAtISO"`
}

func (e *examination) agent(ctx context.Context, prefix string) (agentState, error) {
	var state agentState
	began := time.Now()
	version, err := e.callWith(ctx, prefix+"_getStatus", "[]", &state)
	if err == nil {
		e.report.NodeVersion, e.report.Latency = version, time.Since(began)
	}
	return state, err
}

func (e *examination) agentVerdict(states []agentState) {
	count, proving, stopped, other := len(states), 0, 0, ""
	var longest time.Duration
	for _, s := range states {
		switch s.Status {
		case "running":
		case "proving":
			proving++
			if !s.Started.IsZero() {
				longest = max(longest, time.Since(s.Started))
			}
		case "stopped":
			stopped++
		default:
			other = s.Status
		}
	}
	e.report.Agents, e.report.Proving = &count, &proving
	switch {
	case e.wrongVersion():
	case other != "":
		e.judge(Unhealthy, "an agent answers that it is %q", clip(other))
	case stopped > 0:
		e.judge(Unhealthy, "%d of %d agents stopped", stopped, count)
	case !e.report.StatusOK:
		e.judge(Unhealthy, "/status answers %d: a part of the agent is not well", e.report.Status)
	case proving == 0:
		e.judge(Healthy, "%s waits for jobs", e.answers("agent"))
	case count == 1:
		e.judge(Healthy, "%s proves, for %s now", e.answers("agent"), longest.Round(time.Second))
	default:
		e.judge(Healthy, "%s: %d of %d prove, the longest for %s now", e.answers("agent"), proving, count, longest.Round(time.Second))
	}
}

// broker examines a broker by the one question that changes nothing: what
// became of a job that there is not. (getCompletedJobs would take the
// notifications that the prover node waits for.) A broker that waits for a
// rollup it can serve answers /status and nothing else (waitForCompatibleRollup).
func (e *examination) broker(ctx context.Context) {
	var job struct {
		Status string `json:"status"`
	}
	began := time.Now()
	version, err := e.callWith(ctx, BrokerNamespace+"_getProvingJobStatus", `["aztec-spartan-probe"]`, &job)
	e.report.NodeVersion, e.report.Latency = version, time.Since(began)
	switch {
	case err != nil && absent(err) && e.report.StatusOK:
		e.judge(Standby, "/status answers on %s, but the RPC has no broker behind it: it waits for a cutover", e.base.Host)
	case err != nil:
		e.judge(Unhealthy, "RPC does not answer on %s: %s", e.base.Host, why(err))
	case e.wrongVersion():
	case !e.report.StatusOK:
		e.judge(Unhealthy, "/status answers %d: a part of the broker is not well", e.report.Status)
	default:
		e.judge(Healthy, "%s gives out jobs", e.answers("broker"))
	}
}

// wrongVersion judges one that says a version other than the wanted. One that
// says none is what its image is.
func (e *examination) wrongVersion() bool {
	got := e.report.NodeVersion
	if got == "" || e.Version == "" || plain(got) == plain(e.Version) {
		return false
	}
	e.judge(Unhealthy, "answers with version %s, wanted %s", got, e.Version)
	return true
}

// answers names a part of a prover with its version, if it says that.
func (e *examination) answers(what string) string {
	if e.report.NodeVersion == "" {
		return "the " + what
	}
	return "the " + what + ", version " + e.report.NodeVersion + ","
}
