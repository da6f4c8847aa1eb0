package profiles

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/aztec-spartan/aztec-spartan/profiles/keystore"
)

// Type is the kind of value that a variable takes.
type Type string

// The types of variables.
const (
	Text          Type = "string"
	URL           Type = "url"            // http or https
	URLs          Type = "urls"           // with commas between
	StoreURLs     Type = "store-urls"     // http, https, file, s3 or gs, with commas between
	DatabaseURL   Type = "database-url"   // of PostgreSQL
	Port          Type = "port"           // 1024 to 65535: the node is not root
	Address       Type = "address"        // on L1
	AztecAddress  Type = "aztec-address"  // 32 bytes
	PrivateKey    Type = "key"            // of secp256k1
	PrivateKeys   Type = "keys"           // with commas between
	Multiaddr     Type = "multiaddr"      // of libp2p
	ENRs          Type = "enr-list"       // EIP-778, with commas between
	Integer       Type = "integer"        // from 0
	Number        Type = "number"         // with a fraction, maybe
	Boolean       Type = "boolean"        // 1, 0, true, false
	IP            Type = "ip"             // IPv4 or IPv6
	ListenAddress Type = "listen-address" // an address of the host, or all
	HostPort      Type = "hostport"       // the host may be absent
	Path          Type = "path"           // absolute
	Paths         Type = "paths"          // with commas between
	Size          Type = "size"           // 50mb
	LogLevel      Type = "log-level"      // with levels for modules after it
	SyncMode      Type = "sync-mode"      // full, snapshot, force-snapshot
	Hash          Type = "hash"           // 64 hexadecimal digits
	Duration      Type = "duration"       // whole seconds
	ChainID       Type = "chain-id"       // from 1
	UpdateMode    Type = "auto-update"    // of AUTO_UPDATE
	NetworkName   Type = "network"        // of --network
)

// checkers judge the values of a type. Errors do not show what may be secret.
var checkers = map[Type]func(string) error{
	Text:          func(string) error { return nil },
	URL:           ValidURL,
	URLs:          ValidURLs,
	StoreURLs:     list(storeURL),
	DatabaseURL:   databaseURL,
	Port:          port,
	Address:       address,
	AztecAddress:  keystore.CheckFeeRecipient,
	PrivateKey:    privateKey,
	PrivateKeys:   list(privateKey),
	Multiaddr:     multiaddr,
	ENRs:          list(ValidENR),
	Integer:       integer,
	Number:        number,
	Boolean:       oneOf("true", "false", "1", "0", "TRUE", "FALSE", "True", "False"),
	IP:            ValidIP,
	ListenAddress: listenAddress,
	HostPort:      hostPort,
	Path:          validPath,
	Paths:         list(validPath),
	Size:          form(`^[0-9]{1,15}(\.[0-9]{1,3})?(b|kb|mb|gb|tb)?$`, "a number of bytes, such as 50mb"),
	LogLevel:      validLogLevel,
	SyncMode:      oneOf("full", "snapshot", "force-snapshot"),
	Hash:          form(`^[0-9a-f]{64}$`, "64 hexadecimal digits"),
	Duration:      form(`^[1-9][0-9]{0,8}$`, "whole seconds, and no unit"),
	ChainID:       chainID,
	UpdateMode:    oneOf("disabled", "notify", "config", "config-and-version"),
	NetworkName:   form(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`, "the name of a network"),
}

// Check judges a value. An unknown type accepts all.
func (t Type) Check(value string) error {
	if check := checkers[t]; check != nil {
		return check(value)
	}
	return nil
}

// list judges values with commas between.
func list(one func(string) error) func(string) error {
	return func(s string) error {
		var errs []error
		for part := range strings.SplitSeq(s, ",") {
			errs = append(errs, one(strings.TrimSpace(part)))
		}
		return oneLine(errs)
	}
}

func oneOf(words ...string) func(string) error {
	return func(s string) error {
		if !slices.Contains(words, s) {
			return fmt.Errorf("%q is none of %s", redactWord(s), strings.Join(words, ", "))
		}
		return nil
	}
}

func form(pattern, want string) func(string) error {
	re := regexp.MustCompile(pattern)
	return func(s string) error {
		if !re.MatchString(s) {
			return fmt.Errorf("%q is not %s", redactWord(s), want)
		}
		return nil
	}
}

// redactWord keeps what looks like a key in the wrong place off the screen.
func redactWord(s string) string { return clip(secretForm.ReplaceAllString(RedactURL(s), "...")) }

var integerForm = regexp.MustCompile(`^[0-9]+$`)

// integer is what parseSafeInteger of the node takes: no unit, and no more
// than a JavaScript number holds exactly.
func integer(s string) error {
	if n, err := strconv.ParseUint(s, 10, 64); err != nil || n > maxChainID || !integerForm.MatchString(s) {
		return fmt.Errorf("%q is not a whole number from 0, without a unit", redactWord(s))
	}
	return nil
}

func chainID(s string) error {
	if err := integer(s); err != nil || s == "0" {
		return fmt.Errorf("%q is not the ID of a chain", redactWord(s))
	}
	return nil
}

// numberForm is decimal: of 0x1p4, which Go reads, JavaScript takes the zero.
var numberForm = regexp.MustCompile(`^[0-9.eE+-]+$`)

func number(s string) error {
	if f, err := strconv.ParseFloat(s, 64); err != nil || f != f || f > 1e300 || f < -1e300 || !numberForm.MatchString(s) {
		return fmt.Errorf("%q is not a number", redactWord(s))
	}
	return nil
}

// listenAddress is ValidIP, or all of the host's addresses.
func listenAddress(s string) error {
	if s == "0.0.0.0" || s == "::" {
		return nil
	}
	return ValidIP(s)
}

func port(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || !integerForm.MatchString(s) {
		return fmt.Errorf("%q is not the number of a port", redactWord(s))
	}
	return validPort(n)
}

// validPort accepts ports that a node can listen on.
func validPort(n int) error {
	switch {
	case n < 1 || n > 65535:
		return fmt.Errorf("%d is not between 1 and 65535", n)
	case n < 1024:
		// The node has no capabilities, CAP_NET_BIND_SERVICE neither.
		return fmt.Errorf("%d is below 1024, which only root may listen on", n)
	}
	return nil
}

func address(s string) error {
	_, err := keystore.ParseAddress(s)
	return err
}

func privateKey(s string) error {
	_, err := keystore.ParseKey(s)
	return err
}

// hostPort accepts host:port, with the host absent where the node finds it out
// itself (P2P_QUERY_FOR_IP before 0.81).
func hostPort(s string) error {
	host, number, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("%q is not of the form host:port", redactWord(s))
	}
	if host != "" && !hostForm.MatchString(host) && net.ParseIP(host) == nil {
		return fmt.Errorf("%q is no host", redactWord(host))
	}
	return port(number)
}

var hostForm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\.?$`)

// validPath accepts an absolute path that a unit file can hold.
func validPath(s string) error {
	switch {
	case !strings.HasPrefix(s, "/"):
		return fmt.Errorf("%q is not an absolute path", redactWord(s))
	case strings.ContainsFunc(s, unicode.IsControl):
		return errors.New("the path has a control character")
	case strings.Contains(s+"/", "/../"), strings.Contains(s+"/", "/./"), strings.Contains(s, "//"):
		return fmt.Errorf("%q: a path without .., . and double slashes", clip(s))
	}
	return nil
}

// storeURL accepts where snapshots and blobs are kept.
func storeURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || strings.ContainsFunc(s, unicode.IsSpace):
		return fmt.Errorf("%q is not a URL", RedactURL(s))
	case u.Scheme == "http" || u.Scheme == "https":
		return ValidURL(s)
	case !slices.Contains([]string{"file", "s3", "gs"}, u.Scheme):
		return fmt.Errorf("%q: the URL of a store is one of https, s3, gs or file", RedactURL(s))
	case u.Scheme == "file" && !strings.HasPrefix(u.Path, "/"):
		return fmt.Errorf("%q: a file's URL is file:// and an absolute path", RedactURL(s))
	case u.Scheme != "file" && u.Host == "":
		return fmt.Errorf("%q: the URL names no bucket", RedactURL(s))
	}
	return nil
}

func databaseURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Host == "" {
		return errors.New("a database's URL is postgresql://, user:password@, host and /database, in this order")
	}
	return nil
}

// multiaddr accepts what begins with an address or a name and goes on with a
// port and protocols over it (multiformats/multiaddr, protocols.csv).
func multiaddr(s string) error {
	bad := fmt.Errorf("%q is not a multiaddr, such as /ip4/203.0.113.7/tcp/40400", redactWord(s))
	parts := strings.Split(s, "/")
	if len(s) > 1024 || len(parts) < 3 || parts[0] != "" {
		return bad
	}
	parts = parts[1:]
	for first := true; len(parts) > 0; first = false {
		name, value := parts[0], ""
		check, takes := multiaddrValues[name]
		if takes && len(parts) > 1 {
			value = parts[1]
		}
		_, alone := multiaddrAlone[name]
		host := strings.HasPrefix(name, "ip") || strings.HasPrefix(name, "dns")
		switch {
		case first != host, !takes && !alone, takes && !check(value):
			return bad
		case takes:
			parts = parts[2:]
		default:
			parts = parts[1:]
		}
	}
	return nil
}

var peerID = regexp.MustCompile(`^[A-Za-z0-9]{1,128}$`)

var multiaddrValues = map[string]func(string) bool{
	"ip4":  func(s string) bool { a, err := netip.ParseAddr(s); return err == nil && a.Is4() },
	"ip6":  func(s string) bool { a, err := netip.ParseAddr(s); return err == nil && a.Is6() && a.Zone() == "" },
	"dns":  hostForm.MatchString,
	"dns4": hostForm.MatchString,
	"dns6": hostForm.MatchString,
	"tcp":  multiaddrPort,
	"udp":  multiaddrPort,
	"p2p":  peerID.MatchString,
}

var multiaddrAlone = map[string]struct{}{"quic-v1": {}, "ws": {}, "wss": {}, "tls": {}}

func multiaddrPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// ValidENR accepts the text of an Ethereum Node Record: EIP-778, "enr:" and
// base64 without padding, of at most 300 bytes that begin like an RLP list. Its
// signature is for the node to check.
func ValidENR(s string) error {
	body, found := strings.CutPrefix(s, "enr:")
	if !found {
		return fmt.Errorf("%q: a node record is enr: and base64", redactWord(s))
	}
	data, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || len(data) < 70 || len(data) > 300 || data[0] < 0xc0 {
		return fmt.Errorf("%q is not a node record", clip(s))
	}
	return nil
}
