package journal

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// colours are the escape sequences that only change colours (ECMA-48, SGR).
var colours = regexp.MustCompile("\x1b\\[[0-9;:]*m")

func withoutColours(s string) string {
	if !strings.Contains(s, "\x1b") {
		return s
	}
	return colours.ReplaceAllString(s, "")
}

// harmless is a message with nothing in it that a terminal would act upon:
// colours are dropped, other control characters and the marks that turn the
// direction of text are spelled out. Tabs and ends of lines stay.
func harmless(s string) string {
	s = withoutColours(s)
	if strings.IndexFunc(s, acts) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case !acts(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// acts reports whether a terminal does something on a character other than
// showing it.
func acts(r rune) bool {
	switch {
	case r == '\t' || r == '\n':
		return false
	case r < 0x20, r >= 0x7f && r <= 0x9f: // C0, DEL, C1
		return true
	case r == 0x61c, r == 0x200e, r == 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069: // bidirectional (UAX #9)
		return true
	case r == 0x2028, r == 0x2029: // line and paragraph separators
		return true
	}
	return false
}

// Plain is a message as people see it in the short format, without the time
// that the node put before it.
func Plain(message string) string {
	if n, ok := parseNode(message); ok {
		message = n.text
	}
	return harmless(message)
}
