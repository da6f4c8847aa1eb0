package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/atomicfile"
)

// instancePath is a file of an instance under /etc, as units name it.
func instancePath(name, file string) string { return filepath.Join(instanceDir, name, file) }

// instanceNames lists the instances of the host, sorted.
func (a *app) instanceNames() ([]string, error) {
	found, err := filepath.Glob(a.path(instancePath("*", "instance.toml")))
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(found))
	for _, f := range found {
		names = append(names, filepath.Base(filepath.Dir(f)))
	}
	slices.Sort(names)
	return names, nil
}

// loadInstance reads the settings of an instance. It fails with
// fs.ErrNotExist in its chain when there is no such instance.
func (a *app) loadInstance(name string) (profiles.Instance, error) {
	if err := profiles.ValidName(name); err != nil {
		return profiles.Instance{}, usage(err)
	}
	data, err := os.ReadFile(a.path(instancePath(name, "instance.toml")))
	if errors.Is(err, fs.ErrNotExist) {
		names, _ := a.instanceNames()
		err = usage(fmt.Errorf("instance %s: %w", name, errNoInstance{}))
		if len(names) > 0 {
			return profiles.Instance{}, withHint(err, "instances here: %s", strings.Join(names, ", "))
		}
		return profiles.Instance{}, withHint(err, "aztec-spartan config %s creates it", name)
	}
	if err != nil {
		return profiles.Instance{}, fmt.Errorf("reading instance %s: %w", name, err)
	}
	inst, err := profiles.ParseInstance(name, data)
	if err == nil {
		return inst, nil
	}
	err = fmt.Errorf("reading %s: %w", instancePath(name, "instance.toml"), err)
	if errors.Is(err, profiles.ErrSchema) {
		return profiles.Instance{}, err
	}
	return profiles.Instance{}, usage(err)
}

func (a *app) saveInstance(inst profiles.Instance) error {
	return atomicfile.Write(a.path(instancePath(inst.Name, "instance.toml")), inst.Encode(), 0o640)
}

// errNoInstance is fs.ErrNotExist in words that fit an instance.
type errNoInstance struct{}

func (errNoInstance) Error() string        { return "no such instance" }
func (errNoInstance) Is(target error) bool { return target == fs.ErrNotExist }

// unitOf is the unit of an instance.
func unitOf(inst profiles.Instance) (string, error) {
	role, err := profiles.RoleByName(inst.Role)
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

// selected returns the instances that the arguments mean, in order.
func (a *app) selected(names []string, all bool, none selection) ([]profiles.Instance, error) {
	if all && len(names) > 0 {
		return nil, usage(errors.New("--all and names of instances exclude each other"))
	}
	if len(names) == 0 {
		here, err := a.instanceNames()
		if err != nil {
			return nil, err
		}
		if len(here) > 1 && none == onlyInstance && !all {
			err := usage(fmt.Errorf("there are %d instances and none was named", len(here)))
			return nil, withHint(err, "name one of %s, or give --all", strings.Join(here, ", "))
		}
		names = here
	}
	if len(names) == 0 {
		return nil, withHint(usage(errors.New("there is no instance on this host")), "aztec-spartan config NAME creates one")
	}
	var list []profiles.Instance
	for _, name := range names {
		inst, err := a.loadInstance(name)
		if err != nil {
			return nil, err
		}
		list = append(list, inst)
	}
	return list, nil
}

// completeNames lets the shell complete names of instances.
func (a *app) completeNames(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	names, _ := a.instanceNames()
	return names, cobra.ShellCompDirectiveNoFileComp
}
