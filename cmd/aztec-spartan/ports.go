package main

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"syscall"

	"github.com/aztec-spartan/aztec-spartan/profiles"
)

// checkPorts refuses ports that another instance has, and those that anything
// else on this host listens on: the node would find out after all its start-up
// work. held are the ports that the instance itself listens on.
func (a *app) checkPorts(inst profiles.Instance, held []profiles.Listen) error {
	names, err := a.instanceNames()
	if err != nil {
		return err
	}
	catalog, err := a.catalog()
	if err != nil {
		return err
	}
	var others []profiles.Tenant
	for _, name := range names {
		other, err := a.loadInstance(name)
		if err != nil {
			a.note("warning: the ports of %s are not known: %v", name, err)
			continue
		}
		others = append(others, profiles.Tenant{Instance: other})
	}
	if err := checkCollisions(catalog, profiles.Tenant{Instance: inst}, others); err != nil {
		return err
	}
	return a.checkKernel(catalog, inst, held)
}

// checkKernel asks the kernel whether anything listens on the ports.
func (a *app) checkKernel(catalog profiles.Catalog, inst profiles.Instance, held []profiles.Listen) error {
	if !a.live() {
		return nil
	}
	mine := func(l profiles.Listen) bool {
		return slices.ContainsFunc(held, func(h profiles.Listen) bool { return h.Network == l.Network && h.Port == l.Port })
	}
	if l, err := busy(catalog, inst, mine); err != nil {
		err := usage(fmt.Errorf("configuring %s: %s port %d: %w", inst.Name, l.Name, l.Port, err))
		return withHint(err, "ss -lnp 'sport = :%d' shows who has it; choose another with --%s", l.Port, portFlag(l))
	}
	return nil
}

// busy returns the first port of an instance that something listens on which
// is not mine.
func busy(catalog profiles.Catalog, inst profiles.Instance, mine func(profiles.Listen) bool) (profiles.Listen, error) {
	for _, l := range catalog.Listens(inst) {
		if mine(l) {
			continue
		}
		if err := free(l.Network, l.Port); err != nil {
			return l, err
		}
	}
	return profiles.Listen{}, nil
}

// proposePorts takes the next free ports for a new instance where no flag says
// which: those that no other instance has and nothing listens on.
func (a *app) proposePorts(catalog profiles.Catalog, inst *profiles.Instance, others []profiles.Instance, f configFlags) error {
	if _, err := catalog.Role(inst.Role); err != nil {
		return usage(fmt.Errorf("configuring %s: %w", inst.Name, err))
	}
	taken := func(network string, port int) bool { return a.live() && free(network, port) != nil }
	ports, err := catalog.FreePorts(*inst, others, taken)
	if err != nil {
		return usage(fmt.Errorf("configuring %s: %w", inst.Name, err))
	}
	for flag, p := range map[string]struct{ to, given *int }{
		"port": {&ports.RPC, &inst.Ports.RPC}, "admin-port": {&ports.Admin, &inst.Ports.Admin}, "p2p-port": {&ports.P2P, &inst.Ports.P2P},
	} {
		if f.changed(flag) {
			*p.to = *p.given // taken or not: what is asked for is not silently another
		}
	}
	inst.Ports = ports
	return nil
}

// portFlag is the flag of config that sets a port.
func portFlag(l profiles.Listen) string {
	if l.Name == "rpc" {
		return "port"
	}
	return l.Name + "-port"
}

var errPortTaken = errors.New("another program on this host listens there")

// free tries the port as the node will: on all interfaces.
func free(network string, port int) error {
	var err error
	addr := net.JoinHostPort("", strconv.Itoa(port))
	if network == "udp" {
		var c net.PacketConn
		if c, err = net.ListenPacket(network, addr); err == nil {
			return c.Close()
		}
	} else {
		var l net.Listener
		if l, err = net.Listen(network, addr); err == nil {
			return l.Close()
		}
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return errPortTaken
	}
	return err
}
