package profiles

import (
	"fmt"
	"regexp"
	"slices"
)

// Repository is where images of a range of versions are.
type Repository struct {
	Name     string   `toml:"name"`     // registry and path, no tag
	Versions string   `toml:"versions"` // constraints of hashicorp/go-version, on the version's core
	Roles    []string `toml:"roles"`    // that may use it; none: all
	CRS      bool     `toml:"crs"`      // the image carries the reference string
}

type repositoryFile struct {
	Schema       int          `toml:"schema"`
	Repositories []Repository `toml:"repository"`
}

func (f *repositoryFile) named(string) {}

func (f *repositoryFile) check() error {
	for _, r := range f.Repositories {
		if err := r.check(); err != nil {
			return err
		}
	}
	return nil
}

// repositoryForm is a name as the OCI distribution specification has it, with
// a registry before it.
var repositoryForm = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9.-]{0,251}(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+$`)

func (r Repository) check() error {
	if !repositoryForm.MatchString(r.Name) {
		return at("repository.name", fmt.Errorf("%q: not of the form registry.example/path, without a tag", clip(r.Name)))
	}
	return at("repository.versions", checkRange(r.Versions))
}

// Repositories returns where the images of a version are that a role of a
// network may use: first the one that all roles can use, then those made for
// the role. A version that is not known is taken for newer than all. There is
// none for a role that nobody publishes images for.
func (c Catalog) Repositories(network, role, version string) []Repository {
	all := c.repositories
	if n, err := c.Network(network); err == nil && len(n.Repositories) > 0 {
		all = n.Repositories
	}
	e, _ := eraOf(version)
	var general, special []Repository
	for _, r := range all {
		if ok, err := e.within(r.Versions); err != nil || !ok {
			continue
		}
		switch {
		case len(r.Roles) == 0:
			general = append(general, r)
		case slices.Contains(r.Roles, role):
			special = append(special, r)
		}
	}
	return append(general, special...)
}
