package envfile

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Var is one environment variable.
type Var struct{ Name, Value string }

// maxAssignment is how long NAME=VALUE with its final NUL may be, in bytes:
// MAX_ARG_STRLEN of execve(2). A longer one keeps the service from starting.
const maxAssignment = 128 << 10

// Encode returns a file from which systemd reads exactly vars. header becomes
// a comment above them; it may have several lines.
//
// It fails for a name or value that systemd would drop (see CheckName and
// CheckValue), for a variable that is there twice, for one longer than 128 KiB,
// and for a header with a backslash, which continues a comment in some
// versions of systemd. No error contains a value.
func Encode(vars []Var, header string) ([]byte, error) {
	var b strings.Builder
	if header != "" {
		if err := CheckValue(header); err != nil || strings.ContainsAny(header, "\\\r") {
			return nil, fmt.Errorf("encoding environment: %q cannot be a comment", header)
		}
		for line := range strings.SplitSeq(header, "\n") {
			b.WriteString(strings.TrimRight("# "+line, " ") + "\n")
		}
	}
	seen := make(map[string]bool, len(vars))
	for _, v := range vars {
		if err := CheckName(v.Name); err != nil {
			return nil, fmt.Errorf("encoding environment: %w", err)
		}
		if err := CheckValue(v.Value); err != nil {
			return nil, fmt.Errorf("encoding variable %s: %w", v.Name, err)
		}
		if len(v.Name)+len("=")+len(v.Value)+len("\x00") > maxAssignment {
			return nil, fmt.Errorf("encoding variable %s: longer than %d bytes", v.Name, maxAssignment)
		}
		if seen[v.Name] {
			return nil, fmt.Errorf("encoding variable %s: it is there twice", v.Name)
		}
		seen[v.Name] = true
		b.WriteString(v.Name + "=" + quote(v.Value) + "\n")
	}
	return []byte(b.String()), nil
}

// quote leaves plain what is plain, for people who read the file. Of the
// characters that systemd unescapes in double quotes, "$" and "`" mean
// themselves without a backslash, so only the other two get one.
func quote(value string) string {
	if value != "" && strings.Trim(value, plain) == "" {
		return value
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
}

const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+./:,@%="

// CheckName refuses names that systemd drops: systemd.exec(5), Environment=.
func CheckName(name string) error {
	if name == "" {
		return errors.New("the name of a variable is empty")
	}
	for i, c := range []byte(name) {
		letter := c == '_' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return fmt.Errorf("%q is no name of a variable", name)
		}
	}
	return nil
}

// CheckValue refuses values that make systemd refuse the whole file:
// systemd.exec(5), EnvironmentFile=, "Valid characters are unicode scalar
// values other than noncharacters, U+0000 NUL, and U+FEFF". The error does not
// contain the value.
func CheckValue(value string) error {
	if !utf8.ValidString(value) {
		return errors.New("not valid UTF-8")
	}
	for _, r := range value {
		if r == 0 || r == 0xFEFF || nonCharacter(r) {
			return fmt.Errorf("contains %U, which an environment file cannot hold", r)
		}
	}
	return nil
}

func nonCharacter(r rune) bool { return r&0xFFFE == 0xFFFE || 0xFDD0 <= r && r <= 0xFDEF }
