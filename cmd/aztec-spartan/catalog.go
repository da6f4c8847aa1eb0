package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/aztec-spartan/aztec-spartan/profiles"
)

// warnStrays says what the operator wrote to no effect.
func (a *app) warnStrays() {
	strays, err := profiles.Strays(os.DirFS(a.path(profilesDir)))
	if err != nil {
		a.note("warning: %s: %v", profilesDir, err)
	}
	for _, file := range strays {
		a.note("warning: %s is not read: roles and networks of your own are roles/NAME.toml and networks/NAME.toml there", filepath.Join(profilesDir, file))
	}
}

// catalog is the roles and networks of this host: those of the program, and
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
	return c, withHint(usage(err), "roles and networks of your own are roles/NAME.toml and networks/NAME.toml there")
}
