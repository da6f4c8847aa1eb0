package profiles

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Repository is where images of a range of versions are.
type Repository struct {
	Name     string   `toml:"name"`     // registry and path, no tag
	Versions string   `toml:"versions"` // constraints of hashicorp/go-version, on the version's core
	Roles    []string `toml:"roles"`    // that may use it; none: all
	CRS      bool     `toml:"crs"`      // the image carries the reference string
}

// repositoriesFile says where the images of all networks are.
const repositoriesFile = "repositories.toml"

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

// general are the repositories of a network that all roles can use, and whether
// the operator names them.
func (c Catalog) general(network string) (list []Repository, own bool) {
	all, own := c.repositories, c.ownRepositories
	if n, err := c.Network(network); err == nil && len(n.Repositories) > 0 {
		all, own = n.Repositories, true
	}
	for _, r := range all {
		if len(r.Roles) == 0 {
			list = append(list, r)
		}
	}
	return list, own
}

// Home returns where a version is, for who uses a repository: if that is one
// between which versions of a network have moved, the one that has this version.
// Others have all versions.
func (c Catalog) Home(network, repository, version string) string {
	list, _ := c.general(network)
	if !slices.ContainsFunc(list, func(r Repository) bool { return r.is(repository) }) {
		return repository
	}
	if now := c.Repositories(network, "", version); len(now) > 0 && !now[0].is(repository) {
		return now[0].Name
	}
	return repository
}

// is reports whether a name means the repository: docker knows images of Docker
// Hub, and so names what adopt takes over, without a registry.
func (r Repository) is(name string) bool { return fullName(r.Name) == fullName(name) }

func fullName(name string) string {
	const hub = "docker.io"
	registry, path, ok := strings.Cut(name, "/")
	switch {
	case !ok || !strings.ContainsAny(registry, ".:") && registry != "localhost":
		return hub + "/" + name
	case registry == "index.docker.io":
		return hub + "/" + path
	}
	return name
}

// First returns the repository in which a version of a network is looked for,
// unless another is asked for: what a network says goes before usual.
func (c Catalog) First(network, usual, version string) string {
	if n, err := c.Network(network); err == nil {
		for _, r := range n.Repositories {
			if len(r.Roles) == 0 {
				return c.Home(network, r.Name, version)
			}
		}
	}
	return c.Home(network, usual, version)
}

// Siblings returns the other repositories between which versions of a network
// have moved, none if repository is not one of them; own is set if an operator
// says so. Those of the program have no major version in common.
func (c Catalog) Siblings(network, repository string) (names []string, own bool) {
	list, own := c.general(network)
	known := false
	for _, r := range list {
		known = known || r.is(repository)
		if !r.is(repository) && !slices.Contains(names, r.Name) {
			names = append(names, r.Name)
		}
	}
	if !known {
		return nil, false
	}
	return names, own
}
