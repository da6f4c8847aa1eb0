package adoption

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/profiles/envfile"
	"github.com/aztec-spartan/aztec-spartan/profiles/keystore"
)

// Data is where the data of the node are now.
type Data struct {
	Volume string // name of docker's; "": Path is all of it
	Path   string // on the host, or within the volume
}

// Plan is what a set-up becomes.
type Plan struct {
	Instance   profiles.Instance // what it will have; its image is the set-up's
	Changes    []profiles.Change // what became of each variable
	Attesters  []keystore.Key
	Publishers []keystore.Key
	P2PKey     string        // of PEER_ID_PRIVATE_KEY; "": with the data, if anywhere
	KeyStores  []string      // paths on the host of keystores
	Data       *Data         // nil: it keeps none
	Unsupplied []envfile.Var // other secrets, for local.env
	Warnings   []string

	published map[string]bool // ports by which it was reached from outside of its container
}

// Published reports whether a port (rpc, admin, p2p) was one of the host's.
// Others were the container's own, and nobody relies on them.
func (p Plan) Published(port string) bool { return p.published[port] }

// maxKeys bounds the private keys of one variable.
const maxKeys = 1000

// Plan decides what an instance is that runs the same. version is the node's,
// "" if it is not known.
func (s Setup) Plan(catalog profiles.Catalog, name, network, version string) (Plan, error) {
	p := Plan{Warnings: slices.Clone(s.Warnings)}
	fail := func(err error) (Plan, error) { return Plan{}, fmt.Errorf("reading %s: %w", s.File, err) }
	cmd := readStart(s.Command)
	if !cmd.found {
		return fail(errors.New("its command line has no `start`"))
	}
	role := cmd.role()
	if role == "" {
		return fail(errors.New("its command line starts nothing that is known here: none of --node, --sequencer, --prover-node, --prover-broker, --prover-agent"))
	}
	for _, o := range cmd.other {
		p.warn("option %s is not carried over; if the node needs it: config %s --extra-arg", o, name)
	}
	inst := profiles.New(name)
	inst.Role, inst.Image, inst.Network = role, s.Image, network
	vars := slices.Clone(s.env)
	for _, v := range cmd.env { // an option wins over its variable
		vars = vars.set(v.Name, v.Value)
	}
	p.data(s, vars)
	for _, path := range profiles.SplitList(value(vars, "KEY_STORE_DIRECTORY")) {
		m, rest, ok := s.HostPath(path)
		if !ok || m.Volume {
			p.warn("the keystore is not on the host: copy it out of the container, and: aztec-spartan keys %s add --keystore FILE", name)
			continue
		}
		p.KeyStores = append(p.KeyStores, strings.TrimSuffix(m.Source+"/"+rest, "/"))
	}
	vars = slices.DeleteFunc(vars, func(v envfile.Var) bool { return v.Name == "DATA_DIRECTORY" || v.Name == "IMAGE" })
	for i, v := range vars {
		vars[i].Value = p.reachable(v.Name, v.Value)
	}
	if network != "" {
		vars = slices.DeleteFunc(vars, func(v envfile.Var) bool { return v.Name == "NETWORK" })
	}
	m := catalog.Migrate(inst, vars, version)
	p.Instance, p.Changes = m.Instance, m.Changes
	if err := p.secrets(m.Secrets, role); err != nil {
		return fail(err)
	}
	p.ports(s)
	return p, nil
}

func (p *Plan) warn(format string, args ...any) {
	p.Warnings = append(p.Warnings, fmt.Sprintf(format, args...))
}

func value(e environment, name string) string {
	v, _ := e.lookup(name)
	return v
}

// data finds where the data are. aztec-spartan.sh always had /var/lib/aztec.
func (p *Plan) data(s Setup, vars environment) {
	dir := value(vars, "DATA_DIRECTORY")
	if dir == "" {
		p.warn("it has no DATA_DIRECTORY, so its data are lost with its container: the node will sync anew")
		return
	}
	m, rest, ok := s.HostPath(dir)
	if !ok {
		p.warn("%s is no volume, so the data are in the container alone: the node will sync anew", dir)
		return
	}
	p.Data = &Data{Path: strings.TrimSuffix(m.Source+"/"+rest, "/")}
	if m.Volume {
		p.Data = &Data{Volume: m.Source, Path: rest}
	}
}

// reachable makes a URL that leads out of a container one of the host.
func (p *Plan) reachable(name, v string) string {
	parts := strings.Split(v, ",")
	for i, part := range parts {
		u, err := url.Parse(strings.TrimSpace(part))
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			continue
		}
		switch host := u.Hostname(); {
		case host == "host.docker.internal":
			u.Host = strings.Replace(u.Host, host, "127.0.0.1", 1)
			parts[i] = u.String()
			p.warn("%s: host.docker.internal is 127.0.0.1 without docker", name)
		case !strings.Contains(host, ".") && net.ParseIP(host) == nil && host != "localhost":
			p.warn("%s: %s looks like the name of a container, which the host does not know", name, host)
		}
	}
	return strings.Join(parts, ",")
}

// secrets sorts keys by what they are for.
func (p *Plan) secrets(all []envfile.Var, role string) error {
	for _, v := range all {
		switch v.Name {
		case "VALIDATOR_PRIVATE_KEY", "VALIDATOR_PRIVATE_KEYS":
			if err := keysOf(v, &p.Attesters); err != nil {
				return err
			}
		case "SEQ_PUBLISHER_PRIVATE_KEY", "SEQ_PUBLISHER_PRIVATE_KEYS", "PROVER_PUBLISHER_PRIVATE_KEY", "PROVER_PUBLISHER_PRIVATE_KEYS":
			if strings.HasPrefix(v.Name, "PROVER") != (role == "prover-node") {
				continue
			}
			if err := keysOf(v, &p.Publishers); err != nil {
				return err
			}
		case "PEER_ID_PRIVATE_KEY":
			p.P2PKey = v.Value
		case "L1_PRIVATE_KEY", "AZTEC_ADMIN_API_KEY": // the one is the publisher's again, the other is made anew
		default:
			p.Unsupplied = append(p.Unsupplied, v)
			p.warn("%s is a secret that has no place in instance.toml: put it into local.env", v.Name)
		}
	}
	if len(p.Attesters) == 1 && len(p.Publishers) == 1 && p.Publishers[0].Equal(p.Attesters[0]) {
		p.Publishers = nil
	}
	return nil
}

// keysOf adds the keys of a variable to those that are known, each once.
func keysOf(v envfile.Var, to *[]keystore.Key) error {
	for _, text := range profiles.SplitList(v.Value) {
		key, err := keystore.ParseKey(text)
		if err != nil {
			return fmt.Errorf("%s: %w", v.Name, err)
		}
		if len(*to) == maxKeys {
			return fmt.Errorf("%s: more than %d keys", v.Name, maxKeys)
		}
		if !slices.ContainsFunc(*to, key.Equal) {
			*to = append(*to, key)
		}
	}
	return nil
}

// ports are those of the host.
func (p *Plan) ports(s Setup) {
	p.published = map[string]bool{}
	for _, at := range []struct {
		name string
		port *int
	}{{"rpc", &p.Instance.Ports.RPC}, {"admin", &p.Instance.Ports.Admin}, {"p2p", &p.Instance.Ports.P2P}} {
		p.published[at.name] = s.HostNet
		for _, m := range s.Ports {
			if !s.HostNet && m.Container == *at.port && m.Protocol == "tcp" {
				*at.port, p.published[at.name] = m.Host, true
				break
			}
		}
	}
}
