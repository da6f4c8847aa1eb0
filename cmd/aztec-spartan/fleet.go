package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aztec-spartan/aztec-spartan/profiles"
)

// target is one of the instances that a call of config is about.
type target struct {
	name   string
	flags  configFlags
	broker string // instance of the same call whose broker this one uses; "": none
}

const (
	roleProver = "prover" // not a role but two: a broker, and a prover node beside it
	maxCount   = 64
)

// targets are the instances that a name and flags mean: a prover is two, and
// agents are as many as were asked for.
func (f configFlags) targets(name string, catalog profiles.Catalog) ([]target, error) {
	prover := f.changed("role") && f.role == roleProver
	switch {
	case f.changed("count") && (f.role != "prover-agent" || !f.changed("role")):
		return nil, withHint(usage(errors.New("--count is for agents")), "--role prover-agent --count %d; other instances are configured one by one", f.count)
	case f.changed("count") && (f.count < 1 || f.count > maxCount):
		return nil, usage(fmt.Errorf("--count %d is not between 1 and %d", f.count, maxCount))
	case f.changed("count"):
		if f.changed("port") || f.changed("from") {
			return nil, usage(errors.New("--count excludes --port and --from: each agent gets a free port"))
		}
		var list []target
		for i := range f.count {
			list = append(list, target{name: fmt.Sprintf("%s-%d", name, i+1), flags: f})
		}
		return list, validTargets(list)
	case prover:
		if f.changed("broker") || f.changed("from") {
			return nil, withHint(usage(errors.New("--role prover makes its own broker, so it excludes --broker and --from")), "--role prover-node --broker URL makes a prover node alone")
		}
		broker := f.brokerFlags(catalog)
		node := f.as("prover-node", catalog, "allow", "expose-rpc")
		list := []target{{name: name + "-broker", flags: broker}, {name: name, flags: node, broker: name + "-broker"}}
		return list, validTargets(list)
	}
	return []target{{name: name, flags: f}}, nil
}

func validTargets(list []target) error {
	for _, t := range list {
		if err := profiles.ValidName(t.name); err != nil {
			return usage(err)
		}
	}
	return nil
}

// brokerFlags are those that a prover's broker takes of a prover's.
func (f configFlags) brokerFlags(catalog profiles.Catalog) configFlags {
	b := f.as("prover-broker", catalog,
		"l1-consensus-host-url", "port", "admin-port", "p2p-port", "ip", "no-p2p", "coinbase", "fee-recipient", "encrypt-keys",
		"prover-id", "agents", "data-dir", "payload", "args", "extra-arg", "key", "key-file", "key-env", "publisher-key-file", "publisher-key-env", "p2p-id-private-key")
	b.key, b.keyFile, b.typedKey, b.publisherKeyFile, b.p2pKey = "", "", "", "", ""
	b.keyEnv, b.publisherKeyEnv = envKey{}, envKey{}
	return b
}

// as are the flags for one role of several, without some, and with the
// variables that the role reads.
func (f configFlags) as(role string, catalog profiles.Catalog, without ...string) configFlags {
	changed := f.changed
	f.changed = func(flag string) bool { return changed(flag) && !slices.Contains(without, flag) }
	f.role = role
	others := func(name string) bool {
		name, _, _ = strings.Cut(name, "=")
		v, known := catalog.Variable(name)
		return known && !v.For(role) || !known && role != "prover-node"
	}
	f.set = slices.DeleteFunc(slices.Clone(f.set), others)
	f.unset = slices.DeleteFunc(slices.Clone(f.unset), others)
	return f
}

// inherit takes over what was said about another instance of the same call, so
// that nothing is asked twice. One that is there keeps what it has.
func (f configFlags) inherit(inst *profiles.Instance, from profiles.Instance) configFlags {
	changed := f.changed
	var said []string
	take := func(flag string, empty bool, take func()) {
		if empty {
			take()
		}
		said = append(said, flag)
	}
	take("network", inst.Network == "", func() { inst.Network = from.Network })
	take("image", inst.Image == "", func() { inst.Image = from.Image })
	take("l1-chain-id", inst.L1.ChainID == 0, func() { inst.L1.ChainID = from.L1.ChainID })
	if len(from.L1.RPC) > 0 {
		take("ethereum-host", len(inst.L1.RPC) == 0, func() { inst.L1.RPC = from.L1.RPC })
	}
	if from.Prover.Broker != "" && inst.Role == from.Role {
		take("broker", inst.Prover.Broker == "", func() { inst.Prover.Broker = from.Prover.Broker })
	}
	f.changed = func(flag string) bool { return changed(flag) || slices.Contains(said, flag) }
	return f
}

// configAll plans all, and writes when nothing is wrong with any.
func (a *app) configAll(ctx context.Context, name string, f configFlags) error {
	catalog, err := a.catalog()
	if err != nil {
		return err
	}
	a.warnStrays()
	f.dryRun = f.dryRun || f.explain != ""
	if err := f.badRoll(); err != nil {
		return err
	}
	if err := a.promptRole(ctx, name, &f); err != nil {
		return err
	}
	list, err := f.targets(name, catalog)
	if err != nil {
		return err
	}
	var plans []*configPlan
	do := func() error {
		var err error
		plans, err = a.configTargets(ctx, list, f)
		return err
	}
	if f.dryRun { // writes nothing, so needs no lock
		return do()
	}
	for _, t := range slices.Backward(list) {
		inner := do
		do = func() error { return a.locked(ctx, t.name, "config", inner) }
	}
	if err := do(); err != nil {
		return err
	}
	return a.carryOutConfig(ctx, plans)
}

// configTargets returns the plans that it has written.
func (a *app) configTargets(ctx context.Context, list []target, f configFlags) ([]*configPlan, error) {
	plans, err := a.planTargets(ctx, list, f)
	if err != nil {
		return nil, err
	}
	if f.explain != "" {
		for _, p := range plans {
			if err := a.explainValue(p, f.explain); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
	for _, p := range plans {
		a.showMigration(p)
		a.showChange(p.old, p.inst)
	}
	if f.dryRun {
		for _, p := range plans {
			if err := a.showPlan(p); err != nil {
				return nil, err
			}
		}
		return plans, nil
	}
	if err := a.mayConfig(ctx, plans, f); err != nil {
		return nil, err
	}
	if err := a.confirm(ctx, plans); err != nil {
		return nil, err
	}
	for _, p := range plans {
		if f.applies {
			p.roll = &updateFlags{now: f.now, settle: f.settle, giveUp: f.unattended}
		}
		if err := a.apply(ctx, p); err != nil {
			return nil, err
		}
	}
	return plans, nil
}

// planTargets decides everything about all instances.
func (a *app) planTargets(ctx context.Context, list []target, f configFlags) ([]*configPlan, error) {
	var plans []*configPlan
	for _, t := range list {
		p, err := a.planConfig(ctx, t, plans)
		if err != nil {
			return nil, err
		}
		if f.applies {
			if err := a.canApply(p); err != nil {
				return nil, err
			}
		}
		plans = append(plans, p)
	}
	return plans, nil
}

// mayConfig refuses, before anything of any plan is written, an image that has to
// be rolled to, and a roll on a host on which no node would be healthy. Of a first
// start it only says what stands in its way.
func (a *app) mayConfig(ctx context.Context, plans []*configPlan, f configFlags) error {
	for _, p := range plans {
		if !a.live() || f.applies {
			continue // under --root nothing runs, and there is nothing to lose
		}
		written := p.active.Reference
		if is, err := a.loadInstance(p.inst.Name); err == nil {
			written = is.Image
		}
		if err := canSwitch(p, written); err != nil {
			return err
		}
	}
	for _, p := range plans {
		switch {
		case p.asked:
			a.checkup(ctx, p.inst)
		case f.applies:
			if err := a.mayReplace(ctx, "configuring "+p.inst.Name, p.inst, f.unattended); err != nil {
				return err
			}
		}
	}
	return nil
}
