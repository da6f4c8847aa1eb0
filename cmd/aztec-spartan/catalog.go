package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/aztec-spartan/aztec-spartan/profiles"
)

const readThere = "roles and networks of your own are roles/NAME.toml and networks/NAME.toml there, and where images are is repositories.toml"

// warnStrays says what the operator wrote to no effect.
func (a *app) warnStrays() {
	strays, err := profiles.Strays(os.DirFS(a.path(profilesDir)))
	if err != nil {
		a.note("warning: %s: %v", profilesDir, err)
	}
	for _, file := range strays {
		a.note("warning: %s is not read: %s", filepath.Join(profilesDir, file), readThere)
	}
}

// catalog is the roles, networks and repositories of this host: those of the program, and
// the operator's own, which win.
func (a *app) catalog() (profiles.Catalog, error) {
	c, err := profiles.Load(os.DirFS(a.path(profilesDir)))
	if err == nil {
		return c, nil
	}
	err = fmt.Errorf("reading %s: %w", profilesDir, err)
	if errors.Is(err, profiles.ErrSchema) {
		return c, err
	}
	return c, withHint(usage(err), readThere)
}
