package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/atomicfile"
)

// migrate rewrites the variables in [env] for the version. It refuses where a
// value would be lost that only the operator can put somewhere.
func (a *app) migrate(catalog profiles.Catalog, p *configPlan, f configFlags) error {
	if !f.migrate {
		return nil
	}
	if p.old == nil {
		return withHint(usage(fmt.Errorf("--migrate: there is no instance %s", p.inst.Name)), "it rewrites the variables of one that is there")
	}
	m := catalog.MigrateEnv(p.inst, p.version())
	fail := func(format string, args ...any) error {
		return usage(fmt.Errorf("migrating %s: %w", p.inst.Name, fmt.Errorf(format, args...)))
	}
	if len(m.Secrets) > 0 {
		var names []string
		for _, v := range m.Secrets {
			names = append(names, v.Name)
		}
		return withHint(fail("%s in [env] of instance.toml is secret", join(names)), "--key-file hands a key over; other secrets belong into %s with mode 0600", instancePath(p.inst.Name, localEnvFile))
	}
	if refused := m.Refused(); len(refused) > 0 {
		var lines []string
		for _, c := range refused {
			lines = append(lines, c.Name+": "+c.Reason)
		}
		return withHint(fail("%s", strings.Join(lines, "; ")), "--set NAME=VALUE corrects one, --unset NAME takes it back")
	}
	p.inst, p.migration = m.Instance, m.Changes
	return nil
}

// showMigration says what became of each variable.
func (a *app) showMigration(p *configPlan) {
	for _, c := range p.migration {
		if c.Action == profiles.Kept {
			continue
		}
		to := ""
		if c.To != "" {
			to = " -> " + c.To
		}
		a.note("%s%s (%s: %s)", c.Name, to, c.Action, c.Reason)
	}
}

// backup keeps instance.toml as it was before a migration, beside it.
func (a *app) backup(name string, now time.Time) error {
	data, err := os.ReadFile(a.path(instancePath(name, settingsFile)))
	if err != nil {
		return fmt.Errorf("keeping a copy of the settings of %s: %w", name, err)
	}
	path := instancePath(name, "instance.toml.bak-"+now.UTC().Format("20060102T150405Z"))
	if _, err := os.Lstat(a.path(path)); err == nil {
		return fmt.Errorf("keeping a copy of the settings of %s: %w", name, errors.New(path+" is there"))
	}
	if err := atomicfile.Write(a.path(path), data, 0o640); err != nil {
		return err
	}
	a.note("%s before: %s", instancePath(name, settingsFile), path)
	return nil
}
