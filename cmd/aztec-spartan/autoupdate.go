package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

const (
	updateTimer   = "aztec-update.timer"
	updateService = "aztec-update.service"
)

// autoUpdate is what auto-update --json prints.
type autoUpdate struct {
	Enabled   bool         `json:"enabled"` // at boot too
	Active    bool         `json:"active"`
	Next      *time.Time   `json:"next,omitempty"`
	Last      *time.Time   `json:"last,omitempty"`
	Result    string       `json:"result,omitempty"` // of the last run, systemd's word for it
	ExitCode  int32        `json:"exit_code"`        // of the last run
	Instances []autoPolicy `json:"instances"`
}

// autoPolicy is what holds for the unattended updates of an instance.
type autoPolicy struct {
	Name       string          `json:"name"`
	Version    string          `json:"version"`
	Policy     profiles.Update `json:"policy"`
	WindowOpen bool            `json:"window_open"`
	NextWindow *time.Time      `json:"next_window,omitempty"`
	Pin        *roll.Pin       `json:"pin,omitempty"`
}

func (a *app) autoUpdateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "auto-update",
		Short: "Switch unattended updates on or off",
		Long: `Switch the timer on or off that runs update --unattended once an hour, at a minute
that is this host's own: it is off until it is enabled. Which versions it takes,
and when, is the policy of each instance: [update] of instance.toml and
config.toml. Without a subcommand it says how things are.

A node that ends because its version is out of date (exit codes 78 and 79) has
it look at once.`,
		Example: `  aztec-spartan auto-update enable
  aztec-spartan auto-update status`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.autoUpdate(cmd.Context(), "status") },
	}
	for _, sub := range []struct{ verb, short string }{
		{"enable", "Update unattended from now on, and after each boot"},
		{"disable", "Update nothing unattended any more"},
		{"status", "Say whether and when updates are unattended, and by which policies"},
	} {
		cmd.AddCommand(&cobra.Command{
			Use: sub.verb, Short: sub.short, Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return a.autoUpdate(cmd.Context(), sub.verb) },
		})
	}
	return cmd
}

func (a *app) autoUpdate(ctx context.Context, verb string) error {
	if err := a.needRoot("auto-update "+verb, false); err != nil {
		return err
	}
	if !a.live() {
		return withCode(exitUnsupported, errors.New("auto-update: --root never talks to systemd"))
	}
	policies, err := a.autoPolicies(ctx)
	if err != nil && verb != "disable" {
		return err // a mistake that would be met in the night
	}
	m, err := connect(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	switch verb {
	case "enable":
		if err := m.Enable(ctx, updateTimer); err != nil {
			return err
		}
		if err := m.Start(ctx, updateTimer); err != nil {
			return err
		}
	case "disable":
		if err := m.Disable(ctx, updateTimer); err != nil {
			return err
		}
		if err := m.Stop(ctx, updateTimer); err != nil {
			return err
		}
	}
	u, err := readAutoUpdate(ctx, m)
	if err != nil {
		return err
	}
	u.Instances = policies
	if a.json {
		return a.printJSON(u)
	}
	a.printAutoUpdate(u, verb == "status")
	return nil
}

// autoPolicies finds mistakes in the policies of all instances.
func (a *app) autoPolicies(ctx context.Context) ([]autoPolicy, error) {
	list := []autoPolicy{}
	names, err := a.instanceNames()
	if err != nil {
		return list, err
	}
	for _, name := range names {
		inst, err := a.loadInstance(name)
		if err != nil {
			return list, err
		}
		state, meta, err := a.generations(inst)
		if err != nil {
			return list, err
		}
		p := autoPolicy{Name: name, Version: meta.Version, WindowOpen: true, Pin: state.Pin}
		if p.Policy, err = a.updateSettings(inst); err != nil {
			return list, err
		}
		if p.Policy.Window != "" {
			w, err := a.window(ctx, p.Policy, time.Now())
			if err != nil {
				return list, fmt.Errorf("the policy of %s: %w", name, err)
			}
			if p.WindowOpen = w.Open; !w.Next.IsZero() {
				p.NextWindow = &w.Next
			}
		}
		list = append(list, p)
	}
	return list, nil
}

func readAutoUpdate(ctx context.Context, m *manager.Manager) (autoUpdate, error) {
	timer, err := m.State(ctx, updateTimer)
	if err != nil {
		return autoUpdate{}, err
	}
	if timer.LoadState == "not-found" {
		return autoUpdate{}, withHint(fmt.Errorf("looking for %s: it is not on this host", updateTimer), "it is in the package of aztec-spartan")
	}
	service, err := m.State(ctx, updateService)
	if err != nil {
		return autoUpdate{}, err
	}
	u := autoUpdate{Active: timer.ActiveState == "active", Result: service.Result, ExitCode: service.ExecMainStatus}
	if u.Enabled, err = m.IsEnabled(ctx, updateTimer); err != nil {
		return u, err
	}
	if !timer.NextElapse.IsZero() && u.Active {
		u.Next = &timer.NextElapse
	}
	if !timer.LastTrigger.IsZero() {
		u.Last = &timer.LastTrigger
	}
	return u, nil
}

func (a *app) printAutoUpdate(u autoUpdate, all bool) {
	switch {
	case u.Active && u.Next != nil:
		a.print("auto-update is on; the next look is at %s", u.Next.Local().Format(time.DateTime))
	case u.Active:
		a.print("auto-update is on")
	case u.Enabled:
		a.print("auto-update is on from the next boot, and off now: systemctl start %s", updateTimer)
	default:
		a.print("auto-update is off")
	}
	if !all {
		return
	}
	if u.Last != nil {
		a.print("last look: %s, %s (exit code %d); journalctl -u %s says more", u.Last.Local().Format(time.DateTime), u.Result, u.ExitCode, updateService)
	}
	for _, p := range u.Instances {
		a.print("%s: %s", p.Name, p.words())
	}
}

// words says in one line what an instance takes.
func (p autoPolicy) words() string {
	text := orDefault(p.Version, "no version yet") + ", channel " + orDefault(p.Policy.Channel, profiles.Stable)
	if p.Policy.Constraint != "" {
		text += ", " + p.Policy.Constraint
	}
	if p.Policy.MinAge != "" && p.Policy.MinAge != "0" {
		text += ", " + p.Policy.MinAge + " old"
	}
	if until, err := profiles.ParseDate(p.Policy.HoldUntil); err == nil && time.Now().Before(until) {
		text += ", nothing before " + until.Local().Format(time.DateTime)
	}
	if p.Policy.Mode == profiles.NotifyMode {
		text += ", told only"
	}
	if p.Pin != nil {
		text += ", pinned to " + p.Pin.Version
	}
	switch {
	case p.Policy.Window != "" && p.WindowOpen:
		text += ", its window is open"
	case p.NextWindow != nil:
		text += ", its window opens at " + p.NextWindow.Local().Format(time.DateTime)
	case p.Policy.Window != "":
		text += ", its window never opens again"
	}
	return text
}
