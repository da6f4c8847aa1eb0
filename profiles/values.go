package profiles

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// ValidURL accepts http and https with a host. User info and paths are
// allowed: providers put their keys there, so errors show neither.
func ValidURL(s string) error {
	bad := func(why string) error { return fmt.Errorf("%q: %s", RedactURL(s), why) }
	if strings.ContainsFunc(s, func(r rune) bool { return r == ',' || unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return bad("a URL has no commas and no blanks")
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return bad("not a URL") // err quotes all of s
	case u.Scheme != "http" && u.Scheme != "https":
		return bad("a URL starts with http:// or https://")
	case u.Hostname() == "":
		return bad("the URL has no host")
	case u.Fragment != "":
		return bad("a URL has no #")
	}
	if port := u.Port(); port != "" && len(port) < 6 {
		var n int
		if _, err := fmt.Sscan(port, &n); err == nil && n >= 1 && n <= 65535 {
			return nil
		}
		return bad("the port is not between 1 and 65535")
	} else if port != "" {
		return bad("the port is not between 1 and 65535")
	}
	return nil
}

// SplitList reads values with commas between, and takes none twice.
func SplitList(s string) []string {
	var list []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" && !slices.Contains(list, part) {
			list = append(list, part)
		}
	}
	return list
}

// ValidURLs accepts URLs with commas between.
func ValidURLs(s string) error {
	var errs []error
	for part := range strings.SplitSeq(s, ",") {
		errs = append(errs, ValidURL(strings.TrimSpace(part)))
	}
	return oneLine(errs)
}

// secretForm is what keys in host names of providers, or keys in the wrong
// place, look like.
var secretForm = regexp.MustCompile(`(?i)[0-9a-z_-]{28,}`)

// RedactURL shows where a URL leads and nothing that could let anybody in: no
// user info, path or query, and no long words in the host. "..." stands for
// what is left out. It takes any text, a URL or not.
func RedactURL(s string) string {
	scheme, rest := "", s
	if i := strings.Index(s, "://"); i >= 0 {
		scheme, rest = s[:i+3], s[i+3:]
	}
	end := strings.IndexAny(rest, "/?#\\")
	if end < 0 {
		end = len(rest)
	}
	host, tail := rest[:end], rest[end:]
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		host = "...@" + host[at+1:]
	}
	if strings.Contains(tail, "@") {
		host = "..." // it may be user info with a slash in it
	}
	if tail != "" && tail != "/" {
		tail = "/..."
	}
	return clip(secretForm.ReplaceAllString(scheme, "...") + secretForm.ReplaceAllString(host, "...") + tail)
}

// RedactValue shows the value of a variable without what URLs in it could let
// anybody do: see RedactURL. A value that is a secret itself stays one; see
// Variable.Secret.
func RedactValue(value string) string {
	parts := strings.Split(value, ",")
	for i, part := range parts {
		if strings.Contains(part, "://") {
			parts[i] = RedactURL(strings.TrimSpace(part))
		}
	}
	return strings.Join(parts, ",")
}

// AllowAny is who may reach the RPC port where everybody may.
const AllowAny = "any"

// EgressBroker stands for the broker, which an agent may talk to anyway: alone,
// for nobody else.
const EgressBroker = "broker"

// ValidAllow accepts who may reach a port: a CIDR, an address, or the name of
// a host. Everybody is nobody's intention.
func ValidAllow(s string) error {
	if p, err := netip.ParsePrefix(s); err == nil {
		switch {
		case p.Bits() == 0:
			return fmt.Errorf("%s is everybody: name the hosts that need the port, or say %s", s, AllowAny)
		case p != p.Masked():
			return fmt.Errorf("%s has bits set behind its prefix: write %s", s, p.Masked())
		case p.Addr().Is4In6():
			return fmt.Errorf("%s: write it as IPv4", s)
		}
		return nil
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return ValidIP(s)
	}
	if !hostForm.MatchString(s) || len(s) > 253 || strings.Trim(s, "0123456789.") == "" {
		return fmt.Errorf("%q is neither an address, nor a network such as 192.0.2.0/24, nor the name of a host", redactWord(s))
	}
	return nil
}

// ValidIP accepts an IPv4 or IPv6 address that could be somebody's. Whether
// peers can reach it depends on the network: see Network.ValidIP.
func ValidIP(s string) error {
	_, err := parseIP(s)
	return err
}

func parseIP(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		return a, fmt.Errorf("%q is not an IP address", redactWord(s))
	case a.Zone() != "" || a.Is4In6():
		return a, fmt.Errorf("%q: write the address alone, as %s", clip(s), a.Unmap().WithZone(""))
	case a.IsUnspecified() || a.IsMulticast():
		return a, fmt.Errorf("%s is nobody's address", a)
	}
	return a, nil
}

// carrierNAT is RFC 6598: addresses behind a provider's NAT.
var carrierNAT = netip.MustParsePrefix("100.64.0.0/10")

// ValidIP accepts an address that peers of the network can reach.
func (n Network) ValidIP(s string) error {
	a, err := parseIP(s)
	switch {
	case err != nil:
		return err
	case !n.Loopback && a.IsLoopback():
		return fmt.Errorf("%s is this host alone: peers cannot reach it", a)
	case n.Public && (a.IsPrivate() || a.IsLinkLocalUnicast() || carrierNAT.Contains(a)):
		return fmt.Errorf("%s is a private address: peers need the public one, or query_ip = true", a)
	}
	return nil
}

// logLevels are those of foundation/src/log/log-levels.ts.
var logLevels = []string{"silent", "fatal", "error", "warn", "info", "verbose", "debug", "trace"}

// validLogLevel accepts a level, and levels for modules after it:
// "info;debug:sequencer,archiver". The node ends on any other.
func validLogLevel(s string) error {
	for n, part := range strings.Split(s, ";") {
		level, modules, filter := strings.Cut(part, ":")
		if level = strings.TrimSpace(level); !slices.Contains(logLevels, level) {
			return fmt.Errorf("%q is none of %s", redactWord(level), strings.Join(logLevels, ", "))
		}
		if n == 0 && filter {
			return errors.New(`the level for all modules comes first: "info;debug:sequencer"`)
		}
		if n > 0 && strings.TrimSpace(modules) == "" {
			return fmt.Errorf("%q names no module: only the first level is for all", redactWord(part))
		}
	}
	return nil
}
