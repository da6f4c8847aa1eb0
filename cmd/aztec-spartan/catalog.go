package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/aztec-spartan/aztec-spartan/profiles"
)

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
