package main

import (
	"slices"

	"github.com/aztec-spartan/aztec-spartan/units/probe"
)

// inOrder sorts instances for a verb that goes from one to the next: a broker
// comes before who needs it, and is stopped after them. A prover node without
// its broker takes 31 s to stop (measured). What is not known stays where it
// is.
func (a *app) inOrder(verb string, names []string) []string {
	var brokers, others []string
	for _, name := range names {
		if a.isBroker(name) {
			brokers = append(brokers, name)
		} else {
			others = append(others, name)
		}
	}
	if verb == "stop" {
		return slices.Concat(others, brokers)
	}
	return slices.Concat(brokers, others)
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
