package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/profiles/redact"
	"github.com/aztec-spartan/aztec-spartan/units/doctor"
)

// examined is one instance as doctor --json prints it. Without a name it is
// the host, for which no instance is configured yet.
type examined struct {
	Name     string           `json:"name"`
	Health   doctor.Level     `json:"health"` // the worst of all
	Findings []doctor.Finding `json:"findings"`
}

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor [NAME...]",
		Short: "Check what instances need of this host, and of L1",
		Long: `Check what instances need, and say what was seen and what to type. Without
names, all instances; where there is none yet, the host alone.

L1: reachable, synced, the right chain, debug_traceTransaction. Beacon nodes:
reachable, synced, serving blobs. The clock, against time servers and L1. The
processor, memory, disk and its speed, systemd, kernel. Ports: free, not closed
by ufw, firewalld or nftables; and whether those that others must not reach can
be closed. Balances of publishers, keystore, remote signers, registry, DNS.

Each line is ok, warning or failed. The exit code is 6 if anything failed.

A part of it runs in the prompts of config, at a first start, and before an
update, a rollback or config --apply stops a node; --unattended updates do not
stop one whose L1, beacon node, remote signer or disk would keep the new version
from proving itself.

Besides what instances use, it asks the ntp_servers of config.toml for the time,
and, only if it is set, its reach_service whether the P2P port is open.`,
		Example: `  aztec-spartan doctor val1
  aztec-spartan doctor --json`,
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.needRoot("doctor", false); err != nil {
				return err
			}
			return a.doctor(cmd.Context(), args)
		},
	}
}

func (a *app) doctor(ctx context.Context, names []string) error {
	names, err := a.patients(names)
	if err != nil {
		return err
	}
	all, failed := []examined{}, 0
	for _, name := range names {
		list, err := a.examineName(ctx, name, doctor.Everything)
		if err != nil {
			return err
		}
		e := examined{Name: name, Health: doctor.Worst(list), Findings: list}
		all = append(all, e)
		for _, f := range list {
			if f.Level == doctor.Failed {
				failed++
			}
		}
		if !a.json {
			a.showExamined(e)
		}
	}
	if a.json {
		if err := a.printJSON(all); err != nil {
			return err
		}
	}
	if failed > 0 {
		return withCode(exitUnhealthy, fmt.Errorf("doctor: %d of the checks failed", failed))
	}
	return nil
}

// patients are the instances to look at; "" is the host, if it has none.
func (a *app) patients(names []string) ([]string, error) {
	if len(names) > 0 {
		return a.selected(names, false, everyInstance)
	}
	names, err := a.instanceNames()
	if err == nil && len(names) == 0 {
		names = []string{""}
	}
	return names, err
}

func (a *app) examineName(ctx context.Context, name string, scope doctor.Scope) ([]doctor.Finding, error) {
	if name == "" {
		return a.examine(ctx, nil, scope)
	}
	inst, err := a.loadInstance(name)
	if err != nil {
		return nil, err
	}
	return a.examine(ctx, &inst, scope)
}

// examine looks at what an instance needs; without one, at the host. What it
// returns is fit to be shown.
func (a *app) examine(ctx context.Context, inst *profiles.Instance, scope doctor.Scope) ([]doctor.Finding, error) {
	host, err := a.doctorHost(ctx)
	if err != nil {
		return nil, err
	}
	node := doctor.Node{Images: a.path(imageDir), Reserve: int64(a.reserve())}
	if inst != nil {
		if err := a.describe(ctx, *inst, &host, &node, scope); err != nil {
			return nil, err
		}
	} else if a.live() {
		host.Registry = a.registryAnswers
	}
	list := doctor.Examine(ctx, host, node, scope)
	for i := range list {
		list[i].Seen, list[i].Do = redact.Text(list[i].Seen), redact.Text(list[i].Do)
	}
	return list, ctx.Err()
}

// reserve is that of the version store; its default if config.toml is wrong,
// which others tell.
func (a *app) reserve() size {
	c, err := a.hostConfig()
	if err != nil {
		return defaultReserve
	}
	return c.Store.Reserve
}

func (a *app) showExamined(e examined) {
	a.print("%s:", orDefault(e.Name, "this host"))
	for _, f := range e.Findings {
		a.showFinding(a.print, f)
	}
}

func (a *app) showFinding(say func(string, ...any), f doctor.Finding) {
	say("  %-8s %-10s %s", f.Level, f.Check, f.Seen)
	if f.Do != "" && f.Level != doctor.OK {
		say("  %-19s -> %s", "", f.Do)
	}
}

// checkup tells what could keep a node from running, before it is started for
// the first time. It never refuses: the operator may know better.
func (a *app) checkup(ctx context.Context, inst profiles.Instance) {
	list, err := a.examine(ctx, &inst, doctor.Brief)
	if err != nil {
		a.note("warning: %s was not examined: %v", inst.Name, err)
		return
	}
	for _, f := range list {
		if f.Level != doctor.OK {
			a.showFinding(a.note, f)
		}
	}
}

// mayReplace examines an instance before a roll stops its node. What would make
// the roll pointless is told; an unattended one is not begun. doing is for the
// error.
func (a *app) mayReplace(ctx context.Context, doing string, inst profiles.Instance, unattended bool) error {
	if !a.runs(ctx, inst) {
		return nil // nothing is stopped
	}
	list, err := a.examine(ctx, &inst, doctor.Brief)
	if err != nil {
		return err
	}
	return a.held(doing, inst.Name, list, unattended)
}

func (a *app) held(doing, name string, list []doctor.Finding, unattended bool) error {
	var causes []string
	for _, f := range list {
		if !f.Holds {
			continue
		}
		causes = append(causes, f.Check+": "+f.Seen)
		if !unattended {
			a.note("warning: what the roll starts may not be able to prove itself:")
			a.showFinding(a.note, f)
		}
	}
	if len(causes) == 0 || !unattended {
		return nil
	}
	return withHint(withCode(exitUnhealthy, fmt.Errorf("%s: no version could prove itself now, so its node is not stopped: %s", doing, strings.Join(causes, "; "))),
		"aztec-spartan doctor %s says what to do; the next unattended look tries again", name)
}

// runs reports whether the node of an instance does, as far as systemd can be
// asked.
func (a *app) runs(ctx context.Context, inst profiles.Instance) bool {
	unit, err := a.unitOf(inst)
	if err != nil {
		return false
	}
	running, err := a.isRunning(ctx, unit)
	return err == nil && running
}
