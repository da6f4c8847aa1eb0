package main

import (
	"fmt"
	"slices"

	"github.com/aztec-spartan/aztec-spartan/cmd/aztec-spartan/internal/docker"
	"github.com/aztec-spartan/aztec-spartan/profiles"
)

// choosePorts gives the instance the ports by which the container is reached.
// What only the container itself had, since it was not published, may be taken
// on the host: the next that is free will do. The kernel is asked while the
// container still runs, so what it holds itself does not count.
func (ad *adopter) choosePorts(catalog profiles.Catalog, p *adoptPlan, others []profiles.Instance) error {
	inst, c := &p.Instance, p.record.Container
	holds := func(network string, port int) bool { return c.Holds(docker.Port{Network: network, Number: port}) }
	taken := func(network string, port int) bool {
		return ad.live() && !holds(network, port) && free(network, port) != nil
	}
	ports, err := catalog.FreePorts(*inst, others, taken)
	if err != nil {
		return usage(fmt.Errorf("adopting %s: %w", p.record.Dir, err))
	}
	for _, at := range []struct {
		name      string
		had, next *int
	}{{"rpc", &inst.Ports.RPC, &ports.RPC}, {"admin", &inst.Ports.Admin, &ports.Admin}, {"p2p", &inst.Ports.P2P, &ports.P2P}} {
		listens := slices.ContainsFunc(catalog.Listens(*inst), func(l profiles.Listen) bool { return l.Name == at.name })
		if !listens || p.Published(at.name) || *at.had == *at.next {
			continue
		}
		p.Warnings = append(p.Warnings, fmt.Sprintf("%s port %d is taken on this host, and the container did not publish it: %d is used", at.name, *at.had, *at.next))
		*at.had = *at.next
	}
	if !ad.live() {
		return nil
	}
	if l, err := busy(catalog, *inst, func(l profiles.Listen) bool { return holds(l.Network, l.Port) }); err != nil {
		return withHint(usage(fmt.Errorf("adopting %s: %s port %d: %w, and it is not the container", p.record.Dir, l.Name, l.Port, err)),
			"ss -lnp 'sport = :%d' shows who has it; stop that, or change the port where the container is set up", l.Port)
	}
	return nil
}
