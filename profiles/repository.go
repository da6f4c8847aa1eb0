package profiles

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/go-version"
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
func (c Catalog) Repositories(network, role, release string) []Repository {
	all := c.repositories
	if n, err := c.Network(network); err == nil && len(n.Repositories) > 0 {
		all = n.Repositories
	}
	e, _ := eraOf(release)
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

// kin are the repositories of a network between which versions may have moved
// for who uses one of them: those that the same roles can use, with the reference
// string or without. There is none for one that is not listed; own is set if an
// operator lists them.
func (c Catalog) kin(network, repository string) (list []Repository, own bool) {
	all, own := c.repositories, c.ownRepositories
	if n, err := c.Network(network); err == nil && len(n.Repositories) > 0 {
		all, own = n.Repositories, true
	}
	i := slices.IndexFunc(all, func(r Repository) bool { return r.is(repository) })
	if i < 0 {
		return nil, own
	}
	for _, r := range all {
		if r.alike(all[i]) {
			list = append(list, r)
		}
	}
	return list, own
}

// alike reports whether the images of two repositories are for the same roles.
func (r Repository) alike(o Repository) bool {
	return r.CRS == o.CRS && slices.Equal(slices.Sorted(slices.Values(r.Roles)), slices.Sorted(slices.Values(o.Roles)))
}

// Home returns where a version is, for who uses a repository: if that is one
// between which versions of a network have moved, the one that has this version.
// Others have all versions.
func (c Catalog) Home(network, repository, release string) string {
	list, _ := c.kin(network, repository)
	e, _ := eraOf(release)
	for _, r := range list {
		if ok, err := e.within(r.Versions); err != nil || !ok {
			continue
		}
		if r.is(repository) {
			return repository
		}
		return r.Name
	}
	return repository
}

// OnlyOlder reports whether a repository is one between which versions of a
// network have moved, and what it has of them is all older than a version.
func (c Catalog) OnlyOlder(network, repository, release string) bool {
	list, _ := c.kin(network, repository)
	return len(list) > 0 && !slices.ContainsFunc(list, func(r Repository) bool { return r.is(repository) && r.after(release) })
}

// bound is a version as a range names it.
var bound = regexp.MustCompile(`[0-9]+(\.[0-9]+)*`)

// after reports whether the range has versions that are newer than a version.
// It begins and ends at what it names, or next to that.
func (r Repository) after(release string) bool {
	from, known := eraOf(release)
	if !known {
		return true
	}
	cores := []*version.Version{nil} // newer than all
	if v, err := ParseVersion(release); err == nil && v.Prerelease() != "" {
		cores = append(cores, from.core)
	}
	for _, name := range append(bound.FindAllString(r.Versions, -1), from.core.String()) {
		v, err := version.NewVersion(name)
		if err != nil {
			return true
		}
		n := v.Segments()
		next := version.Must(version.NewVersion(fmt.Sprintf("%d.%d.%d", n[0], n[1], n[2]+1)))
		for _, core := range []*version.Version{v, next} {
			if core.GreaterThan(from.core) {
				cores = append(cores, core)
			}
		}
	}
	return slices.ContainsFunc(cores, func(core *version.Version) bool {
		ok, err := era{core: core}.within(r.Versions)
		return ok || err != nil
	})
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
func (c Catalog) First(network, usual, release string) string {
	if n, err := c.Network(network); err == nil {
		for _, r := range n.Repositories {
			if len(r.Roles) == 0 {
				return c.Home(network, r.Name, release)
			}
		}
	}
	return c.Home(network, usual, release)
}

// Siblings returns the other repositories between which versions of a network
// have moved, none if repository is not one of them; own is set if an operator
// says so. Those of the program have no major version in common.
func (c Catalog) Siblings(network, repository string) (names []string, own bool) {
	list, own := c.kin(network, repository)
	for _, r := range list {
		if !r.is(repository) && !slices.Contains(names, r.Name) {
			names = append(names, r.Name)
		}
	}
	return names, own && len(list) > 0
}
