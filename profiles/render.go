package profiles

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

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
	AdminKeyHash string        // SHA-256 of the admin API key, 64 hexadecimal digits; "": the node makes a key and logs it
	LocalEnv     []envfile.Var // of local.env, which is judged and explained, and not part of Service.Env
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
	Origins     []Origin      // where each variable of the node comes from, the image's, secret and local ones too
	Credentials []Credential  // from 2.0 on
	SecretEnv   []string      // variables that want the private key, before 2.0: for a file that only root reads

	RPCPort, AdminPort, P2PPort int    // AdminPort is 0 before 0.82 and where the role has none, P2PPort without P2P
	RPCNamespace                string // prefix of the JSON-RPC methods: node, aztec, agent, proverBroker
	ChainID                     uint64 // of L1; 0: the role does not use it
	P2P                         bool

	DataDir string   // on the host, which the node sees as /var/lib/aztec/NAME; "": the role keeps no data
	CRSDir  string   // on the host and for the node: to be made, bound and writable, others of the host may share it; "": none
	Allow   []string // CIDRs, addresses and host names that may reach RPCPort, besides this host, or AllowAny; AdminPort nobody
	Egress  []string // the only ones that it may talk to besides this host, the broker's among them; none: everybody
	Limits  []Limit

	Warnings []string // for the operator: one line each
}

// Render says what to run. Its error is for the operator: it names the
// settings that are wrong, alone (Validate) or for this version of the node.
func (c Catalog) Render(inst Instance, img ImageFacts, host HostFacts) (Service, error) {
	if err := c.Validate(inst); err != nil {
		return Service{}, err
	}
	role, err := c.Role(inst.Role)
	if err != nil {
		return Service{}, err
	}
	network, err := c.Network(inst.Network)
	if err != nil {
		return Service{}, err
	}
	r := renderer{catalog: c, inst: inst, img: img, role: role, network: network}
	if err := r.decideEra(); err != nil {
		return Service{}, err
	}
	if err := r.commandLine(); err != nil {
		return Service{}, err
	}
	r.svc.RPCPort, r.svc.P2P = inst.Ports.RPC, c.P2PEnabled(inst)
	r.svc.DataDir, r.svc.Allow = c.DataDir(inst), slices.Clone(inst.Allow)
	if role.L1 {
		r.svc.ChainID = c.ChainID(inst)
	}
	if r.role.Listens("admin") && r.era.since(adminPortSince) {
		r.svc.AdminPort = inst.Ports.Admin
	}
	if r.svc.P2P {
		r.svc.P2PPort = inst.Ports.P2P
	}
	if err := r.environment(host); err != nil {
		return Service{}, err
	}
	if err := r.limits(); err != nil {
		return Service{}, err
	}
	r.egress()
	return r.svc, nil
}

// renderer is a Service in the making.
type renderer struct {
	catalog Catalog
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
			args = append(slices.Clone(args), "--network", flag)
		}
	}
	r.svc.Args = slices.Concat(args, r.inst.ExtraArgs)
	return nil
}

// egress lists whom the node may talk to. It answers who may reach its port,
// too: the bound is one for both directions (systemd.resource-control(5),
// IPAddressAllow=).
func (r *renderer) egress() {
	if len(r.inst.Egress) == 0 {
		return
	}
	if u, err := url.Parse(r.inst.Prover.Broker); err == nil && u.Hostname() != "" {
		r.svc.Egress = append(r.svc.Egress, u.Hostname())
	}
	for _, e := range slices.Concat(r.inst.Egress, r.inst.Allow) {
		if e != EgressBroker && !slices.Contains(r.svc.Egress, e) {
			r.svc.Egress = append(r.svc.Egress, e)
		}
	}
	if slices.Contains(r.inst.Allow, AllowAny) {
		r.warn("allow = [%q] has no effect with egress: only those in it reach the RPC port", AllowAny)
		r.svc.Egress = slices.DeleteFunc(r.svc.Egress, func(e string) bool { return e == AllowAny })
	}
}

// secrets decides how the node gets its key: 2.0 brought keystores, before
// there were variables.
func (r *renderer) secrets() {
	s, ok := r.role.secret(r.era)
	if !r.role.Keys || !ok {
		return
	}
	if s.Keystore != "" {
		const file = "keystore.json"
		r.svc.Credentials = []Credential{{file, configRoot + r.inst.Name + "/" + file, s.Keystore}}
		r.origin(Origin{Name: s.Keystore, Value: "%d/" + file, Source: FromProgram})
		return
	}
	r.svc.SecretEnv = slices.Clone(s.Variables)
	for _, name := range s.Variables {
		r.origin(Origin{Name: name, Source: FromSecrets, Key: "key", Secret: true})
	}
}

// localEnv judges the operator's own file. It is theirs: what is wrong in it
// is a warning.
func (r *renderer) localEnv(vars []envfile.Var) {
	for _, v := range vars {
		if err := r.catalog.checkVariable(r.inst, r.network, v.Name, v.Value, true); err != nil {
			r.warn("local.env: %s: %v", clip(v.Name), err)
		} else if err := r.known(v.Name); err != nil {
			r.warn("local.env: %v", err)
		}
		known, _ := r.catalog.Variable(v.Name)
		r.origin(Origin{Name: v.Name, Value: v.Value, Source: FromLocalEnv, Secret: known.Secret || secretHint(v.Name) != ""})
	}
}

// imageEnv notes what the image itself sets, beneath everything else.
func (r *renderer) imageEnv() {
	for _, assignment := range r.img.Env {
		if name, value, ok := strings.Cut(assignment, "="); ok && value != "" {
			r.origin(Origin{Name: name, Value: value, Source: FromImage})
		}
	}
}

func (r *renderer) origin(o Origin) { r.svc.Origins = append(r.svc.Origins, o) }

var hashForm = regexp.MustCompile(`^[0-9a-f]{64}$`)
