package profiles

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/aztec-spartan/aztec-spartan/profiles/envfile"
	"github.com/aztec-spartan/aztec-spartan/profiles/keystore"
)

// FieldError is what is wrong with one setting.
type FieldError struct {
	Field string // as in instance.toml: l1.rpc
	Err   error
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Err.Error() }
func (e *FieldError) Unwrap() error { return e.Err }

// checks collects what is wrong.
type checks struct{ errs []error }

func (c *checks) fail(field string, err error) {
	if err != nil {
		c.errs = append(c.errs, &FieldError{field, err})
	}
}

func (c *checks) failf(field, format string, args ...any) {
	c.fail(field, fmt.Errorf(format, args...))
}

// Validate finds everything that is wrong with the settings of an instance and
// can be told without an image. Its error is one line, of a FieldError for
// each. It shows no secret: neither a variable's value nor more of a URL than
// its host.
func (c Catalog) Validate(inst Instance) error {
	v := validator{catalog: c, inst: inst}
	v.fail("name", ValidName(inst.Name))
	var err error
	v.role, err = c.Role(inst.Role)
	v.roleKnown = err == nil
	v.fail("role", err)
	v.network, err = c.Network(inst.Network)
	v.networkKnown = err == nil
	v.fail("network", err)
	if inst.Image == "" {
		v.failf("image", "is missing")
	}
	v.optional("standby_of", inst.StandbyOf, v.standby)
	v.optional("log_level", inst.LogLevel, validLogLevel)
	v.optional("data_dir", inst.DataDir, v.dataDir)
	v.optional("crs", inst.CRS, crsDir)
	v.optional("coinbase", inst.Coinbase, address)
	v.optional("fee_recipient", inst.FeeRecipient, keystore.CheckFeeRecipient)
	v.optional("payload", inst.Payload, payload)
	v.optional("registry_address", inst.Registry, address)
	v.optional("bootnode", inst.Bootnode, ValidURL)
	for _, a := range inst.Allow {
		v.fail("allow", ValidAllow(a))
	}
	v.egress()
	if _, err := v.role.resources(inst.Resources); err != nil {
		v.errs = append(v.errs, err)
	}
	v.l1()
	v.ports()
	v.p2p()
	v.prover()
	v.update()
	v.env()
	v.args("args", inst.Args)
	v.args("extra_args", inst.ExtraArgs)
	return oneLine(v.errs)
}

// validator is a validation under way.
type validator struct {
	checks
	catalog                 Catalog
	inst                    Instance
	role                    Role
	network                 Network
	roleKnown, networkKnown bool
}

func (v *validator) update() {
	if err := v.inst.Update.Check(); err != nil {
		v.errs = append(v.errs, err) // of fields with their names
	}
}

func (v *validator) optional(field, value string, check func(string) error) {
	if value != "" {
		v.fail(field, check(value))
	}
}

func (v *validator) standby(name string) error {
	if name == v.inst.Name {
		return errors.New("is the instance itself")
	}
	return ValidName(name)
}

func (v *validator) dataDir(dir string) error {
	if v.roleKnown && !v.role.Data {
		return fmt.Errorf("a %s keeps no data", v.role.Name)
	}
	return ValidHostDir(dir)
}

// systemDirs are directories whose owner and mode are nobody's to change.
var systemDirs = []string{"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/mnt", "/opt", "/proc", "/root", "/run", "/sbin", "/srv", "/sys", "/tmp", "/usr", "/var", "/var/cache", "/var/lib", "/var/lib/aztec", "/var/cache/aztec"}

// crsDir is a ValidHostDir where units can bind one: everywhere else the mount
// point would have to be made inside the image.
func crsDir(dir string) error {
	if err := ValidHostDir(dir); err != nil {
		return err
	}
	if !strings.HasPrefix(dir, "/var/cache/") && !strings.HasPrefix(dir, "/var/lib/") {
		return fmt.Errorf("%s: the reference string can be kept below /var/cache or /var/lib", clip(dir))
	}
	return nil
}

// ValidHostDir accepts a directory of the host that a unit can bind: systemd splits
// paths at colons (systemd.exec(5), BindPaths=).
func ValidHostDir(dir string) error {
	if err := validPath(dir); err != nil {
		return err
	}
	for _, system := range []string{"/dev", "/proc", "/sys", "/etc/aztec-spartan", "/var/lib/aztec-spartan"} {
		if strings.HasPrefix(dir+"/", system+"/") {
			return fmt.Errorf("%s: %s is not for data", clip(dir), system)
		}
	}
	switch {
	case slices.Contains(systemDirs, strings.TrimSuffix(dir, "/")) || dir == "/":
		return fmt.Errorf("%s: choose a directory below it", clip(dir))
	case strings.HasSuffix(dir, "/"):
		return errors.New("ends with a slash")
	case strings.ContainsAny(dir, ":%\\\"' \t"):
		return fmt.Errorf("%q: a unit file cannot hold such a path: no colons, percent signs, quotes, backslashes and blanks", clip(dir))
	case len(dir) > 255:
		return errors.New("is longer than 255 bytes")
	}
	return envfile.CheckValue(dir)
}

// egress judges whom an agent may talk to. Other roles talk to peers and L1.
func (v *validator) egress() {
	if len(v.inst.Egress) > 0 && v.roleKnown && !v.role.Proves {
		v.failf("egress", "is for prover agents: a %s talks to whoever it has to", v.role.Name)
		return
	}
	for _, e := range v.inst.Egress {
		switch {
		case e == EgressBroker:
		case e == AllowAny:
			v.failf("egress", "any is what holds without it: leave it out")
		default:
			v.fail("egress", ValidAllow(e))
		}
	}
}

// payload accepts the address of a payload, or none.
func payload(s string) error {
	if s == NoPayload {
		return nil
	}
	if err := address(s); err != nil {
		return fmt.Errorf("%w, or %s", err, NoPayload)
	}
	return nil
}

// maxChainID is the largest integer that a JavaScript number holds exactly.
const maxChainID = 1<<53 - 1

func (v *validator) l1() {
	l1 := v.inst.L1
	if len(l1.RPC) == 0 && v.role.Needs("l1.rpc") {
		v.failf("l1.rpc", "is missing: the URL of an L1 execution node")
	}
	if len(l1.Consensus) == 0 && v.network.Consensus && v.role.Needs("l1.consensus") {
		v.failf("l1.consensus", "is missing: the URL of an L1 beacon node")
	}
	for _, url := range l1.RPC {
		v.fail("l1.rpc", ValidURL(url))
	}
	for _, url := range l1.Consensus {
		v.fail("l1.consensus", ValidURL(url))
	}
	switch id, n := l1.ChainID, v.network; {
	case id > maxChainID:
		v.failf("l1.chain_id", "%d is more than %d", id, uint64(maxChainID))
	case id != 0 && n.Fixed && id != n.L1ChainID:
		v.failf("l1.chain_id", "%s is on chain %d, not %d", n.Name, n.L1ChainID, id)
	case id == 0 && n.L1ChainID == 0 && v.networkKnown && v.role.L1:
		v.failf("l1.chain_id", "is missing: network %s does not say it", n.Name)
	}
	if v.inst.Registry == "" && v.role.Needs("registry_address") {
		v.failf("registry_address", "is missing: the address of the network's registry on L1")
	}
}

// ports judges the ports that the role listens on, all if it is not known.
func (v *validator) ports() {
	taken := map[int]string{}
	for _, name := range portNames {
		if v.roleKnown && !v.role.Listens(name) {
			continue
		}
		field, port := "ports."+name, v.inst.Ports.Port(name)
		if err := validPort(port); err != nil {
			v.fail(field, err)
		} else if other := taken[port]; other != "" {
			v.failf(field, "%d is %s, too", port, other)
		}
		taken[port] = field
	}
}

func (v *validator) p2p() {
	p := v.inst.P2P
	switch {
	case v.roleKnown && !v.role.P2P():
		if p.Enabled != nil && *p.Enabled || p.IP != "" || p.QueryIP || len(p.BootstrapNodes) > 0 {
			v.failf("p2p", "a %s has no peers", v.role.Name)
		}
	case p.IP != "" && p.QueryIP:
		v.failf("p2p.ip", "excludes p2p.query_ip")
	case p.IP != "":
		v.fail("p2p.ip", v.network.ValidIP(p.IP))
	case !p.QueryIP && v.catalog.P2PEnabled(v.inst) && v.role.Needs("p2p.ip"):
		v.failf("p2p.ip", "is missing: the public address, or query_ip = true to let the node ask for it")
	}
	for _, enr := range p.BootstrapNodes {
		v.fail("p2p.bootstrap_nodes", ValidENR(enr))
	}
}

// prover judges [prover], which concerns only who is part of one.
func (v *validator) prover() {
	p := v.inst.Prover
	if v.roleKnown && !v.role.Prover && (p.Broker != "" || p.ID != "" || p.Agents != nil || p.PollIntervalMS != nil || len(p.Nodes) > 0) {
		v.failf("prover", "a %s is no part of a prover", v.role.Name)
		return
	}
	if p.Broker == "" && v.role.Needs("prover.broker") {
		v.failf("prover.broker", "is missing: the URL of the prover broker, such as http://127.0.0.1:8081")
	}
	if p.ID == "" && v.role.Needs("prover.id") {
		v.failf("prover.id", "is missing: the address on L1 that earns")
	}
	v.optional("prover.broker", p.Broker, ValidURL)
	v.optional("prover.id", p.ID, address)
	if p.Agents != nil && (*p.Agents < 0 || *p.Agents > 1024) {
		v.failf("prover.agents", "%d is not between 0 and 1024", *p.Agents)
	}
	if p.PollIntervalMS != nil && (*p.PollIntervalMS < 1 || *p.PollIntervalMS > 3600_000) {
		v.failf("prover.poll_interval_ms", "%d is not between 1 and 3600000", *p.PollIntervalMS)
	}
	for _, url := range p.Nodes {
		v.fail("prover.nodes", ValidURL(url))
	}
}

func (v *validator) env() {
	set := v.settings()
	for _, name := range slices.Sorted(maps.Keys(v.inst.Env)) {
		field := "env." + clip(name)
		value := v.inst.Env[name]
		if err := envfile.CheckName(name); err != nil {
			v.fail(field, errors.New("not a name of a variable"))
			continue
		}
		known, _ := v.catalog.Variable(name)
		refused := true
		switch hint := known.Hint(); {
		case known.Owned != "" || known.Reserved:
			v.failf(field, "is not set here: %s", hint)
		case secretHint(name) != "":
			v.failf(field, "is a secret and does not belong into instance.toml: %s", secretHint(name))
		case known.Setting != "" && set[known.Setting]:
			v.failf(field, "excludes %s, which sets it", known.Setting)
		default:
			refused = false
		}
		switch {
		case value == "":
			v.failf(field, "is empty, which the node does not take for absent: leave it out")
		case strings.ContainsFunc(value, unprintable):
			v.failf(field, "contains a control character")
		case envfile.CheckValue(value) != nil:
			v.fail(field, envfile.CheckValue(value))
		case !refused:
			v.fail(field, v.catalog.checkVariable(v.inst, v.network, name, value, false))
		}
	}
}

// settings are those of the newer keys that are set: an older instance.toml
// may have their variables in [env].
func (v *validator) settings() map[string]bool {
	i := v.inst
	return map[string]bool{
		"crs": i.CRS != "", "payload": i.Payload != "", "registry_address": i.Registry != "",
		"p2p.bootstrap_nodes": len(i.P2P.BootstrapNodes) > 0,
		"prover.broker":       i.Prover.Broker != "", "prover.id": i.Prover.ID != "", "prover.agents": i.Prover.Agents != nil,
		"prover.poll_interval_ms": i.Prover.PollIntervalMS != nil, "prover.nodes": len(i.Prover.Nodes) > 0,
	}
}

// unprintable are control characters that a variable could have. Nobody needs
// them, and a terminal that shows the file would obey them.
func unprintable(r rune) bool { return unicode.IsControl(r) && r != '\t' && r != '\n' }

// secretOption are options of the node that take a secret, in argv.
var secretOption = regexp.MustCompile(`(?i)private-?key|mnemonic`)

// args keeps secrets out of the command line, which every user of the
// host can read, and out of unit files what they cannot hold.
func (v *validator) args(field string, args []string) {
	for _, arg := range args {
		switch {
		case arg == "":
			v.failf(field, "an argument is empty")
		case secretOption.MatchString(arg):
			v.failf(field, "a key on the command line is visible to every user: --key-file hands it over safely")
		case strings.ContainsFunc(arg, unicode.IsControl):
			v.failf(field, "an argument contains a control character")
		default:
			v.fail(field, envfile.CheckValue(arg))
		}
	}
}
