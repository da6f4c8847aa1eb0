package profiles

import (
	"fmt"
	"io/fs"
)

// Network is a file in networks/.
type Network struct {
	Name        string `toml:"-"` // of the file
	Schema      int    `toml:"schema"`
	Description string `toml:"description"`
	L1ChainID   uint64 `toml:"l1_chain_id"` // 0: each instance says
	Fixed       bool   `toml:"fixed"`       // an instance cannot be on another chain
	P2P         bool   `toml:"p2p"`         // runs with P2P unless an instance says
	Public      bool   `toml:"public"`      // peers are anywhere, so addresses must be reachable from anywhere
	Loopback    bool   `toml:"loopback"`    // peers are on this host, so any address will do
	Consensus   bool   `toml:"consensus"`   // blobs come from an L1 beacon node
	Flags       []Flag `toml:"flag"`        // none: the network has no name that the node knows
}

// Flag is the name by which a range of versions knows a network.
type Flag struct {
	Versions string `toml:"versions"` // constraints of hashicorp/go-version, on the version's core
	Name     string `toml:"name"`     // of --network
}

// Networks returns all networks, sorted by name.
func Networks() []Network { return must(networks(builtIn)) }

func networks(fsys fs.FS) ([]Network, error) {
	names, list, err := load[Network](fsys, "networks")
	for i := range list {
		list[i].Name = names[i]
	}
	return list, err
}

// NetworkByName returns a network. The error names those there are.
func NetworkByName(name string) (Network, error) {
	var known []string
	for _, n := range Networks() {
		if n.Name == name {
			return n, nil
		}
		known = append(known, n.Name)
	}
	return Network{}, unknown("network", name, known)
}

// flag is the name for --network in a version, "" if the network has none.
func (n Network) flag(e era) (string, error) {
	if len(n.Flags) == 0 {
		return "", nil
	}
	for _, f := range n.Flags {
		ok, err := e.within(f.Versions)
		if err != nil {
			return "", fmt.Errorf("network %s: %w", n.Name, err)
		}
		if ok {
			return f.Name, nil
		}
	}
	return "", fmt.Errorf("version %s does not know the network %s: choose the network custom and describe it in [env]", e, n.Name)
}
