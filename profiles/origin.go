package profiles

// Source is what decided a variable.
type Source string

// The sources of variables, the weakest first.
const (
	FromImage    Source = "image"     // its configuration
	FromRole     Source = "role"      // a default of the role's file
	FromNetwork  Source = "network"   // a default of the network's file
	FromProgram  Source = "computed"  // by this program
	FromSetting  Source = "setting"   // a key of instance.toml
	FromEnv      Source = "[env]"     // of instance.toml
	FromSecrets  Source = "secret"    // a file that root alone reads
	FromLocalEnv Source = "local.env" // the operator's own file, read last
)

// Origin is one value of a variable and where it comes from. Of several of a
// variable, the last holds.
type Origin struct {
	Name   string
	Value  string // "" for a secret that is not ours to know
	Source Source
	Key    string // of instance.toml, or the name of the role or network
	Secret bool   // Value, if there is one, is for the node alone
}

// From says where the value comes from, in words.
func (o Origin) From() string {
	switch {
	case o.Source == FromSetting:
		return o.Key + " of instance.toml"
	case o.Source == FromEnv:
		return "[env] of instance.toml"
	case o.Key != "":
		return string(o.Source) + " " + o.Key
	}
	return string(o.Source)
}

// Shown is the value as it may appear on a screen: a secret does not, and of
// URLs only what RedactURL leaves.
func (o Origin) Shown() string {
	if o.Secret {
		return "(secret)"
	}
	return RedactValue(o.Value)
}

// Explain returns all values of a variable, the one that holds last; none if
// nothing sets it.
func (s Service) Explain(name string) []Origin {
	var list []Origin
	for _, o := range s.Origins {
		if o.Name == name {
			list = append(list, o)
		}
	}
	return list
}
