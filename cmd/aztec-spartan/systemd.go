package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
	"github.com/aztec-spartan/aztec-spartan/units/probe"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// rollManager is the service manager as a roll sees it.
type rollManager struct{ *manager.Manager }

func (m rollManager) Start(ctx context.Context, unit string) error {
	return startError(m.Manager.Start(ctx, unit))
}

// startError is roll.ErrStopped for a start that somebody else has cancelled:
// it does not end so when the roll itself gives it up.
func startError(err error) error {
	if job := (*manager.JobError)(nil); errors.As(err, &job) && job.Result == manager.Canceled {
		return fmt.Errorf("%w: %w", roll.ErrStopped, err)
	}
	return err
}

func (m rollManager) Stop(ctx context.Context, unit string) error {
	return m.Manager.Stop(ctx, unit)
}

func (m rollManager) TryRestart(ctx context.Context, unit string, waiting func()) error {
	return startError(m.Manager.TryRestart(ctx, unit, manager.OnWait(func(time.Duration) { waiting() })))
}

func (m rollManager) Running(ctx context.Context, unit string) (roll.Running, error) {
	s, err := m.State(ctx, unit)
	if err != nil || !outdated(s) {
		return running(s, manager.UnitState{}), err
	}
	failure, err := m.State(ctx, failureUnit(unit))
	return running(s, failure), err
}

// unmet is an error where systemd says of a start that it is done, and has
// started nothing: a Condition...= of the unit, mostly of a drop-in, does not hold
// (systemd.unit(5)).
func unmet(ctx context.Context, m unitReader, unit string) error {
	s, err := m.State(ctx, unit)
	if err != nil || !s.Unmet || s.ActiveState != "inactive" {
		return nil //nolint:nilerr // the job was done
	}
	return withHint(fmt.Errorf("starting %s: a condition of it does not hold, so systemd has started nothing", unit), "systemctl status %s says which one", unit)
}

// failureUnit is the service that sees to a unit whose node is out of date.
func failureUnit(unit string) string { return "aztec-failure@" + unit + ".service" }

// running is what a roll has to know of a unit, and of the service that sees to
// it. systemd stops that one with the unit: where it is gone, somebody wants the
// node down, and may have its key elsewhere by now.
func running(s, failure manager.UnitState) roll.Running {
	return roll.Running{
		ActiveState: s.ActiveState, SubState: s.SubState, Invocation: s.InvocationID,
		PID: s.MainPID, Restarts: s.NRestarts, Exit: exitWords(s), Enabled: s.UnitFileState == "enabled",
		Outdated: outdated(s) && (failure.Job || failure.ActiveState != "inactive"),
		Halted:   halted(s), Queued: s.Job, Unmet: s.Unmet,
	}
}

// offline is the service manager of a tree under --root: nothing runs there.
type offline struct{}

func (offline) Start(context.Context, string) error       { return nil }
func (offline) StartNoWait(context.Context, string) error { return nil }
func (offline) Stop(context.Context, string) error        { return nil }

func (offline) TryRestart(context.Context, string, func()) error { return nil }

func (offline) Reload(context.Context) error              { return nil }
func (offline) ResetFailed(context.Context, string) error { return nil }

func (offline) Dependents(context.Context, string) ([]string, error) { return nil, nil }

func (offline) Running(context.Context, string) (roll.Running, error) {
	return roll.Running{ActiveState: "inactive"}, nil
}

// Codes of ExecMainCode, as in waitid(2).
const (
	cldExited = 1
	cldKilled = 2
	cldDumped = 3
)

// Exit codes by which a node says that its version is out of date: the rollup
// was upgraded, or a newer version is asked for (aztec/src/cli/util.ts). They
// are RestartPreventExitStatus= of units.
const (
	exitRollupUpgrade  = 78
	exitVersionUpgrade = 79
)

// exitCredentials is systemd's own: it could not hand over what LoadCredential=
// and LoadCredentialEncrypted= name (EXIT_CREDENTIALS of systemd.exec(5)).
const exitCredentials = 243

// startLimitHit is the result of a unit that was started too often, which only a
// drop-in brings about.
const startLimitHit = "start-limit-hit"

// outdated reports whether a unit is down because its node wants another
// version. It is not started again by systemd, but by aztec-failure@.service.
func outdated(s manager.UnitState) bool {
	return s.ActiveState == "failed" && s.ExecMainCode == cldExited &&
		(s.ExecMainStatus == exitRollupUpgrade || s.ExecMainStatus == exitVersionUpgrade)
}

// halted reports whether a unit has failed in being stopped: its node had to be
// killed at TimeoutStopSec=, or ended with an error of its own. With
// Restart=always one that fails by itself is started again, but for what
// outdated names and for a start limit, which only a drop-in brings.
func halted(s manager.UnitState) bool {
	return s.ActiveState == "failed" && s.Restart == "always" && s.Result != startLimitHit && !outdated(s)
}

// exitWords says how a node ended, if it did.
func exitWords(s manager.UnitState) string {
	switch s.ExecMainCode {
	case cldExited:
		if s.ExecMainStatus == exitCredentials {
			return "was not given its keys (exit code 243, CREDENTIALS)"
		}
		return fmt.Sprintf("exited with code %d", s.ExecMainStatus)
	case cldKilled, cldDumped:
		return fmt.Sprintf("was killed by signal %d", s.ExecMainStatus)
	}
	return ""
}

// rpcURL is where the node with that RPC port answers.
func rpcURL(port int) string { return fmt.Sprintf("http://127.0.0.1:%d", port) }

// probeTarget is where the node of a unit answers.
func probeTarget(m units.Meta) probe.Target {
	return probe.Target{
		Name: m.Instance, URL: rpcURL(m.RPCPort),
		Namespace: m.Namespace, Version: m.Version, ChainID: m.ChainID, P2P: m.P2P,
	}
}

// ask is the question that the gate of a roll puts to a node: whether it is
// the version, on the chain, that was installed, and how far it is. One that
// has only just started need have no peers yet. A broker or agent that does
// not say its version is what its unit runs: the gate knows that the process
// is new.
func ask(ctx context.Context, m units.Meta) roll.Answer {
	t := probeTarget(m)
	t.Young = true
	r := probe.Check(ctx, probe.Client(), t)
	a := roll.Answer{
		Version: r.NodeVersion, Reason: r.Reason,
		Healthy: r.NodeVersion != "" && r.Health != probe.Unhealthy && r.Health != probe.Unknown,
		AtTip:   r.Health == probe.Healthy, Standby: r.Health == probe.Standby,
		Wrong:   r.NodeVersion != "" && m.Version != "" && r.NodeVersion != strings.TrimPrefix(m.Version, "v"),
		Follows: t.FollowsChain(), P2P: t.P2P, Peers: r.Peers,
		Head: roll.Head{Block: r.Block, Proven: r.Proven, Checkpoint: r.Checkpoint, State: r.WorldState},
	}
	if r.SyncedL1 != nil {
		a.Head.L1 = *r.SyncedL1
	}
	if !t.FollowsChain() {
		a.Healthy = r.Health == probe.Healthy
	} else if r.ChainID != 0 && m.ChainID != 0 && r.ChainID != m.ChainID {
		a.Wrong = true
	}
	return a
}

// offlineSystemd is the version that units are rendered for under --root,
// where there is no systemd to ask.
const offlineSystemd = 252

// systemdVersion asks the running systemd.
func (a *app) systemdVersion(ctx context.Context) (int, error) {
	if !a.live() {
		return offlineSystemd, nil
	}
	m, err := manager.Connect(ctx)
	if err != nil {
		return 0, err
	}
	defer m.Close()
	return m.Version(ctx)
}

// withManager runs do with the service manager, if this is about the running host.
func (a *app) withManager(ctx context.Context, do func(*manager.Manager) error) error {
	if !a.live() {
		return nil
	}
	m, err := connect(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	return do(m)
}

// reload has systemd read unit files that were changed.
func (a *app) reload(ctx context.Context) error {
	return a.withManager(ctx, func(m *manager.Manager) error { return m.Reload(ctx) })
}

// mayStart is an error where the host is in no state to start nodes. On one
// that is degraded other units failed, and nodes run; one that still boots
// starts them in their turn.
func mayStart(verb, state string) error {
	switch state {
	case "stopping":
		err := withCode(exitUnsupported, fmt.Errorf("%s: this host is shutting down", verb))
		return withHint(err, "it starts what is enabled when it is up again")
	case "maintenance":
		err := withCode(exitUnsupported, fmt.Errorf("%s: this host is in rescue or emergency mode, where nothing that nodes need runs", verb))
		return withHint(err, "journalctl -b -p err says why; systemctl default leaves that mode")
	}
	return nil
}

// isRunning reports whether the unit of an instance runs on this host.
func (a *app) isRunning(ctx context.Context, unit string) (bool, error) {
	if a.unitRuns != nil {
		return a.unitRuns(ctx, unit)
	}
	if !a.live() {
		return false, nil
	}
	m, err := connect(ctx)
	if err != nil {
		return false, err
	}
	defer m.Close()
	s, err := m.State(ctx, unit)
	if err != nil {
		return false, err
	}
	return !s.Down(), nil
}
