package profiles

import (
	"errors"
	"fmt"
	"regexp"
)

// Network is a file in networks/.
type Network struct {
	Name         string       `toml:"-"` // of the file
	Schema       int          `toml:"schema"`
	Description  string       `toml:"description"`
	L1ChainID    uint64       `toml:"l1_chain_id"` // 0: each instance says
	Fixed        bool         `toml:"fixed"`       // chain and rules are the network's: an instance cannot have others
	P2P          bool         `toml:"p2p"`         // runs with P2P unless an instance says
	Public       bool         `toml:"public"`      // peers are anywhere, so addresses must be reachable from anywhere
	Loopback     bool         `toml:"loopback"`    // peers are on this host, so any address will do
	Consensus    bool         `toml:"consensus"`   // blobs come from an L1 beacon node
	Flags        []Flag       `toml:"flag"`        // none: the network has no name that the node knows
	Variables    []Default    `toml:"variable"`    // of the node, unless something else sets them
	Repositories []Repository `toml:"repository"`  // where its images are; none: where all are
}

// Flag is the name by which a range of versions knows a network.
type Flag struct {
	Versions string `toml:"versions"` // constraints of hashicorp/go-version, on the version's core
	Name     string `toml:"name"`     // of --network
}

func (n *Network) named(name string) { n.Name = name }

var flagForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func (n *Network) check() error {
	switch {
	case !roleForm.MatchString(n.Name):
		return at("name", fmt.Errorf("%q: a network's file is named by a-z, 0-9 and -, a letter first", clip(n.Name)))
	case n.L1ChainID > maxChainID:
		return at("l1_chain_id", fmt.Errorf("not between 0 and %d", uint64(maxChainID)))
	case n.Fixed && n.L1ChainID == 0:
		return at("l1_chain_id", errors.New("is missing: the network fixes it"))
	}
	if err := at("description", checkLine(n.Description)); err != nil {
		return err
	}
	for _, f := range n.Flags {
		if err := at("flag.versions", checkRange(f.Versions)); err != nil {
			return err
		}
		if !flagForm.MatchString(f.Name) {
			return at("flag.name", fmt.Errorf("%q is not a name for --network", clip(f.Name)))
		}
	}
	for _, d := range n.Variables {
		if err := d.check("variable"); err != nil {
			return err
		}
	}
	for _, r := range n.Repositories {
		if err := r.check(); err != nil {
			return err
		}
	}
	return nil
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
