package profiles

import (
	"fmt"
	"regexp"
)

// Instance is the settings of one node: instance.toml in the directory of its
// name. It holds no secret but what URLs of L1 may carry; see RedactURL.
type Instance struct {
	Schema       int               `toml:"schema"`
	Name         string            `toml:"-"` // of the directory
	Role         string            `toml:"role"`
	Network      string            `toml:"network"`
	Image        string            `toml:"image"` // OCI reference, by tag or digest
	LogLevel     string            `toml:"log_level,omitempty"`
	Coinbase     string            `toml:"coinbase,omitempty"`      // address on L1 for rewards; "": the attester's
	FeeRecipient string            `toml:"fee_recipient,omitempty"` // address on Aztec for fees; "": none
	Args         []string          `toml:"args,omitempty"`          // instead of the role's command line
	ExtraArgs    []string          `toml:"extra_args,omitempty"`    // after it
	L1           L1                `toml:"l1"`
	Ports        Ports             `toml:"ports"`
	P2P          P2P               `toml:"p2p,omitempty"`
	Env          map[string]string `toml:"env,omitempty"` // the operator's own variables
}

// L1 is where the instance finds Ethereum.
type L1 struct {
	RPC       []string `toml:"rpc"`                 // URLs of execution nodes
	Consensus []string `toml:"consensus,omitempty"` // URLs of beacon nodes
	ChainID   uint64   `toml:"chain_id,omitzero"`   // 0: the network's
}

// Ports are what the instance listens on. The node binds all interfaces.
type Ports struct {
	RPC   int `toml:"rpc"`
	Admin int `toml:"admin"`
	P2P   int `toml:"p2p"` // TCP and UDP
}

// P2P is how peers reach the instance.
type P2P struct {
	Enabled *bool  `toml:"enabled,omitempty"`  // nil: as the network has it
	IP      string `toml:"ip,omitempty"`       // public address
	QueryIP bool   `toml:"query_ip,omitempty"` // the node asks services on the internet for it
}

// New returns a sequencer with nothing decided but its ports.
func New(name string) Instance {
	return Instance{
		Schema: Schema, Name: name, Role: "sequencer", LogLevel: "info",
		Ports: Ports{RPC: 8080, Admin: 8880, P2P: 40400},
	}
}

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,23}$`)

// ValidName refuses names that an instance cannot have. They are part of unit
// names, paths and user names; the latter may have 32 letters, "aztec-" of
// them ours.
func ValidName(name string) error {
	if !nameForm.MatchString(name) {
		return fmt.Errorf("instance name %q: up to 24 of a-z, 0-9 and -, a letter first", clip(name))
	}
	return nil
}

// P2PEnabled reports whether the instance runs with P2P.
func (i Instance) P2PEnabled() bool {
	if i.P2P.Enabled != nil {
		return *i.P2P.Enabled
	}
	n, err := NetworkByName(i.Network)
	return err != nil || n.P2P
}

// ChainID is the L1's, 0 if neither the instance nor its network says.
func (i Instance) ChainID() uint64 {
	if i.L1.ChainID != 0 {
		return i.L1.ChainID
	}
	n, _ := NetworkByName(i.Network)
	return n.L1ChainID
}

// Listen is a port that an instance will have.
type Listen struct {
	Name    string // rpc, admin, p2p
	Network string // tcp, udp
	Port    int
}

// Listens returns all ports of the instance.
func (i Instance) Listens() []Listen {
	var list []Listen
	r, _ := RoleByName(i.Role)
	for _, name := range r.Ports {
		switch name {
		case "rpc":
			list = append(list, Listen{name, "tcp", i.Ports.RPC})
		case "admin":
			list = append(list, Listen{name, "tcp", i.Ports.Admin})
		case "p2p":
			if i.P2PEnabled() {
				list = append(list, Listen{name, "tcp", i.Ports.P2P}, Listen{name, "udp", i.Ports.P2P})
			}
		}
	}
	return list
}
