package profiles

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aztec-spartan/aztec-spartan/profiles/envfile"
)

// Variable is what is known about a variable of the node: an entry of the
// files in variables/.
type Variable struct {
	Name        string   `toml:"name"`
	Description string   `toml:"description"`
	Type        Type     `toml:"type"`
	Default     string   `toml:"default"`    // the node's own, newest version; "": none
	Roles       []string `toml:"roles"`      // that read it; none: all
	Since       string   `toml:"since"`      // release that brought it; "": older than all
	Until       string   `toml:"until"`      // first release without it; "": the newest has it
	Superseded  string   `toml:"superseded"` // release since which Successor is better, though it is read
	Successor   string   `toml:"successor"`  // variable that replaced it
	Fate        string   `toml:"fate"`       // what became of it, in words
	Setting     string   `toml:"setting"`    // key of instance.toml that sets it
	Flag        string   `toml:"flag"`       // of config that sets it
	Owned       string   `toml:"owned"`      // why only this program sets it
	Reserved    bool     `toml:"reserved"`   // only Setting sets it, since more follows from it
	Consensus   bool     `toml:"consensus"`  // a network fixes it for all its nodes
	Secret      bool     `toml:"secret"`
	Foreign     bool     `toml:"foreign"` // no node reads it: it is in the .env of a script
}

type variableFile struct {
	Schema    int        `toml:"schema"`
	Roles     []string   `toml:"roles"` // of those without their own
	Variables []Variable `toml:"variable"`
}

// named is where entries inherit what their file says.
func (f *variableFile) named(string) {
	for i := range f.Variables {
		if f.Variables[i].Roles == nil {
			f.Variables[i].Roles = f.Roles
		}
	}
}

func (f *variableFile) check() error {
	seen := map[string]bool{}
	for _, v := range f.Variables {
		if err := v.check(); err != nil {
			return fmt.Errorf("variable %s: %w", clip(v.Name), err)
		}
		if seen[v.Name] {
			return fmt.Errorf("variable %s: is there twice", v.Name)
		}
		seen[v.Name] = true
	}
	return nil
}

func (v Variable) check() error {
	if err := envfile.CheckName(v.Name); err != nil {
		return at("name", err)
	}
	if err := at("description", checkLine(v.Description)); err != nil {
		return err
	}
	if _, ok := checkers[v.Type]; !ok {
		return at("type", fmt.Errorf("%q is none", v.Type))
	}
	for key, release := range map[string]string{"since": v.Since, "until": v.Until, "superseded": v.Superseded} {
		if release != "" {
			if _, err := ParseVersion(release); err != nil {
				return at(key, err)
			}
		}
	}
	if v.Default != "" {
		if err := at("default", v.Type.Check(v.Default)); err != nil {
			return err
		}
	}
	if v.Until != "" && v.Fate == "" {
		return at("fate", errors.New("is missing"))
	}
	return nil
}

// Variable returns what is known of one.
func (c Catalog) Variable(name string) (Variable, bool) {
	v, ok := c.byName[name]
	if !ok {
		return Variable{}, false
	}
	return *v, true
}

// For reports whether a role reads the variable.
func (v Variable) For(role string) bool { return len(v.Roles) == 0 || slices.Contains(v.Roles, role) }

// ReplacedVariableError is a variable that a version of the node does not read
// any more, or not yet.
type ReplacedVariableError struct {
	Variable Variable
	Version  string // of the node
	Early    bool   // it comes with a later version
}

func (e *ReplacedVariableError) Error() string {
	v := e.Variable
	if e.Early {
		return fmt.Sprintf("version %s does not read %s, which came with %s", e.Version, v.Name, v.Since)
	}
	text := fmt.Sprintf("the node does not read %s since %s", v.Name, v.Until)
	if v.Foreign {
		text = fmt.Sprintf("the node never reads %s", v.Name)
	}
	if v.Fate != "" {
		text += ": " + v.Fate
	}
	return text
}

// gone returns a *ReplacedVariableError if an era does not read the variable.
func (v Variable) gone(e era) error {
	switch {
	case v.Foreign || v.Until != "" && e.since(v.Until):
		return &ReplacedVariableError{Variable: v, Version: e.String()}
	case v.Since != "" && !e.since(v.Since):
		return &ReplacedVariableError{Variable: v, Version: e.String(), Early: true}
	}
	return nil
}

// Hint says what sets the variable instead of [env], "" if [env] does.
func (v Variable) Hint() string {
	switch {
	case v.Owned != "":
		return v.Owned
	case v.Setting != "" && v.Flag != "":
		return v.Setting + ", or " + v.Flag + ", does it"
	case v.Setting != "":
		return v.Setting + " does it"
	}
	return ""
}

// allowOverriding is how an operator tells the node that it may differ from
// its network (stdlib/src/config/network-consensus-config.ts).
const allowOverriding = "ALLOW_OVERRIDING_NETWORK_CONFIG"

// fixes reports whether a network gives all its nodes one value of a variable.
func (c Catalog) fixes(n Network, name string) bool {
	v, ok := c.byName[name]
	return ok && v.Consensus && n.Fixed
}

// checkVariable judges what an operator sets, without an image.
func (c Catalog) checkVariable(inst Instance, n Network, name, value string, local bool) error {
	v, _ := c.Variable(name)
	allowed := strings.ToLower(inst.Env[allowOverriding])
	switch {
	case value == "":
		return errors.New("is empty, which the node does not take for absent: leave it out")
	case local && (v.Reserved || v.Owned != ""):
		return fmt.Errorf("hides what is decided elsewhere: %s", v.Hint())
	case c.fixes(n, name) && allowed != "1" && allowed != "true":
		return fmt.Errorf("%s gives every node its own value, and a node with another ends, or leaves the consensus; %s = \"true\" is for who knows better", n.Name, allowOverriding)
	}
	if _, ok := checkers[v.Type]; ok {
		return v.Type.Check(value)
	}
	return nil
}
