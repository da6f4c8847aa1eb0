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

// Validate finds everything that is wrong with the settings and can be told
// without an image. Its error is one line, of a FieldError for each. It shows
// no secret: neither a variable's value nor more of a URL than its host.
func (i Instance) Validate() error {
	var c checks
	c.fail("name", ValidName(i.Name))
	role, err := RoleByName(i.Role)
	c.fail("role", err)
	network, err := NetworkByName(i.Network)
	c.fail("network", err)
	if i.Image == "" {
		c.failf("image", "is missing")
	}
	if i.LogLevel != "" {
		c.fail("log_level", validLogLevel(i.LogLevel))
	}
	if i.Coinbase != "" {
		_, err := keystore.ParseAddress(i.Coinbase)
		c.fail("coinbase", err)
	}
	if i.FeeRecipient != "" {
		c.fail("fee_recipient", keystore.CheckFeeRecipient(i.FeeRecipient))
	}
	i.checkL1(&c, role, network, err == nil)
	i.checkPorts(&c)
	i.checkP2P(&c, role, network)
	i.checkEnv(&c)
	i.checkArgs(&c, "args", i.Args)
	i.checkArgs(&c, "extra_args", i.ExtraArgs)
	return oneLine(c.errs)
}

// maxChainID is the largest integer that a JavaScript number holds exactly.
const maxChainID = 1<<53 - 1

func (i Instance) checkL1(c *checks, role Role, n Network, networkKnown bool) {
	if len(i.L1.RPC) == 0 && slices.Contains(role.Required, "l1.rpc") {
		c.failf("l1.rpc", "is missing: the URL of an L1 execution node")
	}
	if len(i.L1.Consensus) == 0 && n.Consensus && slices.Contains(role.Required, "l1.consensus") {
		c.failf("l1.consensus", "is missing: the URL of an L1 beacon node")
	}
	for _, url := range i.L1.RPC {
		c.fail("l1.rpc", ValidURL(url))
	}
	for _, url := range i.L1.Consensus {
		c.fail("l1.consensus", ValidURL(url))
	}
	switch id := i.L1.ChainID; {
	case id > maxChainID:
		c.failf("l1.chain_id", "%d is more than %d", id, uint64(maxChainID))
	case id != 0 && n.Fixed && id != n.L1ChainID:
		c.failf("l1.chain_id", "%s is on chain %d, not %d", n.Name, n.L1ChainID, id)
	case id == 0 && n.L1ChainID == 0 && networkKnown:
		c.failf("l1.chain_id", "is missing: network %s does not say it", n.Name)
	}
}

func (i Instance) checkPorts(c *checks) {
	taken := map[int]string{}
	for _, p := range []struct {
		field string
		port  int
	}{{"ports.rpc", i.Ports.RPC}, {"ports.admin", i.Ports.Admin}, {"ports.p2p", i.Ports.P2P}} {
		switch other := taken[p.port]; {
		case p.port < 1 || p.port > 65535:
			c.failf(p.field, "%d is not between 1 and 65535", p.port)
		case p.port < 1024:
			// The node has no capabilities, CAP_NET_BIND_SERVICE neither.
			c.failf(p.field, "%d is below 1024, which only root may listen on", p.port)
		case other != "":
			c.failf(p.field, "%d is %s, too", p.port, other)
		}
		taken[p.port] = p.field
	}
}

func (i Instance) checkP2P(c *checks, role Role, n Network) {
	switch {
	case i.P2P.IP != "" && i.P2P.QueryIP:
		c.failf("p2p.ip", "excludes p2p.query_ip")
	case i.P2P.IP != "":
		c.fail("p2p.ip", reachable(i.P2P.IP, n))
	case !i.P2P.QueryIP && i.P2PEnabled() && slices.Contains(role.Required, "p2p.ip"):
		c.failf("p2p.ip", "is missing: the public address, or query_ip = true to let the node ask for it")
	}
}

func (i Instance) checkEnv(c *checks) {
	for _, name := range slices.Sorted(maps.Keys(i.Env)) {
		field := "env." + clip(name)
		value := i.Env[name]
		if err := envfile.CheckName(name); err != nil {
			c.fail(field, errors.New("not a name of a variable"))
			continue
		}
		if hint := owned[name]; hint != "" {
			c.failf(field, "is not set here: %s", hint)
		} else if hint := secretHint(name); hint != "" {
			c.failf(field, "is a secret and does not belong into instance.toml: %s", hint)
		}
		switch {
		case value == "":
			c.failf(field, "is empty, which the node does not take for absent: leave it out")
		case strings.ContainsFunc(value, unprintable):
			c.failf(field, "contains a control character")
		default:
			c.fail(field, envfile.CheckValue(value))
		}
	}
}

// unprintable are control characters that a variable could have. Nobody needs
// them, and a terminal that shows the file would obey them.
func unprintable(r rune) bool { return unicode.IsControl(r) && r != '\t' && r != '\n' }

// secretOption are options of the node that take a secret, in argv.
var secretOption = regexp.MustCompile(`(?i)private-?key|mnemonic`)

// checkArgs keeps secrets out of the command line, which every user of the
// host can read, and out of unit files what they cannot hold.
func (i Instance) checkArgs(c *checks, field string, args []string) {
	for _, arg := range args {
		switch {
		case arg == "":
			c.failf(field, "an argument is empty")
		case secretOption.MatchString(arg):
			c.failf(field, "a key on the command line is visible to every user: --key-file hands it over safely")
		case strings.ContainsFunc(arg, unicode.IsControl):
			c.failf(field, "an argument contains a control character")
		default:
			c.fail(field, envfile.CheckValue(arg))
		}
	}
}
