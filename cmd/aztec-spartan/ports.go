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
	mine := catalog.Listens(inst)
	for _, name := range names {
		if name == inst.Name {
			continue
		}
		other, err := a.loadInstance(name)
		if err != nil {
			a.note("warning: the ports of %s are not known: %v", name, err)
			continue
		}
		for _, l := range catalog.Listens(other) {
			for _, m := range mine {
				if l.Port == m.Port && l.Network == m.Network {
					err := usage(fmt.Errorf("configuring %s: %s port %d is instance %s's", inst.Name, m.Name, m.Port, name))
					return withHint(err, "choose another with --%s", portFlag(m))
				}
			}
		}
	}
	if !a.live() {
		return nil
	}
	for _, m := range mine {
		if slices.ContainsFunc(held, func(h profiles.Listen) bool { return h.Network == m.Network && h.Port == m.Port }) {
			continue
		}
		if err := free(m.Network, m.Port); err != nil {
			err := usage(fmt.Errorf("configuring %s: %s port %d: %w", inst.Name, m.Name, m.Port, err))
			return withHint(err, "ss -lnp 'sport = :%d' shows who has it; choose another with --%s", m.Port, portFlag(m))
		}
	}
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
