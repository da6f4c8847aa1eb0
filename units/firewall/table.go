package firewall

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Name is the table's, of family inet.
const Name = "aztec_spartan"

// Port is a TCP port that this host and, besides, Allow may connect to.
type Port struct {
	Number int
	Owner  string         // instance and purpose, for the reader of the table
	Allow  []netip.Prefix // other machines
}

// Script returns what nft -f makes the table of, whether there is one already or not. Other tables are left alone. Without ports it
// removes the table. The same ports give the same bytes, in whatever order they come.
func Script(ports []Port) []byte {
	var b strings.Builder
	// An "add" of what is there is no error, a "delete" of what is not is one.
	fmt.Fprintf(&b, "add table inet %[1]s\ndelete table inet %[1]s\n", Name)
	if len(ports) == 0 {
		return []byte(b.String())
	}
	ports = slices.Clone(ports)
	slices.SortFunc(ports, func(a, b Port) int {
		if a.Number != b.Number {
			return a.Number - b.Number
		}
		return strings.Compare(a.Owner, b.Owner)
	})
	fmt.Fprintf(&b, "table inet %s {\n\tchain input {\n", Name)
	// Before the chains of distributions, at priority 0: their "accept" does not end other chains, their "drop" does.
	b.WriteString("\t\ttype filter hook input priority -10; policy accept;\n")
	// What a host sends to an address of its own comes by this interface too.
	b.WriteString("\t\tiifname \"lo\" accept\n")
	for _, p := range ports {
		fmt.Fprintf(&b, "\t\t# %s\n", owner(p.Owner))
		for _, family := range []struct {
			name string
			is   func(netip.Addr) bool
		}{{"ip", netip.Addr.Is4}, {"ip6", netip.Addr.Is6}} {
			if set := prefixes(p.Allow, family.is); set != "" {
				fmt.Fprintf(&b, "\t\ttcp dport %d %s saddr { %s } accept\n", p.Number, family.name, set)
			}
		}
		// A refusal, not silence: whoever tries by mistake sees at once that the port is closed.
		fmt.Fprintf(&b, "\t\ttcp dport %d reject with tcp reset\n", p.Number)
	}
	b.WriteString("\t}\n}\n")
	return []byte(b.String())
}

// prefixes lists those of one family for a set, in which nft takes no overlaps.
func prefixes(allow []netip.Prefix, is func(netip.Addr) bool) string {
	var kept []netip.Prefix
	all := make([]netip.Prefix, 0, len(allow))
	for _, p := range allow {
		if p = unmapped(p).Masked(); p.IsValid() && is(p.Addr()) {
			all = append(all, p)
		}
	}
	// The widest first, so that what is inside one that is kept is seen to be.
	slices.SortFunc(all, func(a, b netip.Prefix) int {
		if a.Bits() != b.Bits() {
			return a.Bits() - b.Bits()
		}
		return a.Addr().Compare(b.Addr())
	})
	for _, p := range all {
		if !slices.ContainsFunc(kept, func(k netip.Prefix) bool { return k.Contains(p.Addr()) }) {
			kept = append(kept, p)
		}
	}
	slices.SortFunc(kept, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	text := make([]string, len(kept))
	for i, p := range kept {
		text[i] = p.String()
	}
	return strings.Join(text, ", ")
}

// unmapped makes an IPv4 prefix of one that is written as IPv6 (RFC 4291, 2.5.5.2): packets of it come as IPv4.
func unmapped(p netip.Prefix) netip.Prefix {
	if !p.Addr().Is4In6() || p.Bits() < 96 {
		return p
	}
	return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
}

// owner fits a comment.
func owner(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
