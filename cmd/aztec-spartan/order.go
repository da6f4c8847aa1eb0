package main

import (
	"cmp"
	"slices"

	"github.com/aztec-spartan/aztec-spartan/units/probe"
)

// inOrder sorts instances for a verb that goes from one to the next. A broker
// comes before who needs it, and is stopped after them: a prover node without
// its broker takes 31 s to stop (measured). Updates begin with what can be away
// at no cost. What is not known stays where it is.
func (a *app) inOrder(verb string, names []string) []string {
	rank := a.startRank
	switch verb {
	case "stop":
		rank = func(name string) int { return -a.startRank(name) }
	case "update", "rollback":
		rank = a.rollRank
	}
	ranks := map[string]int{}
	for _, name := range names {
		ranks[name] = rank(name)
	}
	ordered := slices.Clone(names)
	slices.SortStableFunc(ordered, func(x, y string) int { return cmp.Compare(ranks[x], ranks[y]) })
	return ordered
}

func (a *app) startRank(name string) int {
	if a.isBroker(name) {
		return 0
	}
	return 1
}

// rollRank is the order of updates: agents, which lose a job at most, broker,
// prover nodes, full nodes, and who signs last.
func (a *app) rollRank(name string) int {
	const last = 4
	inst, err := a.loadInstance(name)
	if err != nil {
		return last
	}
	catalog, err := a.catalog()
	if err != nil {
		return last
	}
	role, err := catalog.Role(inst.Role)
	switch {
	case err != nil:
		return last
	case role.Proves:
		return 0
	case role.Prover && !role.Keys:
		return 1
	case role.Prover:
		return 2
	case !role.Keys:
		return 3
	}
	return last
}

func (a *app) isBroker(name string) bool {
	inst, err := a.loadInstance(name)
	if err != nil {
		return false
	}
	unit, err := a.unitOf(inst)
	if err != nil {
		return false
	}
	meta, err := a.files().Active(unit)
	return err == nil && meta.Namespace == probe.BrokerNamespace || err != nil && inst.Role == "prover-broker" // no image yet
}
