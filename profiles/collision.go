package profiles

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aztec-spartan/aztec-spartan/profiles/keystore"
)

// Tenant is an instance among the others of its host.
type Tenant struct {
	Instance
	Version    string             // of the image it runs or will run; "": not known
	Attesters  []keystore.Address // that its keystore attests with
	Publishers []keystore.Address // that send its transactions to L1, the prover's too
}

// Shared is what two instances of a host cannot both have.
type Shared string

// What collides.
const (
	SharedPort      Shared = "port"
	SharedData      Shared = "data directory"
	SharedAttester  Shared = "attester"
	SharedPublisher Shared = "publisher"
)

// CollisionError is what one instance has and another has already.
type CollisionError struct {
	Instance string
	With     string // the first that has it
	What     Shared
	Listen   Listen // of Instance, for a port
	Value    string // the port, the directory of Instance, or the address
	Standby  bool   // keys of an instance that it was to stand by for
}

func (e *CollisionError) Error() string {
	switch {
	case e.What == SharedPort:
		return fmt.Sprintf("%s port %s is instance %s's", e.Listen.Name, e.Value, e.With)
	case e.What == SharedData:
		return fmt.Sprintf("the data directory %s is instance %s's: two nodes would destroy each other's data", e.Value, e.With)
	case e.Standby:
		return fmt.Sprintf("%s %s is instance %s's, and both are on the same rollup: an attester that signs twice is slashed", e.What, e.Value, e.With)
	case e.What == SharedAttester:
		return fmt.Sprintf("attester %s is instance %s's: an attester that signs twice is slashed", e.Value, e.With)
	}
	return fmt.Sprintf("publisher %s is instance %s's: two senders take each other's nonces", e.Value, e.With)
}

// Collisions finds what an instance has that another of the host has already.
// The error is one line of *CollisionError, one for each port, directory and
// address. Keys may be those of the instance that it stands by for (standby_of),
// if the two are on different rollups. That is how upstream has validators cross
// a cutover, with the new client running before the old rollup ends (forum.aztec.network/t/8524);
// that what is signed for one can never count as an offence on the other is not proven: the
// payload of an attestation names neither chain nor rollup by itself
// (stdlib/src/p2p/consensus_payload.ts, 4.1.2), only through the hash of the
// header. An instance of its own name is itself, and left out.
func (c Catalog) Collisions(t Tenant, others []Tenant) error {
	others = slices.DeleteFunc(slices.Clone(others), func(o Tenant) bool { return o.Name == t.Name })
	var errs []error
	add := func(e CollisionError) {
		e.Instance = t.Name
		errs = append(errs, &e)
	}
	for _, l := range c.Listens(t.Instance) {
		if with, ok := c.holder(l, others); ok {
			add(CollisionError{With: with, What: SharedPort, Listen: l, Value: strconv.Itoa(l.Port)})
		}
	}
	if dir := c.DataDir(t.Instance); dir != "" {
		for _, o := range others {
			if theirs := c.DataDir(o.Instance); theirs != "" && (within(dir, theirs) || within(theirs, dir)) {
				add(CollisionError{With: o.Name, What: SharedData, Value: dir})
				break
			}
		}
	}
	errs = append(errs, keyCollisions(t, others)...)
	if t.StandbyOf != "" && !slices.ContainsFunc(others, func(o Tenant) bool { return o.Name == t.StandbyOf }) {
		errs = append(errs, &FieldError{"standby_of", fmt.Errorf("there is no instance %s", clip(t.StandbyOf))})
	}
	return oneLine(errs)
}

// KeyCollisions is the part of Collisions that is about keys.
func KeyCollisions(t Tenant, others []Tenant) error {
	others = slices.DeleteFunc(slices.Clone(others), func(o Tenant) bool { return o.Name == t.Name })
	return oneLine(keyCollisions(t, others))
}

func keyCollisions(t Tenant, others []Tenant) (errs []error) {
	for _, keys := range []struct {
		what Shared
		of   func(Tenant) []keystore.Address
	}{
		{SharedAttester, func(t Tenant) []keystore.Address { return t.Attesters }},
		{SharedPublisher, func(t Tenant) []keystore.Address { return t.Publishers }},
	} {
		for _, a := range keys.of(t) {
			for _, o := range others {
				if !slices.Contains(keys.of(o), a) || standby(t, o) && !sameRollup(t, o) {
					continue
				}
				errs = append(errs, &CollisionError{Instance: t.Name, With: o.Name, What: keys.what, Value: a.String(), Standby: standby(t, o)})
				break
			}
		}
	}
	return errs
}

// holder is the first instance that listens where l would.
func (c Catalog) holder(l Listen, others []Tenant) (string, bool) {
	for _, o := range others {
		for _, theirs := range c.Listens(o.Instance) {
			if theirs.Network == l.Network && theirs.Port == l.Port {
				return o.Name, true
			}
		}
	}
	return "", false
}

func standby(a, b Tenant) bool { return a.StandbyOf == b.Name || b.StandbyOf == a.Name }

// sameRollup is true unless two instances are surely on different ones: those
// of two networks, or of two major versions, since a major version comes with
// its own rollup.
func sameRollup(a, b Tenant) bool {
	if a.Network != b.Network {
		return a.Network == "custom" || b.Network == "custom"
	}
	first, err1 := ParseVersion(a.Version)
	second, err2 := ParseVersion(b.Version)
	if err1 != nil || err2 != nil || development(first) || development(second) {
		return true
	}
	return first.Segments()[0] == second.Segments()[0]
}

// within reports whether a path is another one or below it.
func within(path, dir string) bool {
	return strings.HasPrefix(path+"/", strings.TrimSuffix(dir, "/")+"/")
}

// FreePorts proposes ports for an instance: its own where they are free, else
// the next that are. busy says what else on the host listens; nil: nothing. It
// fails where the ports run out.
func (c Catalog) FreePorts(inst Instance, others []Instance, busy func(network string, port int) bool) (Ports, error) {
	var tenants []Tenant
	for _, o := range others {
		if o.Name != inst.Name {
			tenants = append(tenants, Tenant{Instance: o})
		}
	}
	role, err := c.Role(inst.Role)
	if err != nil {
		return inst.Ports, &FieldError{"role", err}
	}
	ports, mine := inst.Ports, map[int]bool{}
	for _, name := range portNames {
		if !role.Listens(name) {
			continue
		}
		networks := []string{"tcp"}
		if name == "p2p" {
			networks = append(networks, "udp")
		}
		port := ports.Port(name)
		taken := func(network string) bool {
			_, held := c.holder(Listen{name, network, port}, tenants)
			return held || busy != nil && busy(network, port)
		}
		for validPort(port) == nil && (mine[port] || slices.ContainsFunc(networks, taken)) {
			port++
		}
		if err := validPort(port); err != nil {
			return inst.Ports, &FieldError{"ports." + name, fmt.Errorf("no port is free from %d on", inst.Ports.Port(name))}
		}
		mine[port] = true
		switch name {
		case "rpc":
			ports.RPC = port
		case "admin":
			ports.Admin = port
		case "p2p":
			ports.P2P = port
		}
	}
	return ports, nil
}

// Standby returns a second instance that has the settings of the first, with
// data of its own, and may have its keys on another rollup. Its ports are to be
// chosen (FreePorts), and its image.
func (i Instance) Standby(name string) Instance {
	second := i.clone()
	second.Name, second.StandbyOf, second.DataDir = name, i.Name, ""
	return second
}

// clone shares nothing with the original.
func (i Instance) clone() Instance {
	i.Allow, i.Args, i.ExtraArgs = slices.Clone(i.Allow), slices.Clone(i.Args), slices.Clone(i.ExtraArgs)
	i.Egress, i.Resources = slices.Clone(i.Egress), i.Resources.clone()
	i.L1.RPC, i.L1.Consensus = slices.Clone(i.L1.RPC), slices.Clone(i.L1.Consensus)
	i.P2P.BootstrapNodes, i.Prover.Nodes = slices.Clone(i.P2P.BootstrapNodes), slices.Clone(i.Prover.Nodes)
	i.P2P.Enabled = copied(i.P2P.Enabled)
	i.Prover.Agents, i.Prover.PollIntervalMS = copied(i.Prover.Agents), copied(i.Prover.PollIntervalMS)
	env := map[string]string{}
	for name, value := range i.Env {
		env[name] = value
	}
	i.Env = env
	return i
}

func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}
