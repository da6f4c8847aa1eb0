package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/atomicfile"
	"github.com/aztec-spartan/aztec-spartan/units/notify"
)

const (
	// addressFile has the public address as it was seen last; its time is that
	// of the look.
	addressFile  = "/var/lib/aztec-spartan/address"
	addressEvery = time.Hour
)

// watchAddress looks once an hour whether peers are told another address than
// the host has, if config.toml asks for it. It returns whether one is to be
// applied.
func (a *app) watchAddress(ctx context.Context, c hostConfig) (apply bool, err error) {
	if !c.Network.WatchIP {
		return false, nil
	}
	if fi, err := os.Stat(a.path(addressFile)); err == nil && time.Since(fi.ModTime()) < addressEvery {
		return false, nil
	}
	names, err := a.instanceNames()
	if err != nil {
		return false, err
	}
	var errs []error
	asked := map[string]string{}
	for _, name := range names {
		inst, err := a.loadInstance(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		is, err := a.addressNow(ctx, inst, asked)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if is != "" && is != inst.P2P.IP {
			do := fmt.Sprintf("aztec-spartan config %s --ip %s --apply", name, is)
			if c.Network.ApplyIP {
				do, apply = "the node is restarted with it when it is not busy", true
			}
			e := a.event(notify.AddressChanged, name, fmt.Sprintf("peers are told %s, and the host's address is %s: %s", inst.P2P.IP, is, do))
			a.note("%s", e.Line())
			a.tellEvents(ctx, e)
		}
	}
	var text strings.Builder
	for _, is := range asked {
		text.WriteString(is + "\n")
	}
	if len(asked) > 0 {
		errs = append(errs, atomicfile.Write(a.path(addressFile), []byte(text.String()), 0o644))
	}
	return apply, errors.Join(errs...)
}

// addressNow is the public address of the kind that an instance tells its peers;
// "" if it tells them none, or finds it out itself.
func (a *app) addressNow(ctx context.Context, inst profiles.Instance, asked map[string]string) (string, error) {
	catalog, err := a.catalog()
	if err != nil || !catalog.P2PEnabled(inst) {
		return "", err
	}
	told, err := netip.ParseAddr(inst.P2P.IP)
	if err != nil || !told.IsGlobalUnicast() || told.IsPrivate() {
		return "", nil //nolint:nilerr // a name, or one of a local network
	}
	network := "tcp6"
	if told.Is4() {
		network = "tcp4"
	}
	if is, known := asked[network]; known {
		return is, nil
	}
	is, err := a.publicIP(ctx, network)
	if err == nil {
		asked[network] = is
	}
	return is, err
}
