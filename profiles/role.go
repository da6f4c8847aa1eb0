package profiles

import (
	"fmt"
	"io/fs"
	"slices"
	"time"
)

// Role is what an instance does in a network: a file in roles/.
type Role struct {
	Name        string    `toml:"-"` // of the file
	Schema      int       `toml:"schema"`
	Description string    `toml:"description"`
	UnitPrefix  string    `toml:"unit_prefix"` // aztec-sequencer of aztec-sequencer@val1.service
	Slice       string    `toml:"slice"`
	StopSeconds int       `toml:"stop_timeout"`
	Ports       []string  `toml:"ports"`    // it listens on: rpc, admin, p2p
	Required    []string  `toml:"required"` // settings it needs where the network does
	Keys        bool      `toml:"keys"`     // it signs, so it needs a key
	Commands    []Command `toml:"command"`  // oldest versions first
}

// Command is the command line of a role for a range of versions.
type Command struct {
	Versions  string   `toml:"versions"`  // constraints of hashicorp/go-version, on the version's core
	Args      []string `toml:"args"`      // after the image's entry point
	Network   bool     `toml:"network"`   // --network NAME follows
	Namespace string   `toml:"namespace"` // prefix of the JSON-RPC methods
}

// StopTimeout is how long the role may take to stop.
func (r Role) StopTimeout() time.Duration { return time.Duration(r.StopSeconds) * time.Second }

// Roles returns all roles, sorted by name.
func Roles() []Role { return must(roles(builtIn)) }

func roles(fsys fs.FS) ([]Role, error) {
	names, list, err := load[Role](fsys, "roles")
	for i := range list {
		list[i].Name = names[i]
	}
	return list, err
}

// RoleByName returns a role. The error names those there are.
func RoleByName(name string) (Role, error) {
	var known []string
	for _, r := range Roles() {
		if r.Name == name {
			return r, nil
		}
		known = append(known, r.Name)
	}
	return Role{}, unknown("role", name, known)
}

// command is the command line for a version.
func (r Role) command(e era) (Command, error) {
	for _, c := range slices.Backward(r.Commands) {
		ok, err := e.within(c.Versions)
		if err != nil {
			return Command{}, fmt.Errorf("role %s: %w", r.Name, err)
		}
		if ok {
			return c, nil
		}
	}
	return Command{}, fmt.Errorf("role %s: there is no command line for version %s", r.Name, e)
}
