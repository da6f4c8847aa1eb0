package main

import (
	"context"
	"fmt"
	"time"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/probe"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// busyConfig is the part of [update] that is about nodes that are busy.
type busyConfig struct {
	BusyWait duration `toml:"busy_wait"` // for a node that must not be stopped now
	WhenBusy string   `toml:"when_busy"` // what happens when it is busy still
}

// What WhenBusy may say.
const (
	whenBusyGo     = "go"
	whenBusyGiveUp = "give-up"
)

func defaultBusyConfig() busyConfig { return busyConfig{duration{10 * time.Minute}, whenBusyGo} }

func (c busyConfig) check() error {
	if c.WhenBusy != whenBusyGo && c.WhenBusy != whenBusyGiveUp {
		return fmt.Errorf("update.when_busy: %q is neither go nor give-up", c.WhenBusy)
	}
	return nil
}

// busyPlan is how long a roll waits for a node that must not be stopped now.
func (a *app) busyPlan(f updateFlags) (roll.BusyPlan, error) {
	c, err := a.hostConfig()
	if err != nil || f.now {
		return roll.BusyPlan{}, err
	}
	return roll.BusyPlan{Wait: c.Update.BusyWait.Duration, GiveUp: f.giveUp || c.Update.WhenBusy == whenBusyGiveUp}, nil
}

// busy says what a node does that a stop would spoil: an agent of it proves,
// or it is to propose. A broker keeps its jobs over a restart, and does not
// say which it has (ProvingJobBrokerSchema of 4.1.2).
func (a *app) busy(ctx context.Context, meta units.Meta) string {
	r := probe.Check(ctx, probe.Client(), probeTarget(meta))
	if r.Proving != nil && *r.Proving > 0 {
		return r.Reason
	}
	if r.RollupAddress == "" {
		return ""
	}
	ours, l1, err := a.proposes(ctx, meta.Instance)
	if err != nil || len(ours) == 0 {
		return ""
	}
	// L1 may be away: that is no reason to stay with a version.
	slot, err := probe.Proposals(ctx, probe.Client(), l1, r.RollupAddress, ours)
	switch {
	case err != nil || slot < 0:
		return ""
	case slot == 0:
		return "it is the proposer of this slot"
	case slot == 1:
		return "it is the proposer of the next slot"
	}
	return "it is the proposer of the slot after the next"
}

// proposes are the addresses that an instance attests with, and its L1.
func (a *app) proposes(ctx context.Context, name string) (ours, l1 []string, err error) {
	inst, err := a.loadInstance(name)
	if err != nil {
		return nil, nil, err
	}
	catalog, err := a.catalog()
	if err != nil {
		return nil, nil, err
	}
	if role, err := catalog.Role(inst.Role); err != nil || !attests(role) {
		return nil, nil, err
	}
	sec, err := a.loadKeys(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	addresses, err := sec.addresses()
	for _, address := range addresses {
		ours = append(ours, address.String())
	}
	return ours, inst.L1.RPC, err
}

func attests(role profiles.Role) bool { return role.Keys && !role.Prover }
