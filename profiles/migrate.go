package profiles

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aztec-spartan/aztec-spartan/profiles/envfile"
)

// Action is what became of a variable.
type Action string

// The actions of a migration.
const (
	Kept      Action = "kept"      // in [env], as it was
	Renamed   Action = "renamed"   // in [env], by another name
	Corrected Action = "corrected" // in [env], with another value
	Moved     Action = "moved"     // to a setting
	Dropped   Action = "dropped"   // it would have no effect, or a bad one
	Secreted  Action = "secret"    // it is a key, and belongs into a file of its own
	Refused   Action = "refused"   // its value is wrong, and what it should be is not ours to say
)

// Change is what became of one variable, in the order they came in.
type Change struct {
	Name   string
	Action Action
	To     string // the name or the setting that it became; "": none
	Reason string // in words, without its value
}

// Migration is what settings became for a version of the node.
type Migration struct {
	Instance Instance      // with what the variables became
	Secrets  []envfile.Var // keys, and what else must not be in instance.toml; for the caller to put away
	Changes  []Change
}

// Refused returns the changes that need the operator.
func (m Migration) Refused() []Change {
	return slices.DeleteFunc(slices.Clone(m.Changes), func(c Change) bool { return c.Action != Refused })
}

// MigrateEnv rewrites the [env] of an instance for a version.
func (c Catalog) MigrateEnv(inst Instance, version string) Migration {
	var vars []envfile.Var
	for _, name := range slices.Sorted(maps.Keys(inst.Env)) {
		vars = append(vars, envfile.Var{Name: name, Value: inst.Env[name]})
	}
	inst.Env = nil
	return c.Migrate(inst, vars, version)
}

// Migrate adds variables, those of an .env file, to an instance: as settings
// where there are some, else in [env] by the names that a version reads. The
// instance's role and network decide what is needed. Nothing is written, and
// nothing passed in is changed. A version that is not known is taken for newer
// than all. What comes out may still lack something: see Validate.
func (c Catalog) Migrate(inst Instance, vars []envfile.Var, version string) Migration {
	m := migrator{catalog: c, m: Migration{Instance: inst.clone()}, from: map[string]string{}}
	m.era, _ = eraOf(version)
	// Role and network come first: they decide about the others.
	for _, v := range vars {
		if v.Name == "NETWORK" {
			m.networkName(v.Value)
		}
	}
	m.network, _ = c.Network(m.m.Instance.Network)
	for _, v := range vars {
		m.m.Changes = append(m.m.Changes, m.variable(v.Name, v.Value))
	}
	return m.m
}

// migrator is a Migration under way.
type migrator struct {
	catalog Catalog
	network Network
	era     era
	m       Migration
	from    map[string]string // setting: the variable that set it
}

// variable decides about one.
func (m *migrator) variable(name, value string) Change {
	change := func(a Action, to, format string, args ...any) Change {
		return Change{name, a, to, fmt.Sprintf(format, args...)}
	}
	if envfile.CheckName(name) != nil {
		return change(Dropped, "", "it is not the name of a variable")
	}
	v, known := m.catalog.Variable(name)
	inst := &m.m.Instance
	switch {
	case strings.TrimSpace(value) == "":
		return change(Dropped, "", "it is empty, which the node does not take for absent")
	case v.Secret || secretHint(name) != "":
		m.m.Secrets = append(m.m.Secrets, envfile.Var{Name: name, Value: value})
		if v.Fate != "" {
			return change(Secreted, "", "%s", v.Fate)
		}
		return change(Secreted, "", "%s", secretHint(name))
	case v.Owned != "":
		return change(Dropped, "", "%s", v.Owned)
	case m.catalog.fixes(m.network, name) && v.Setting == "":
		return change(Dropped, "", "%s gives every node its own value", m.network.Name)
	case !known:
		if err := plainValue(value); err != nil {
			return change(Refused, "", "%v", err)
		}
		inst.Env[name] = value
		return change(Kept, name, "nothing is known of it")
	case len(v.Roles) > 0 && inst.Role != "" && !v.For(inst.Role):
		return change(Dropped, "", "a %s does not read it", inst.Role)
	}
	to, reason := m.today(v)
	if to == "" && v.Setting == "" {
		return change(Dropped, "", "%s", reason)
	}
	corrected := correct(v.Type, value)
	err := v.Type.Check(corrected)
	if err == nil {
		err = plainValue(corrected)
	}
	switch {
	case err != nil:
		return change(Refused, "", "%v", err)
	case v.Setting != "":
		return m.setting(v, corrected)
	case to != name:
		next, _ := m.catalog.Variable(to)
		if next.Setting != "" {
			next.Name = name
			return m.setting(next, corrected)
		}
		if was, ok := inst.Env[to]; ok && was != corrected {
			return change(Dropped, to, "%s is set, too, and has another value", to)
		}
		inst.Env[to] = corrected
		return change(Renamed, to, "%s", reason)
	}
	inst.Env[name] = corrected
	if corrected != value {
		return change(Corrected, name, "%s is what the node reads of it", corrected)
	}
	return change(Kept, name, "version %s reads it", m.era)
}

// today is the name by which the era reads a variable, "" if it does not, and
// why.
func (m *migrator) today(v Variable) (name, reason string) {
	first := v
	for range 8 { // no chain of renames is as long
		old := v.gone(m.era) != nil || v.Superseded != "" && m.era.since(v.Superseded)
		if !old {
			break
		}
		next, ok := m.catalog.Variable(v.Successor)
		if !ok || next.Since != "" && !m.era.since(next.Since) {
			if v.gone(m.era) == nil && v.Successor != "" {
				break // superseded by what is not there yet
			}
			return "", m.reason(first)
		}
		v = next
	}
	if v.Name == first.Name {
		return v.Name, ""
	}
	return v.Name, m.reason(first)
}

func (m *migrator) reason(v Variable) string {
	switch {
	case v.Until != "" && m.era.since(v.Until):
		return fmt.Sprintf("%s since %s: %s", v.Name, v.Until, v.Fate)
	case v.Superseded != "":
		return fmt.Sprintf("%s since %s: %s", v.Name, v.Superseded, v.Fate)
	case v.Since != "":
		return fmt.Sprintf("version %s does not read it: it came with %s", m.era, v.Since)
	}
	return v.Fate
}

// correct makes what the node would refuse, or read as something else, what it
// was meant to be. aztec-spartan.sh wrote ETHEREUM_SLOT_DURATION=12sec.
func correct(t Type, value string) string {
	value = strings.TrimSpace(value)
	switch t {
	case Duration:
		for _, unit := range []string{"seconds", "secs", "sec", "s"} {
			if number, ok := strings.CutSuffix(value, unit); ok && Duration.Check(strings.TrimSpace(number)) == nil {
				return strings.TrimSpace(number)
			}
		}
	case Boolean:
		switch strings.ToLower(value) {
		case "true", "false":
			return strings.ToLower(value)
		case "yes", "on":
			return "true"
		case "no", "off":
			return "false"
		}
	}
	return value
}

// plainValue accepts what a line of an environment file can hold.
func plainValue(value string) error {
	if strings.ContainsFunc(value, unprintable) {
		return errors.New("contains a control character")
	}
	return envfile.CheckValue(value)
}
