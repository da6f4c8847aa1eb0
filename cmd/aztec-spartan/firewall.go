package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/firewall"
)

// firewallCommand is what aztec-firewall.service runs before nodes start.
func (a *app) firewallCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "firewall",
		Short: "Show what closes RPC and admin ports to other machines",
		Long: `Show the table of nftables that closes the RPC and admin ports of all instances
to other machines. This host reaches them, and so does who is in an instance's
allow = [...]: its RPC port, never the admin port. P2P ports stay open.

The table, inet aztec_spartan, stands beside those of ufw, firewalld and your
own. It is loaded before a node starts. Whoever flushes all tables, as most files
of rules do, flushes it, too; status and doctor say so, and aztec-watch.timer, if
enabled, or systemctl start aztec-firewall.service loads it again. In config.toml,
firewall = false under [network] does without it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ports, err := a.closedPorts(cmd.Context(), net.DefaultResolver.LookupNetIP)
			if err != nil {
				return err
			}
			a.print("%s", firewall.Script(ports))
			return nil
		},
	}
	cmd.AddCommand(&cobra.Command{
		Use:    "load",
		Short:  "Load the table",
		Hidden: true, // for aztec-firewall.service
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.needRoot("firewall load", false); err != nil {
				return err
			}
			if !a.live() {
				return withCode(exitUnsupported, errors.New("firewall load: --root never changes the host"))
			}
			return a.loadFirewall(cmd.Context())
		},
	})
	return cmd
}

// closePorts is loadFirewall for who is about to start a node.
func (a *app) closePorts(ctx context.Context) error {
	err := a.loadFirewall(ctx)
	if errors.Is(err, firewall.ErrUnavailable) {
		return withHint(withCode(exitUnsupported, fmt.Errorf("closing RPC and admin ports to other machines: %w", err)),
			"install nftables; or close the ports yourself and set firewall = false under [network] in %s", configFile)
	}
	return err
}

// loadFirewall makes the table what the units say, or removes it.
func (a *app) loadFirewall(ctx context.Context) error {
	config, err := a.hostConfig()
	if err != nil {
		return err
	}
	var ports []firewall.Port
	if config.Network.Firewall {
		if ports, err = a.closedPorts(ctx, net.DefaultResolver.LookupNetIP); err != nil {
			return err
		}
	}
	err = firewall.Load(ctx, ports)
	if len(ports) == 0 && errors.Is(err, firewall.ErrUnavailable) {
		return nil // nothing to close, and nothing that could be there
	}
	return err
}

// exposed is why other machines reach ports that are to be closed to them: nil
// where they do not, or config.toml leaves them to the operator.
func (a *app) exposed(ctx context.Context) error {
	table := a.table
	if table == nil {
		if !a.live() {
			return nil
		}
		table = firewall.Loaded
	}
	if c, err := a.hostConfig(); err == nil && !c.Network.Firewall {
		return nil
	}
	return table(ctx)
}

// keepClosed loads the table again where nodes run without it. Whoever reads rules
// from a file mostly flushes all others first, and no node starts after that.
func (a *app) keepClosed(ctx context.Context, all []status) error {
	if !slices.ContainsFunc(all, func(s status) bool { return s.Exposed != "" }) {
		return nil
	}
	a.note("RPC and admin ports are open to other machines: closing them")
	return a.loadFirewall(ctx)
}

// lookupIP is net.Resolver.LookupNetIP.
type lookupIP func(ctx context.Context, network, host string) ([]netip.Addr, error)

// closedPorts are those of all units, whether they run or not. Names are looked
// up within lookupTimeout in all: ports are open until the table is loaded, and
// aztec-firewall.service has TimeoutStartSec=.
func (a *app) closedPorts(ctx context.Context, lookup lookupIP) ([]firewall.Port, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	paths, err := a.unitFiles("*")
	if err != nil {
		return nil, err
	}
	var ports []firewall.Port
	for _, path := range paths {
		meta, err := a.files().Active(filepath.Base(path))
		// What a newer version of this program installed has these ports all the same.
		if newer := (*units.NewerSchemaError)(nil); err != nil && !errors.As(err, &newer) {
			a.note("warning: %v", err) // not one of ours; the others still count
			continue
		}
		if meta.RPCPort != 0 {
			ports = append(ports, firewall.Port{Number: meta.RPCPort, Owner: meta.Instance + " RPC", Allow: a.addresses(ctx, meta, lookup)})
		}
		if meta.AdminPort != 0 {
			ports = append(ports, firewall.Port{Number: meta.AdminPort, Owner: meta.Instance + " admin"})
		}
	}
	return ports, nil
}

// addresses are those of who may reach an instance's RPC port. A name that is not known today lets nobody in.
func (a *app) addresses(ctx context.Context, meta units.Meta, lookup lookupIP) []netip.Prefix {
	var list []netip.Prefix
	for _, who := range meta.Allow {
		if who == profiles.AllowAny {
			return []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)}
		}
		if p, err := netip.ParsePrefix(who); err == nil {
			list = append(list, p)
			continue
		}
		if ip, err := netip.ParseAddr(who); err == nil {
			list = append(list, netip.PrefixFrom(ip, ip.BitLen()))
			continue
		}
		found, err := lookup(ctx, "ip", who)
		if err != nil {
			a.note("warning: %s: allow: %v", meta.Instance, err)
		}
		slices.SortFunc(found, netip.Addr.Compare)
		for _, ip := range found {
			ip = ip.Unmap()
			list = append(list, netip.PrefixFrom(ip, ip.BitLen()))
		}
	}
	return list
}
