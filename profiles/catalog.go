package profiles

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
)

//go:embed roles/*.toml networks/*.toml variables/*.toml repositories.toml
var builtIn embed.FS

// Catalog is the roles, networks, variables and repositories that there are:
// those compiled in, and the operator's own. It does not change once it is
// loaded.
type Catalog struct {
	roles        []Role
	networks     []Network
	variables    []Variable
	repositories []Repository
	byName       map[string]*Variable

	ownRepositories bool // they are an operator's
}

// compiled decodes what is compiled in once, when it is first needed: it takes
// tens of milliseconds, and never changes.
var compiled = sync.OnceValue(func() Catalog {
	c, err := Catalog{}.with(builtIn)
	if err != nil {
		panic("profiles: built-in data: " + err.Error())
	}
	files, err := load[variableFile](builtIn, "variables")
	if err != nil {
		panic("profiles: built-in data: " + err.Error())
	}
	for _, f := range files {
		c.variables = append(c.variables, f.Variables...)
	}
	slices.SortFunc(c.variables, func(a, b Variable) int { return strings.Compare(a.Name, b.Name) })
	c.byName = map[string]*Variable{}
	for i := range c.variables {
		c.byName[c.variables[i].Name] = &c.variables[i]
	}
	found, err := decode[repositoryFile](builtIn, repositoriesFile)
	if err != nil {
		panic("profiles: built-in data: " + err.Error())
	}
	c.repositories = found.Repositories
	return c
})

// BuiltIn returns what is compiled in.
func BuiltIn() Catalog { return compiled() }

// Load returns what is compiled in together with the files of more trees, each
// with roles/NAME.toml, networks/NAME.toml and repositories.toml. A file replaces
// the one of its name in trees before it, whole. The error is one line that names
// the file and the key.
func Load(more ...fs.FS) (Catalog, error) {
	c := BuiltIn()
	for _, fsys := range more {
		var err error
		if c, err = c.with(fsys); err != nil {
			return Catalog{}, err
		}
		own, err := decode[repositoryFile](fsys, repositoriesFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return Catalog{}, err
		}
		c.repositories, c.ownRepositories = own.Repositories, true
	}
	return c, nil
}

// with returns the catalog with the roles and networks of a tree over its own.
func (c Catalog) with(fsys fs.FS) (Catalog, error) {
	roles, err := load[Role](fsys, "roles")
	if err != nil {
		return Catalog{}, err
	}
	networks, err := load[Network](fsys, "networks")
	if err != nil {
		return Catalog{}, err
	}
	c.roles = replace(c.roles, roles, func(r Role) string { return r.Name })
	c.networks = replace(c.networks, networks, func(n Network) string { return n.Name })
	return c, nil
}

// Strays returns what of an operator's tree Load does not read, as paths in it:
// what lies beside roles, networks and repositories.toml, or there and is no NAME.toml. A README
// is no mistake. A tree that is not there has none.
func Strays(fsys fs.FS) ([]string, error) {
	var list []string
	err := fs.WalkDir(fsys, ".", func(file string, d fs.DirEntry, err error) error {
		dir := path.Dir(file)
		switch {
		case errors.Is(err, fs.ErrNotExist) && file == ".":
			return nil
		case err != nil:
			return err
		case file == ".", file == repositoriesFile && !d.IsDir(), dir == "." && d.IsDir() && (file == "roles" || file == "networks"), strings.HasPrefix(path.Base(file), "README"):
			return nil
		case dir != "." && !d.IsDir() && path.Ext(file) == ".toml":
			return nil
		}
		list = append(list, file)
		if d.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing roles and networks: %w", err)
	}
	return list, nil
}

// replace puts newer items over older ones, sorted by name.
func replace[T any](older, newer []T, name func(T) string) []T {
	all := slices.Clone(older)
	for _, n := range newer {
		all = slices.DeleteFunc(all, func(o T) bool { return name(o) == name(n) })
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b T) int { return strings.Compare(name(a), name(b)) })
	return all
}

// Roles returns all roles, sorted by name.
func (c Catalog) Roles() []Role { return slices.Clone(c.roles) }

// Role returns a role. The error names those there are.
func (c Catalog) Role(name string) (Role, error) {
	return byName("role", name, c.roles, func(r Role) string { return r.Name })
}

// Networks returns all networks, sorted by name.
func (c Catalog) Networks() []Network { return slices.Clone(c.networks) }

// Network returns a network. The error names those there are.
func (c Catalog) Network(name string) (Network, error) {
	return byName("network", name, c.networks, func(n Network) string { return n.Name })
}

func byName[T any](what, name string, all []T, nameOf func(T) string) (T, error) {
	var known []string
	for _, item := range all {
		if nameOf(item) == name {
			return item, nil
		}
		known = append(known, nameOf(item))
	}
	var none T
	return none, unknown(what, name, known)
}

// unknown is the error for a name, or none, that is not among known.
func unknown(what, name string, known []string) error {
	slices.Sort(known)
	if name == "" {
		return fmt.Errorf("is missing: one of %s", strings.Join(known, ", "))
	}
	if near := nearest(name, known); near != "" {
		return fmt.Errorf("unknown %s %q: did you mean %s?", what, name, near)
	}
	return fmt.Errorf("unknown %s %q: known are %s", what, name, strings.Join(known, ", "))
}
