package profiles

import (
	"fmt"
	"regexp"
	"slices"
)

// Instance is the settings of one node: instance.toml in the directory of its
// name. It holds no secret but what URLs of L1 may carry; see RedactURL.
type Instance struct {
	Schema       int               `toml:"schema"`
	Name         string            `toml:"-"` // of the directory
	Role         string            `toml:"role"`
	Network      string            `toml:"network"`
	Image        string            `toml:"image"` // OCI reference, by tag or digest
	StandbyOf    string            `toml:"standby_of,omitempty"`
	LogLevel     string            `toml:"log_level,omitempty"`
	DataDir      string            `toml:"data_dir,omitempty"`      // on the host; "": /var/lib/aztec/NAME
	CRS          string            `toml:"crs,omitempty"`           // directory of the reference string; "": SharedCRS for who proves, else the instance's own
	Coinbase     string            `toml:"coinbase,omitempty"`      // address on L1 for rewards; "": the attester's
	FeeRecipient string            `toml:"fee_recipient,omitempty"` // address on Aztec for fees; "": none
	Payload      string            `toml:"payload,omitempty"`       // governance payload to vote for, an address on L1; none: no vote
	Registry     string            `toml:"registry_address,omitempty"`
	Bootnode     string            `toml:"bootnode,omitempty"` // URL of a node that config asks for the network's addresses
	Allow        []string          `toml:"allow,omitempty"`    // who besides this host may reach the RPC port: CIDR, address, host name, or any
	Egress       []string          `toml:"egress,omitempty"`   // whom besides this host and the broker an agent may talk to: CIDR, address, host name, or broker for nobody; none: everybody
	Args         []string          `toml:"args,omitempty"`     // instead of the role's command line
	ExtraArgs    []string          `toml:"extra_args,omitempty"`
	L1           L1                `toml:"l1"`
	Ports        Ports             `toml:"ports"`
	P2P          P2P               `toml:"p2p,omitempty"`
	Prover       Prover            `toml:"prover,omitempty"`
	Update       Update            `toml:"update,omitempty"`
	Resources    Resources         `toml:"resources,omitempty"`
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

// portNames are the keys of Ports.
var portNames = []string{"rpc", "admin", "p2p"}

// Port is the port of a name: rpc, admin, p2p.
func (p Ports) Port(name string) int {
	switch name {
	case "rpc":
		return p.RPC
	case "admin":
		return p.Admin
	case "p2p":
		return p.P2P
	}
	return 0
}

// P2P is how peers reach the instance.
type P2P struct {
	Enabled        *bool    `toml:"enabled,omitempty"`         // nil: as the network has it
	IP             string   `toml:"ip,omitempty"`              // public address
	QueryIP        bool     `toml:"query_ip,omitempty"`        // the node asks services on the internet for it
	BootstrapNodes []string `toml:"bootstrap_nodes,omitempty"` // ENRs; none: the network's
}

// Prover is the part that an instance has in a prover.
type Prover struct {
	Broker         string   `toml:"broker,omitempty"`           // URL of the broker, which has the jobs
	ID             string   `toml:"id,omitempty"`               // address on L1 that earns; "": that of the key
	Agents         *int     `toml:"agents,omitempty"`           // in the process; nil: one in an agent, none in a prover node
	PollIntervalMS *int     `toml:"poll_interval_ms,omitempty"` // between an agent's questions for a job; nil: the node's own
	Nodes          []string `toml:"nodes,omitempty"`            // URLs of nodes that a prover node asks for transactions
}

// NoPayload is the payload of an instance that votes for nothing.
const NoPayload = "none"

// SharedCRS is where instances of a host that prove keep the reference string
// together: 1.07 GB.
const SharedCRS = cacheRoot + "crs"

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
// them ours. crs would lie where SharedCRS does.
func ValidName(name string) error {
	if !nameForm.MatchString(name) {
		return fmt.Errorf("instance name %q: up to 24 of a-z, 0-9 and -, a letter first", clip(name))
	}
	if cacheRoot+name == SharedCRS {
		return fmt.Errorf("instance name %q: it is taken by the cache that instances share", name)
	}
	return nil
}

// P2PEnabled reports whether an instance runs with P2P. An unknown role or
// network has it.
func (c Catalog) P2PEnabled(i Instance) bool {
	if r, err := c.Role(i.Role); err == nil && !r.P2P() {
		return false
	}
	if i.P2P.Enabled != nil {
		return *i.P2P.Enabled
	}
	n, err := c.Network(i.Network)
	return err != nil || n.P2P
}

// ChainID is the L1's, 0 if neither the instance nor its network says.
func (c Catalog) ChainID(i Instance) uint64 {
	if i.L1.ChainID != 0 {
		return i.L1.ChainID
	}
	n, _ := c.Network(i.Network)
	return n.L1ChainID
}

// DataDir is where the data of an instance is on the host, "" if its role
// keeps none.
func (c Catalog) DataDir(i Instance) string {
	switch r, err := c.Role(i.Role); {
	case err == nil && !r.Data:
		return ""
	case i.DataDir != "":
		return i.DataDir
	}
	return dataRoot + i.Name
}

// Listen is a port that an instance will have.
type Listen struct {
	Name    string // rpc, admin, p2p
	Network string // tcp, udp
	Port    int
}

// Listens returns all ports of an instance.
func (c Catalog) Listens(i Instance) []Listen {
	var list []Listen
	r, _ := c.Role(i.Role)
	for _, name := range portNames {
		if !slices.Contains(r.Ports, name) || name == "p2p" && !c.P2PEnabled(i) {
			continue
		}
		list = append(list, Listen{name, "tcp", i.Ports.Port(name)})
		if name == "p2p" {
			list = append(list, Listen{name, "udp", i.Ports.Port(name)})
		}
	}
	return list
}
