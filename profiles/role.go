package profiles

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/aztec-spartan/aztec-spartan/profiles/envfile"
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
	L1          bool      `toml:"l1"`       // it reads or writes L1
	Data        bool      `toml:"data"`     // it keeps data between starts
	Proves      bool      `toml:"proves"`   // it computes proofs, and wants the whole reference string
	Prover      bool      `toml:"prover"`   // it is a part of a prover, so [prover] concerns it
	Keys        bool      `toml:"keys"`     // it signs, so it needs a key
	Secrets     []Secret  `toml:"secret"`   // how it gets its keys
	Defaults    []Default `toml:"default"`  // variables, unless something else sets them
	Resources   Resources `toml:"resources"`
	Commands    []Command `toml:"command"` // oldest versions first
}

// Command is the command line of a role for a range of versions.
type Command struct {
	Versions  string   `toml:"versions"`  // constraints of hashicorp/go-version, on the version's core
	Args      []string `toml:"args"`      // after the image's entry point
	Network   bool     `toml:"network"`   // --network NAME follows
	Namespace string   `toml:"namespace"` // prefix of the JSON-RPC methods
}

// Secret is how a range of versions gets its keys: in variables, or in a
// keystore whose path is in one.
type Secret struct {
	Versions  string   `toml:"versions"`
	Variables []string `toml:"variables"`
	Keystore  string   `toml:"keystore"`
}

// Default is the value of a variable for a range of versions.
type Default struct {
	Versions string `toml:"versions"`
	Name     string `toml:"name"`
	Value    string `toml:"value"`
}

// StopTimeout is how long the role may take to stop.
func (r Role) StopTimeout() time.Duration { return time.Duration(r.StopSeconds) * time.Second }

// Listens reports whether the role listens on a port: rpc, admin, p2p.
func (r Role) Listens(port string) bool { return slices.Contains(r.Ports, port) }

// P2P reports whether the role has peers.
func (r Role) P2P() bool { return r.Listens("p2p") }

// Needs reports whether the role needs a setting, such as l1.rpc, where the
// network does.
func (r Role) Needs(setting string) bool { return slices.Contains(r.Required, setting) }

// prefixForm and sliceForm are names that systemd takes and nothing else on a
// host has. Units of ours are found by aztec-*@.
var (
	prefixForm = regexp.MustCompile(`^aztec-[a-z0-9]{1,24}(-[a-z0-9]{1,24}){0,3}$`)
	sliceForm  = regexp.MustCompile(`^[a-z0-9]{1,24}(-[a-z0-9]{1,24}){0,3}\.slice$`)
	roleForm   = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
)

// reservedPrefixes are those of units that this program has besides.
var reservedPrefixes = []string{
	"aztec-address", "aztec-crs", "aztec-failure", "aztec-firewall", "aztec-gate", "aztec-notify", "aztec-operator",
	"aztec-recover", "aztec-resolv", "aztec-roll", "aztec-update", "aztec-watch",
}

// requirable are the settings that a role may need.
var requirable = []string{"l1.rpc", "l1.consensus", "p2p.ip", "prover.broker", "prover.id", "registry_address"}

func (r *Role) named(name string) { r.Name = name }

func (r *Role) check() error {
	bad := func(key, format string, args ...any) error { return at(key, fmt.Errorf(format, args...)) }
	switch {
	case !roleForm.MatchString(r.Name):
		return bad("name", "%q: a role's file is named by a-z, 0-9 and -, a letter first", clip(r.Name))
	case !prefixForm.MatchString(r.UnitPrefix):
		return bad("unit_prefix", "%q: aztec-, then a-z, 0-9 and -", clip(r.UnitPrefix))
	case slices.Contains(reservedPrefixes, r.UnitPrefix):
		return bad("unit_prefix", "%s is another unit's of this program", r.UnitPrefix)
	case !sliceForm.MatchString(r.Slice):
		return bad("slice", "%q: a-z, 0-9 and -, then .slice", clip(r.Slice))
	case r.StopSeconds < 1 || r.StopSeconds > 3600:
		return bad("stop_timeout", "%d: not between 1 and 3600 seconds", r.StopSeconds)
	case len(r.Commands) == 0:
		return bad("command", "is missing: a role has at least one command line")
	case r.Keys && len(r.Secrets) == 0:
		return bad("secret", "is missing: how does the role get its keys?")
	}
	if err := at("description", checkLine(r.Description)); err != nil {
		return err
	}
	for _, p := range r.Ports {
		if !slices.Contains(portNames, p) {
			return at("ports", unknown("port", clip(p), slices.Clone(portNames)))
		}
	}
	for _, s := range r.Required {
		if !slices.Contains(requirable, s) {
			return at("required", unknown("setting", clip(s), slices.Clone(requirable)))
		}
	}
	if err := r.Resources.check(); err != nil {
		return err
	}
	for _, c := range r.Commands {
		if err := c.check(); err != nil {
			return err
		}
	}
	for _, s := range r.Secrets {
		if err := s.check(); err != nil {
			return err
		}
	}
	for _, d := range r.Defaults {
		if err := d.check("default"); err != nil {
			return err
		}
	}
	return nil
}

func (c Command) check() error {
	if err := at("command.versions", checkRange(c.Versions)); err != nil {
		return err
	}
	if len(c.Args) == 0 {
		return at("command.args", errors.New("is missing"))
	}
	for _, a := range c.Args {
		if a == "" || strings.ContainsFunc(a, unicode.IsControl) || envfile.CheckValue(a) != nil {
			return at("command.args", fmt.Errorf("%q: not an argument for a unit file", clip(a)))
		}
	}
	if strings.Trim(c.Namespace, letters) != "" {
		return at("command.namespace", fmt.Errorf("%q: not a word", clip(c.Namespace)))
	}
	return nil
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

func (s Secret) check() error {
	if err := at("secret.versions", checkRange(s.Versions)); err != nil {
		return err
	}
	if (s.Keystore == "") == (len(s.Variables) == 0) {
		return at("secret", errors.New("either variables or keystore"))
	}
	for _, name := range append(slices.Clone(s.Variables), s.Keystore) {
		if name != "" && envfile.CheckName(name) != nil {
			return at("secret", fmt.Errorf("%q is not the name of a variable", clip(name)))
		}
	}
	return nil
}

func (d Default) check(key string) error {
	switch {
	case checkRange(d.Versions) != nil:
		return at(key+".versions", checkRange(d.Versions))
	case envfile.CheckName(d.Name) != nil:
		return at(key+".name", fmt.Errorf("%q is not the name of a variable", clip(d.Name)))
	case d.Value == "":
		return at(key+".value", errors.New("is missing: an empty value is not the same as none to the node"))
	case strings.ContainsFunc(d.Value, unprintable):
		return at(key+".value", errors.New("contains a control character"))
	}
	return at(key+".value", envfile.CheckValue(d.Value))
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

// secret is how a version gets its keys; ok is false if it does not.
func (r Role) secret(e era) (s Secret, ok bool) {
	for _, s := range slices.Backward(r.Secrets) {
		if ok, err := e.within(s.Versions); err == nil && ok {
			return s, true
		}
	}
	return Secret{}, false
}
