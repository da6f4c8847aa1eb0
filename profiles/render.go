package profiles

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/aztec-spartan/aztec-spartan/profiles/envfile"
)

// Directories of an instance as its node sees them, and as this package names
// them in variables. The unit makes and mounts them.
const (
	dataRoot   = "/var/lib/aztec/"
	cacheRoot  = "/var/cache/aztec/"
	configRoot = "/etc/aztec-spartan/instances/"
)

// ImageFacts are what an image says about itself.
type ImageFacts struct {
	Version string      // of ImageVersion; "": it does not say
	Env     []string    // NAME=VALUE of its configuration
	Known   VariableSet // of KnownVariables; zero: it does not say
}

// HostFacts are what the host adds to the settings.
type HostFacts struct {
	AdminKeyHash string // SHA-256 of the admin API key, 64 hexadecimal digits; "": the node makes a key and logs it
}

// Credential is a secret file that the node gets from systemd
// (systemd.exec(5), LoadCredential=).
type Credential struct {
	Name     string
	Source   string // path on the host
	Variable string // in which the node looks for the path of the credential
}

// Service is what to run for one instance on one image.
type Service struct {
	Args        []string      // after the image's entry point
	Env         []envfile.Var // over the image's own; no secrets, nothing empty, no name twice
	Credentials []Credential  // from 2.0 on
	SecretEnv   []string      // variables that want the private key, before 2.0: for a file that only root reads

	RPCPort, AdminPort, P2PPort int    // AdminPort is 0 before 0.82, P2PPort without P2P
	RPCNamespace                string // prefix of the JSON-RPC methods: node, aztec
	ChainID                     uint64 // of L1
	P2P                         bool

	Warnings []string // for the operator: one line each
}

// Render says what to run. Its error is for the operator: it names the
// settings that are wrong, alone (Validate) or for this version of the node.
func Render(inst Instance, img ImageFacts, host HostFacts) (Service, error) {
	if err := inst.Validate(); err != nil {
		return Service{}, err
	}
	role, err := RoleByName(inst.Role)
	if err != nil {
		return Service{}, err
	}
	network, err := NetworkByName(inst.Network)
	if err != nil {
		return Service{}, err
	}
	r := renderer{inst: inst, img: img, role: role, network: network}
	if err := r.decideEra(); err != nil {
		return Service{}, err
	}
	if err := r.commandLine(); err != nil {
		return Service{}, err
	}
	if err := r.environment(host); err != nil {
		return Service{}, err
	}
	r.secrets()
	r.svc.RPCPort, r.svc.ChainID, r.svc.P2P = inst.Ports.RPC, inst.ChainID(), inst.P2PEnabled()
	if r.era.since(adminPortSince) {
		r.svc.AdminPort = inst.Ports.Admin
	}
	if r.svc.P2P {
		r.svc.P2PPort = inst.Ports.P2P
	}
	return r.svc, nil
}

// renderer is a Service in the making.
type renderer struct {
	inst    Instance
	img     ImageFacts
	role    Role
	network Network
	era     era
	svc     Service
}

func (r *renderer) warn(format string, args ...any) {
	r.svc.Warnings = append(r.svc.Warnings, fmt.Sprintf(format, args...))
}

// decideEra settles for which version to render.
func (r *renderer) decideEra() error {
	if r.img.Version != "" {
		if _, err := ParseVersion(r.img.Version); err != nil {
			return err
		}
	}
	e, known := eraOf(r.img.Version)
	if known {
		r.era = e
		return nil
	}
	what := "the image does not say its version"
	if r.img.Version != "" {
		what = "the image is a development build (" + r.img.Version + ")"
	}
	guess := r.img.Known.guess()
	if r.era, known = eraOf(guess); known {
		r.warn("%s: by the variables it reads, it is taken for one like %s", what, guess)
	} else {
		r.warn("%s: it is taken for the newest known here", what)
	}
	return nil
}

func (r *renderer) commandLine() error {
	cmd, err := r.role.command(r.era)
	if err != nil {
		return err
	}
	r.svc.RPCNamespace = cmd.Namespace
	args := r.inst.Args
	if len(args) == 0 {
		// The name is asked for even where the command line has no place for
		// it: an old node would start, and join nothing.
		flag, err := r.network.flag(r.era)
		if err != nil {
			return err
		}
		args = cmd.Args
		if cmd.Network && flag != "" {
			args = append(args, "--network", flag)
		}
	}
	r.svc.Args = slices.Concat(args, r.inst.ExtraArgs)
	return nil
}

// secrets decides how the node gets its key: 2.0 brought keystores, before
// there were variables.
func (r *renderer) secrets() {
	switch {
	case !r.role.Keys:
	case r.era.since(keystoreSince):
		const file = "keystore.json"
		r.svc.Credentials = []Credential{{file, configRoot + r.inst.Name + "/" + file, "KEY_STORE_DIRECTORY"}}
	default:
		r.svc.SecretEnv = []string{"VALIDATOR_PRIVATE_KEY", "SEQ_PUBLISHER_PRIVATE_KEY", "L1_PRIVATE_KEY"}
	}
}

var hashForm = regexp.MustCompile(`^[0-9a-f]{64}$`)
