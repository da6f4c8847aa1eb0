package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/units/atomicfile"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

const (
	addressUnit = "aztec-address.service"
	// addressAgain is how long an address that did not hold is not tried again.
	addressAgain = 24 * time.Hour
)

// addressCommand is what aztec-address.service runs: aztec-watch.service, which
// has seen a new address, has neither the time for a roll nor its rights.
func (a *app) addressCommand() *cobra.Command {
	return &cobra.Command{
		Use: "address", Short: "Restart nodes with a new public address", Hidden: true, // for aztec-address.service
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.needRoot("address", false); err != nil {
				return err
			}
			if !a.live() {
				return withCode(exitUnsupported, errors.New("address: --root never talks to systemd"))
			}
			return a.applyAddresses(cmd.Context(), a.configAll)
		},
	}
}

// configures changes an instance as config does.
type configures func(ctx context.Context, name string, f configFlags) error

// startAddress does not wait: a roll may wait for a node that is busy.
func (a *app) startAddress(ctx context.Context) {
	m, err := connect(ctx)
	if err == nil {
		defer m.Close()
		err = m.StartNoWait(ctx, addressUnit)
	}
	if err != nil {
		a.note("warning: the new address is not applied now: %v", err)
	}
}

// applyAddresses asks for the public address anew, and gives it to one instance
// after the other. One that fails ends it: what keeps a node from coming up
// with its address mostly keeps the others, too.
func (a *app) applyAddresses(ctx context.Context, config configures) error {
	c, err := a.hostConfig()
	if err != nil || !c.Network.ApplyIP {
		return err
	}
	names, err := a.instanceNames()
	if err != nil {
		return err
	}
	asked := map[string]string{}
	for _, name := range a.inOrder("update", names) {
		if err := a.applyAddress(ctx, name, asked, config); err != nil {
			return err
		}
	}
	return nil
}

// applyAddress has an instance tell its peers the address that the host has, by
// config --apply: the roll waits for a node that is busy, and gives up if it
// stays so; the next look tries again.
func (a *app) applyAddress(ctx context.Context, name string, asked map[string]string, config configures) error {
	inst, err := a.loadInstance(name)
	if err != nil {
		return err
	}
	is, err := a.addressNow(ctx, inst, asked)
	if err != nil || is == "" || is == inst.P2P.IP {
		return err
	}
	state, meta, err := a.generations(inst)
	if err != nil {
		return err
	}
	if edited, err := a.edited(inst, meta.Generation); err != nil || edited {
		if err == nil {
			a.note("%s keeps the address %s: its instance.toml has changes that are not applied, and config applies them with it", name, inst.P2P.IP)
		}
		return err
	}
	if a.addressFailed(name, is) {
		a.note("%s keeps the address %s: it did not run with %s; aztec-spartan config %s --ip %s --apply tries that again", name, inst.P2P.IP, is, name, is)
		return nil
	}
	f := configFlags{ip: is, applies: true, noPull: true, unattended: true}
	f.changed = func(flag string) bool { return flag == "ip" || flag == "apply" || flag == "no-pull" }
	err = config(ctx, name, f)
	if now, lerr := a.files().Load(name); err != nil && lerr == nil && now.LastRoll != nil && decided(now, state.LastRoll) {
		switch now.LastRoll.Result {
		case roll.Busy:
			a.note("%s keeps the address %s for now: %s", name, inst.P2P.IP, now.LastRoll.Reason)
			return nil
		case roll.RolledBack, roll.Failed:
			a.noteAddressFailed(name, is)
		}
	}
	return err
}

// failedAddressPath is a file with the address with which a node did not come
// up; its time is that of the attempt.
func (a *app) failedAddressPath(name string) string {
	return a.path(filepath.Join(stateDir, name, "address-failed"))
}

func (a *app) noteAddressFailed(name, address string) {
	if err := atomicfile.Write(a.failedAddressPath(name), []byte(address+"\n"), 0o600); err != nil {
		a.note("warning: %v", err)
	}
}

// addressFailed reports whether an address was tried within the last day, and
// did not hold. What cannot be read counts as tried: a node is not restarted
// every hour for it.
func (a *app) addressFailed(name, address string) bool {
	path := a.failedAddressPath(name)
	fi, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	data, rerr := os.ReadFile(path)
	if err := errors.Join(err, rerr); err != nil {
		a.note("warning: %v", fmt.Errorf("looking whether an address was tried: %w", err))
		return true
	}
	return strings.TrimSpace(string(data)) == address && time.Since(fi.ModTime()) < addressAgain
}
