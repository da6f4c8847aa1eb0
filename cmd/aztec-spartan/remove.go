package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/charmbracelet/huh"
	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/units/atomicfile"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
)

// removed is what remove --json prints of an instance. Paths are the host's.
type removed struct {
	Instance string   `json:"instance"`
	Purged   bool     `json:"purged"`
	Removed  []string `json:"removed"`
	Kept     []string `json:"kept"`
}

type removeFlags struct{ all, purge, yes bool }

func (a *app) removeCommand() *cobra.Command {
	var f removeFlags
	cmd := &cobra.Command{
		Use:   "remove NAME...",
		Short: "Remove instances; their data and keys stay",
		Long: `Stop instances, and remove their units, their generations and their caches.

Data, keys, local.env and drop-ins of systemctl edit stay, and are named. The
settings stay too, as instance.toml.removed: config NAME makes the instance
again, with the data and the keys that it had. --purge deletes all of that and
the instance's user as well: it lists what will go, and asks; without a terminal
it wants --yes. Nothing brings keys back that have no copy elsewhere.

Images stay until gc. An instance whose roll is not finished is not removed. One
that must not sign, or that did not take over from docker, is removed with --purge
alone; data that a container uses where they are stay.`,
		Example: `  aztec-spartan remove val1
  aztec-spartan remove val1 --purge`,
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.needRoot("remove", false); err != nil {
				return err
			}
			if len(args) == 0 && !f.all {
				return withHint(usage(errors.New("remove: which instance?")), "aztec-spartan remove NAME; --all means every instance")
			}
			if f.yes && !f.purge {
				return usage(errors.New("remove: --yes is for --purge; nothing else asks"))
			}
			names, err := a.selected(args, f.all, onlyInstance)
			if err != nil {
				return err
			}
			for _, name := range names {
				if !a.leftOver(name) { // before a lock is made for a name that means nothing
					_, err := a.loadInstance(name)
					return err
				}
			}
			slices.Sort(names) // locks are taken in one order by everybody
			names = a.inOrder("stop", slices.Compact(names))
			return a.lockedAll(cmd.Context(), names, "remove", func() error { return a.removeAll(cmd.Context(), names, f) })
		},
	}
	cmd.Flags().BoolVar(&f.all, "all", false, "every instance")
	cmd.Flags().BoolVar(&f.purge, "purge", false, "delete data, keys, drop-ins and user, too")
	cmd.Flags().BoolVarP(&f.yes, "yes", "y", false, "with --purge: do not ask")
	return cmd
}

// leftOver reports whether anything of an instance is here: its settings, or
// what a remove left of it.
func (a *app) leftOver(name string) bool {
	for _, path := range []string{instancePath(name, ""), filepath.Join(stateDir, name), filepath.Join(dataRoot, name), sysusersFile(name)} {
		if exists(a.path(path)) {
			return true
		}
	}
	return false
}

// removeAll decides about all before anything of one is changed.
func (a *app) removeAll(ctx context.Context, names []string, f removeFlags) error {
	var plans []*removalPlan
	for _, name := range names {
		p, err := a.planRemoval(ctx, name, f.purge)
		if err != nil {
			return err
		}
		plans = append(plans, p)
	}
	a.warnDependents(names)
	if f.purge {
		if err := a.confirmPurge(ctx, plans, f.yes); err != nil {
			return err
		}
	}
	var m *manager.Manager
	if a.live() {
		var err error
		if m, err = connect(ctx); err != nil {
			return err
		}
		defer m.Close()
	}
	list := []removed{}
	for _, p := range plans {
		r, err := a.remove(ctx, m, p, f.purge)
		if err != nil {
			return withHint(fmt.Errorf("removing %s: %w", p.name, err), "the same command goes on where this one stopped")
		}
		list = append(list, r)
		if !a.json {
			a.printRemoved(r)
		}
	}
	if a.json {
		return a.printJSON(list)
	}
	return nil
}

// confirmPurge lists what will be gone for good, and asks.
func (a *app) confirmPurge(ctx context.Context, plans []*removalPlan, yes bool) error {
	var names []string
	for _, p := range plans {
		names = append(names, p.name)
		for _, path := range p.gone(true) {
			a.note("%s: %s (%s)", p.name, path, bytesOf(diskUsage(a.path(path))))
		}
		for _, key := range a.keysAtStake(ctx, p.name) {
			a.note("%s: keys of %s", p.name, key)
		}
	}
	switch {
	case yes:
		return nil
	case !a.terminal():
		return withHint(usage(fmt.Errorf("removing %s: without a terminal nobody can be asked; nothing was changed", strings.Join(names, ", "))), "--yes deletes all of the above")
	}
	sure := false
	cancelled := errors.New("remove: cancelled, nothing was changed")
	err := a.form(ctx, cancelled, huh.NewConfirm().Title("Delete all of this? Nothing brings it back.").Affirmative("Delete").Negative("Cancel").Value(&sure))
	if err == nil && !sure {
		err = cancelled
	}
	return err
}

// remove carries a plan out. The settings come last: until they are gone, the
// instance is there and the same command goes on.
func (a *app) remove(ctx context.Context, m *manager.Manager, p *removalPlan, purge bool) (removed, error) {
	r := removed{Instance: p.name, Purged: purge, Removed: []string{}, Kept: []string{}}
	if m != nil {
		if err := a.endInstance(ctx, m, p); err != nil {
			return r, err
		}
	}
	for _, path := range p.gone(purge) {
		if err := a.deleteTree(path); err != nil {
			return r, err
		}
		r.Removed = append(r.Removed, path)
	}
	if m != nil {
		if err := a.forgetInstance(ctx, m, p); err != nil {
			return r, err
		}
	}
	if purge {
		return r, a.dropUser(ctx, p.name)
	}
	r.Kept = append(append(r.Kept, p.data...), p.purge...)
	return r, a.asideSettings(p.name)
}

// endInstance stops what runs and disables it, as stop does.
func (a *app) endInstance(ctx context.Context, m *manager.Manager, p *removalPlan) error {
	if p.installed {
		if err := m.Disable(ctx, p.unit); err != nil {
			return err
		}
		if err := m.Stop(ctx, p.unit, a.waiting(p.unit, "stop")...); err != nil {
			return err
		}
	}
	if p.mount != "" {
		return m.Stop(ctx, filepath.Base(p.mount))
	}
	return nil
}

// forgetInstance has systemd and the firewall forget the instance.
func (a *app) forgetInstance(ctx context.Context, m *manager.Manager, p *removalPlan) error {
	if err := m.Reload(ctx); err != nil {
		return err
	}
	if p.unit != "" {
		if err := m.ResetFailed(ctx, p.unit); err != nil {
			return err
		}
	}
	if err := a.loadFirewall(ctx); err != nil {
		a.note("warning: %v", err) // ports that stay closed harm nobody
	}
	return nil
}

// asideSettings puts the settings where no verb looks for an instance.
func (a *app) asideSettings(name string) error {
	from := a.path(instancePath(name, settingsFile))
	err := os.Rename(from, a.path(instancePath(name, removedSettings)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(from))
}

func (a *app) printRemoved(r removed) {
	if r.Purged {
		a.print("removed %s, with its data and keys", r.Instance)
		return
	}
	a.print("removed %s", r.Instance)
	for _, path := range r.Kept {
		a.print("kept %s", path)
	}
	if len(r.Kept) > 0 {
		a.note("aztec-spartan config %s makes it again; remove %s --purge deletes what was kept", r.Instance, r.Instance)
	}
}
