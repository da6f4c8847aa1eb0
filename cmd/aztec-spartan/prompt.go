package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/huh"

	// The terminal is asked nothing.
	_ "github.com/aztec-spartan/aztec-spartan/cmd/aztec-spartan/background"
	"github.com/aztec-spartan/aztec-spartan/profiles"
)

// errConfigCancelled is true of all questions of config: it writes after the
// last one.
var errConfigCancelled = errors.New("config: cancelled, nothing was changed")

// form asks questions on the terminal, one at a time: what is typed or pasted
// ahead cannot land in another field. Answers never reach a log; secrets are
// not echoed. Ctrl-C is the error cancelled, which says what was changed so far.
func (a *app) form(ctx context.Context, cancelled error, fields ...huh.Field) error {
	var groups []*huh.Group
	for _, f := range fields {
		groups = append(groups, huh.NewGroup(f))
	}
	f := huh.NewForm(groups...).
		// An interrupted program leaves its reader behind, on a closed file; one that quits waits for it.
		WithProgramOptions(tea.WithFilter(func(_ tea.Model, msg tea.Msg) tea.Msg {
			if _, ok := msg.(tea.InterruptMsg); ok {
				return tea.QuitMsg{}
			}
			return msg
		})).
		WithInput(a.in).WithOutput(a.err).
		WithTheme(huh.ThemeBase16()). // the terminal's own colours: nobody asks it which those are
		WithAccessible(accessible())
	err := f.RunWithContext(ctx)
	left := err == nil && !accessible() && f.State != huh.StateCompleted // by a signal
	if left || errors.Is(err, huh.ErrUserAborted) {
		return cancelled
	}
	return err
}

// accessible reports whether questions are to be plain lines: for screen
// readers, and terminals that cannot move their cursor.
func accessible() bool { return os.Getenv("TERM") == "dumb" || os.Getenv("ACCESSIBLE") != "" }

func (a *app) promptName(ctx context.Context) (string, error) {
	name := "val1"
	err := a.form(ctx, errConfigCancelled, typed("Name of the instance", "small letters, digits and dashes", &name, profiles.ValidName))
	return name, err
}

// promptRole asks what a new instance is to do, which decides how many there
// will be.
func (a *app) promptRole(ctx context.Context, name string, f *configFlags) error {
	if f.changed("role") || f.from != "" || !a.terminal() {
		return nil
	}
	if _, err := a.loadInstance(name); !errors.Is(err, fs.ErrNotExist) {
		return nil // what is wrong with it is said where it is needed
	}
	catalog, err := a.catalog()
	if err != nil {
		return err
	}
	f.role = "sequencer"
	var options []huh.Option[string]
	for _, r := range catalog.Roles() {
		at := len(options)
		if r.Name == f.role {
			at = 0 // what most want comes first
		}
		options = slices.Insert(options, at, huh.NewOption(r.Name+": "+r.Description, r.Name))
	}
	options = append(options, huh.NewOption("prover: a broker and a prover node together", roleProver))
	if err := a.form(ctx, errConfigCancelled, huh.NewSelect[string]().Title("Role").Options(options...).Value(&f.role)); err != nil {
		return err
	}
	f.answered("role")
	return nil
}

// answered takes the answer to a question for a flag that was given.
func (f *configFlags) answered(flag string) {
	changed := f.changed
	f.changed = func(name string) bool { return name == flag || changed(name) }
}

// confirm asks before what was asked for is written, after the difference was
// shown. Flags are their own consent.
func (a *app) confirm(ctx context.Context, plans []*configPlan) error {
	var names []string
	for _, p := range plans {
		if p.asked {
			names = append(names, fmt.Sprintf("%s (%s, %s, %s)", p.inst.Name, p.inst.Role, p.inst.Network, orDefault(p.version(), p.inst.Image)))
		}
	}
	if len(names) == 0 {
		return nil
	}
	yes := true
	err := a.form(ctx, errConfigCancelled, huh.NewConfirm().Title("Write "+join(names)+"?").Affirmative("Write").Negative("Cancel").Value(&yes))
	if err == nil && !yes {
		err = errConfigCancelled
	}
	return err
}

// asks reports whether config asks questions: about a new instance, and about
// one that is there if no flag says what to change. Edits of instance.toml say
// it, too.
func (a *app) asks(old *profiles.Instance, f configFlags) (bool, error) {
	if !a.terminal() || old == nil || !f.bare {
		return a.terminal() && old == nil, nil
	}
	if _, err := a.unitOf(*old); err != nil {
		return false, nil //nolint:nilerr // its role is judged with its other settings
	}
	_, meta, err := a.generations(*old)
	if err != nil {
		return false, err
	}
	edited, err := a.edited(*old, meta.Generation)
	if edited {
		a.note("%s was edited: nothing is asked", instancePath(old.Name, settingsFile))
	}
	return !edited, err
}

// promptInstance asks for what a new instance needs and the flags do not say.
// Of one that is there, old, it asks the same, except what makes it another
// one, with what it has as answers.
func (a *app) promptInstance(ctx context.Context, old, inst *profiles.Instance, f *configFlags, sec secrets) error {
	if old == nil {
		if err := a.promptVersion(ctx, inst, f); err != nil {
			return err
		}
	}
	catalog, err := a.catalog()
	if err != nil {
		return err
	}
	q := &questions{old: old, inst: inst, flags: f, catalog: catalog, proposed: map[*string]string{}}
	if q.network, err = catalog.Network(inst.Network); err != nil {
		return usage(err)
	}
	if q.role, err = catalog.Role(inst.Role); err != nil {
		return usage(err)
	}
	q.askL1()
	q.askAddress(func() (string, error) { return a.detectIP(ctx) })
	q.askProver()
	q.askPorts(a.live())
	q.askDataDir()
	q.askKey(sec)
	if len(q.fields) == 0 {
		return nil
	}
	if err := a.form(ctx, errConfigCancelled, q.fields...); err != nil {
		return err
	}
	return q.takeOver()
}

// promptVersion asks for what decides which other questions there are.
func (a *app) promptVersion(ctx context.Context, inst *profiles.Instance, f *configFlags) error {
	catalog, err := a.catalog()
	if err != nil {
		return err
	}
	var fields []huh.Field
	if !f.changed("network") {
		var options []huh.Option[string]
		for _, n := range catalog.Networks() {
			options = append(options, huh.NewOption(n.Name+": "+n.Description, n.Name))
		}
		if inst.Network == "" {
			inst.Network = "mainnet"
		}
		fields = append(fields, huh.NewSelect[string]().Title("Network").Options(options...).Value(&inst.Network))
	}
	if !f.changed("image") && !f.changed("version") {
		description := "such as 4.1.2, or a whole image reference"
		if newest := a.newestRelease(ctx, f.noPull); newest != "" {
			description += "; the newest release is " + newest
		}
		fields = append(fields, typed("Version", description, &inst.Image, func(s string) error {
			if s = strings.TrimSpace(s); s == "" {
				return errors.New("must not be empty")
			}
			_, err := a.reference("", s)
			return err
		}))
	}
	if len(fields) > 0 {
		if err := a.form(ctx, errConfigCancelled, fields...); err != nil {
			return err
		}
	}
	return a.promptBootnode(ctx, catalog, inst, f)
}

// promptBootnode asks, where it is not known what a network is, for somebody
// who knows.
func (a *app) promptBootnode(ctx context.Context, catalog profiles.Catalog, inst *profiles.Instance, f *configFlags) error {
	network, err1 := catalog.Network(inst.Network)
	role, err2 := catalog.Role(inst.Role)
	if err1 != nil || err2 != nil || network.L1ChainID != 0 || !role.L1 || f.changed("bootnode-url") || f.changed("l1-chain-id") {
		return nil // what is wrong is said with the other settings
	}
	err := a.form(ctx, errConfigCancelled, typed("Bootnode", "URL of a node that knows the network; empty: none", &f.bootnode, orEmpty(profiles.ValidURL)))
	if f.bootnode != "" {
		f.answered("bootnode-url")
	}
	return err
}
