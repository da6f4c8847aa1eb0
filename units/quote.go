package units

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// quoteArg renders one argument of ExecStart= so that systemd passes exactly
// arg: systemd.service(5), "Command lines", expands "$" and unquotes, and
// systemd.unit(5), "Specifiers", expands "%".
func quoteArg(arg string) (string, error) {
	if err := printable(arg); err != nil {
		return "", fmt.Errorf("quoting argument %q: %w", arg, err)
	}
	escaped := strings.NewReplacer("%", "%%", "$", "$$").Replace(arg)
	if escaped != "" && escaped != ";" && !strings.ContainsAny(escaped, " \t\"'\\") {
		return escaped, nil
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(escaped) + `"`, nil
}

// quoteAssignment renders NAME=value for Environment=. Unlike ExecStart=, "$"
// has no meaning there (systemd.exec(5), Environment=), specifiers do.
func quoteAssignment(name, value string) (string, error) {
	if err := variableName(name); err != nil {
		return "", err
	}
	if err := printable(value); err != nil {
		return "", fmt.Errorf("quoting the value of %s: %w", name, err)
	}
	return `"` + name + "=" + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%").Replace(value) + `"`, nil
}

// variableName refuses what is no name of a variable (systemd.exec(5),
// Environment=). Names come from images: one with a newline in it would be a
// line of the unit, run as root.
func variableName(name string) error {
	for i, r := range name {
		if r != '_' && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (i == 0 || r < '0' || r > '9') {
			return fmt.Errorf("%q is not the name of a variable", name)
		}
	}
	if name == "" {
		return fmt.Errorf("a variable has no name")
	}
	return nil
}

// printable refuses what would end the line of a unit file or is not text:
// an image's configuration is input from outside.
func printable(s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("not valid UTF-8")
	}
	for _, r := range s {
		if r != '\t' && unicode.IsControl(r) {
			return fmt.Errorf("control character %U", r)
		}
	}
	return nil
}

// plainPath accepts only what stands for itself in BindReadOnlyPaths=,
// RootDirectory= and LoadCredential=, where ":" separates and spaces split.
func plainPath(p string) error {
	if !strings.HasPrefix(p, "/") {
		return fmt.Errorf("path %q: not absolute", p)
	}
	for _, r := range p {
		if r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("/._-@+", r) {
			return fmt.Errorf("path %q: character %q has a meaning in unit files", p, r)
		}
	}
	return nil
}
