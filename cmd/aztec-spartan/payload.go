package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/atomicfile"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
	"github.com/aztec-spartan/aztec-spartan/units/probe"
)

const payloadVariable = "GOVERNANCE_PROPOSER_PAYLOAD_ADDRESS"

// ballot is what an instance votes for in governance, as status --json has it.
type ballot struct {
	Payload string `json:"payload"`          // in force: an address in lower case, or none
	From    string `json:"from"`             // node: it was asked; settings: it was not
	Next    string `json:"next"`             // what it starts with
	Reason  string `json:"reason,omitempty"` // why the node could not be asked
}

func (b ballot) String() string {
	text := b.Payload + ", as the node says"
	switch {
	case b.From != fromNode && b.Reason != "":
		text = b.Payload + ", as the settings say; the node could not be asked: " + b.Reason
	case b.From != fromNode:
		text = b.Payload + ", as the settings say"
	case b.Next != b.Payload:
		text += "; after its next start for " + b.Next
	}
	return text
}

const (
	fromNode     = "node"
	fromSettings = "settings"
)

// votes is what an instance votes for; nil if its role does not. A node whose
// RPC does not answer is not asked.
func (a *app) votes(ctx context.Context, inst profiles.Instance, meta units.Meta, report *probe.Report) (*ballot, error) {
	catalog, err := a.catalog()
	if err != nil {
		return nil, err
	}
	if v, ok := catalog.Variable(payloadVariable); !ok || !v.For(inst.Role) {
		return nil, nil
	}
	if was, err := a.applied(inst.Name, meta.Generation); err == nil && was != nil {
		inst = *was
	}
	local, err := a.localEnv(inst.Name)
	if err != nil {
		return nil, err
	}
	next := inst.Payload
	next = orDefault(inst.Env[payloadVariable], next)
	for _, v := range local {
		if v.Name == payloadVariable {
			next = v.Value
		}
	}
	next = payloadWord(next)
	b := &ballot{Payload: next, From: fromSettings, Next: next}
	if report == nil || report.NodeVersion == "" || meta.AdminPort == 0 {
		return b, nil
	}
	admin, err := a.admin(ctx, inst.Name, meta)
	if err == nil {
		var now string
		if now, err = admin.Payload(ctx); err == nil {
			b.Payload, b.From = payloadWord(now), fromNode
		}
	}
	if err != nil {
		b.Reason = err.Error()
	}
	return b, nil
}

// askVote has the node say what a status says it votes for. It takes the key of
// its admin API, so it is done where that is shown.
func (a *app) askVote(ctx context.Context, s *status) error {
	if s.Node == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, detailBudget)
	defer cancel()
	inst, err := a.loadInstance(s.Name)
	if err != nil {
		return err
	}
	meta, err := a.files().Active(s.Unit)
	if err != nil {
		return err
	}
	s.Payload, err = a.votes(ctx, inst, meta, s.Node)
	return err
}

// payloadWord is a payload in the one form in which it is shown.
func payloadWord(payload string) string {
	payload = strings.ToLower(payload)
	if payload == "" || payload == probe.ZeroAddress {
		return profiles.NoPayload
	}
	return payload
}

// admin is the admin API of the node that runs.
func (a *app) admin(ctx context.Context, name string, meta units.Meta) (*probe.Admin, error) {
	if meta.AdminPort == 0 {
		return nil, fmt.Errorf("version %s has no admin API", meta.Version)
	}
	key, err := a.readAdminKey(ctx, name)
	if err != nil {
		return nil, err
	}
	if key.text == "" {
		return nil, withHint(fmt.Errorf("%s has no admin API key", name), "aztec-spartan config %s makes one", name)
	}
	if err := listensAs(meta.AdminPort, userOf(name)); err != nil {
		return nil, err
	}
	return probe.NewAdmin(probe.Client(), rpcURL(meta.AdminPort), meta.Namespace, key.text)
}

// vote tells the running node what its settings say by now.
func (a *app) vote(ctx context.Context, p *configPlan) error {
	payload := p.inst.Payload
	if payload == profiles.NoPayload {
		payload = ""
	}
	// The ports of the node are those that it was started with.
	admin, err := a.admin(ctx, p.inst.Name, p.active)
	if err != nil {
		return err
	}
	if err := admin.SetPayload(ctx, payload); err != nil {
		return err
	}
	if p.rendered != nil {
		for _, o := range p.rendered.node.Explain(payloadVariable) {
			if o.Source == profiles.FromLocalEnv {
				a.note("warning: local.env of %s sets %s, which holds again after the next start", p.inst.Name, payloadVariable)
			}
		}
	}
	return nil
}

// caught is kept under /run of a node that was told what changed since it was
// started, so that nobody restarts it for that.
type caught struct {
	Schema     int    `json:"schema"`
	Invocation string `json:"invocation"`
	Generation int    `json:"generation"` // that it runs like
}

func caughtPath(name string) string { return filepath.Join(lockDir, name+".told") }

// caughtUp reports whether a node runs like a generation that is newer than
// its start.
func (a *app) caughtUp(name string, u manager.UnitState, generation int) bool {
	var c caught
	data, err := os.ReadFile(a.path(caughtPath(name)))
	return err == nil && json.Unmarshal(data, &c) == nil && c.Schema == 1 && c.Generation == generation && c.Invocation != "" && c.Invocation == u.InvocationID
}

// upToDate reports whether the node runs like the generation in place.
func (a *app) upToDate(ctx context.Context, p *configPlan) bool {
	if !p.vote {
		return false
	}
	u, err := a.unitState(ctx, p.state.Unit)
	if err != nil {
		return false
	}
	fi, err := os.Stat(filepath.Join(systemdDir, p.state.Unit))
	return err == nil && (!fi.ModTime().After(u.ActiveEnter) || a.caughtUp(p.inst.Name, u, p.active.Generation))
}

// keepsUp records that the node runs like the generation that was just put in
// place.
func (a *app) keepsUp(ctx context.Context, p *configPlan) error {
	u, err := a.unitState(ctx, p.state.Unit)
	if err != nil {
		return err
	}
	data, err := json.Marshal(caught{1, u.InvocationID, p.rendered.Number})
	if err != nil {
		return err
	}
	return atomicfile.Write(a.path(caughtPath(p.inst.Name)), data, 0o600)
}

func (a *app) unitState(ctx context.Context, unit string) (manager.UnitState, error) {
	m, err := connect(ctx)
	if err != nil {
		return manager.UnitState{}, err
	}
	defer m.Close()
	return m.State(ctx, unit)
}

// errOtherListener keeps the admin API key from who waits for it on a port
// that a node does not have yet.
var errOtherListener = errors.New("another program listens there")

// listensAs checks that what listens on a TCP port of this host runs as a user.
func listensAs(port int, name string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return err
	}
	found := false
	// Of this thread: that of the process is its first thread's.
	for _, table := range []string{"/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"} {
		data, err := os.ReadFile(table)
		if errors.Is(err, os.ErrNotExist) {
			continue // a kernel without IPv6
		}
		if err != nil {
			return err
		}
		owners, err := listeners(string(data), port)
		if err != nil {
			return fmt.Errorf("reading %s: %w", table, err)
		}
		for _, uid := range owners {
			if found = true; uid != u.Uid {
				return fmt.Errorf("admin port %d: %w", port, errOtherListener)
			}
		}
	}
	if !found {
		return fmt.Errorf("admin port %d: nothing listens there", port)
	}
	return nil
}

// listeners are the user IDs of those that listen on a port, by a table of
// proc_net_tcp(5).
func listeners(table string, port int) ([]string, error) {
	const listening = "0A"
	var owners []string
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 8 || f[3] != listening {
			continue
		}
		at, err := strconv.ParseUint(f[1][strings.LastIndexByte(f[1], ':')+1:], 16, 16)
		if err != nil {
			return nil, fmt.Errorf("%q is no address", f[1])
		}
		if int(at) == port {
			owners = append(owners, f[7])
		}
	}
	return owners, nil
}
