package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
)

// lookupTimeout bounds the look-up of one name for egress, and of all names that
// the firewall lets in.
const lookupTimeout = 10 * time.Second

// egress are the addresses and networks of whom an agent may talk to. A unit
// cannot hold names, so they are looked up whenever one is rendered; and who
// needs names has to ask servers for them.
func (a *app) egress(ctx context.Context, name string, list []string) ([]string, error) {
	var found []string
	named := false
	for _, who := range list {
		if prefix, err := netip.ParsePrefix(who); err == nil {
			found = append(found, prefix.String())
			continue
		}
		if ip, err := netip.ParseAddr(who); err == nil {
			found = append(found, ip.String())
			continue
		}
		named = true
		lookup, cancel := context.WithTimeout(ctx, lookupTimeout)
		ips, err := net.DefaultResolver.LookupNetIP(lookup, "ip", who)
		cancel()
		if err != nil {
			return nil, withHint(fmt.Errorf("configuring %s: egress: looking up %s: %w", name, who, err), "addresses in place of names need no looking up")
		}
		for _, ip := range ips {
			found = append(found, ip.Unmap().String())
		}
	}
	if named {
		servers, err := nameServers(a.path("/etc/resolv.conf"))
		if err != nil {
			return nil, fmt.Errorf("configuring %s: egress: %w", name, err)
		}
		found = append(found, servers...)
	}
	slices.Sort(found) // answers come in any order
	return slices.Compact(found), nil
}

// nameServers are those of resolv.conf(5).
func nameServers(path string) ([]string, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []string
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "nameserver" {
			continue
		}
		if ip, err := netip.ParseAddr(words[1]); err == nil {
			list = append(list, ip.WithZone("").String())
		}
	}
	return list, nil
}
