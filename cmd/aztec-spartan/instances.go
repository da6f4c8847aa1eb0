package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/atomicfile"
)

// Files of an instance under /etc; those of secrets are beside them.
const (
	settingsFile = "instance.toml"
	localEnvFile = "local.env" // the operator's own variables
)

// instancePath is a file of an instance under /etc, as units name it.
func instancePath(name, file string) string { return filepath.Join(instanceDir, name, file) }

// instanceNames lists the instances of the host, sorted.
func (a *app) instanceNames() ([]string, error) {
	found, err := os.ReadDir(a.path(instanceDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listing instances: %w", err)
	}
	var names []string
	for _, f := range found {
		if !f.IsDir() || profiles.ValidName(f.Name()) != nil {
			continue
		}
		// What cannot be looked into is an instance that is not ours to see.
		if _, err := os.Stat(a.path(instancePath(f.Name(), settingsFile))); !errors.Is(err, fs.ErrNotExist) {
			names = append(names, f.Name())
		}
	}
	return names, nil
}

// loadInstance reads the settings of an instance. It fails with
// fs.ErrNotExist in its chain when there is no such instance.
func (a *app) loadInstance(name string) (profiles.Instance, error) {
	if err := profiles.ValidName(name); err != nil {
		return profiles.Instance{}, usage(err)
	}
	data, err := os.ReadFile(a.path(instancePath(name, settingsFile)))
	if errors.Is(err, fs.ErrNotExist) {
		names, _ := a.instanceNames()
		err = usage(fmt.Errorf("instance %s: %w", name, errNoInstance{}))
		if len(names) > 0 {
			return profiles.Instance{}, withHint(err, "instances here: %s", strings.Join(names, ", "))
		}
		return profiles.Instance{}, withHint(err, "aztec-spartan config %s creates it", name)
	}
	if errors.Is(err, fs.ErrPermission) {
		return profiles.Instance{}, withHint(fmt.Errorf("reading instance %s: %w", name, err), "only root may read its settings")
	}
	if err != nil {
		return profiles.Instance{}, fmt.Errorf("reading instance %s: %w", name, err)
	}
	inst, err := profiles.ParseInstance(name, data)
	if err == nil {
		return inst, nil
	}
	err = fmt.Errorf("reading %s: %w", instancePath(name, settingsFile), err)
	if errors.Is(err, profiles.ErrSchema) {
		return profiles.Instance{}, err
	}
	return profiles.Instance{}, usage(err)
}

func (a *app) saveInstance(inst profiles.Instance) error {
	return atomicfile.Write(a.path(instancePath(inst.Name, settingsFile)), inst.Encode(), 0o640)
}

// errNoInstance is fs.ErrNotExist in words that fit an instance.
type errNoInstance struct{}

func (errNoInstance) Error() string        { return "no such instance" }
func (errNoInstance) Is(target error) bool { return target == fs.ErrNotExist }

// unitOf is the unit of an instance.
func (a *app) unitOf(inst profiles.Instance) (string, error) {
	catalog, err := a.catalog()
	if err != nil {
		return "", err
	}
	role, err := catalog.Role(inst.Role)
	if err != nil {
		return "", usage(err)
	}
	return units.UnitName(role.UnitPrefix, inst.Name), nil
}

// selection says which instances a verb means when none is named.
type selection int

const (
	everyInstance selection = iota // all of them
	onlyInstance                   // the only one there is, else --all is needed
)

// selected returns the names of the instances that the arguments mean, in
// order.
func (a *app) selected(names []string, all bool, none selection) ([]string, error) {
	if all && len(names) > 0 {
		return nil, usage(errors.New("--all and names of instances exclude each other"))
	}
	for _, name := range names {
		if err := profiles.ValidName(name); err != nil {
			return nil, usage(err)
		}
	}
	if len(names) > 0 {
		return names, nil
	}
	names, err := a.instanceNames()
	if err != nil {
		return nil, err
	}
	switch {
	case len(names) == 0:
		return nil, withHint(usage(errors.New("there is no instance on this host")), "aztec-spartan config NAME creates one")
	case len(names) > 1 && none == onlyInstance && !all:
		err := usage(fmt.Errorf("there are %d instances and none was named", len(names)))
		return nil, withHint(err, "name one of %s, or give --all", strings.Join(names, ", "))
	}
	return names, nil
}

// installedUnit finds the unit of an instance by the units that are in place,
// which anybody may read and no mistake in instance.toml hides.
func (a *app) installedUnit(name string) (string, error) {
	found, err := a.unitFiles(name)
	if err != nil {
		return "", err
	}
	for _, f := range found {
		unit := filepath.Base(f)
		if meta, err := a.files().Active(unit); err == nil && meta.Instance == name {
			return unit, nil
		}
	}
	inst, err := a.loadInstance(name)
	if err != nil {
		return "", err
	}
	return a.unitOf(inst)
}

// unitFiles are the files of an instance's units that are in place, whatever its
// role is or was; * is every instance. Not all of them need be ours.
func (a *app) unitFiles(instance string) ([]string, error) {
	return filepath.Glob(a.path(filepath.Join(systemdDir, units.UnitName("aztec-*", instance))))
}

// completeNames lets the shell complete names of instances.
func (a *app) completeNames(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	names, _ := a.instanceNames()
	return names, cobra.ShellCompDirectiveNoFileComp
}
