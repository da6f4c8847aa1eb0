package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/profiles/envfile"
)

// dropInRoots are where drop-ins of administrators lie (systemd.unit(5)).
var dropInRoots = []string{systemdDir, "/etc/systemd/system.control", "/run/systemd/system", "/run/systemd/system.control"}

// dropIns are the files that change a unit, those of its template among them.
func (a *app) dropIns(unit string) []string {
	var list []string
	template := unit
	if prefix, _, ok := strings.Cut(unit, "@"); ok {
		template = prefix + "@" + filepath.Ext(unit)
	}
	for _, root := range dropInRoots {
		for _, of := range []string{template, unit} {
			found, _ := filepath.Glob(a.path(filepath.Join(root, of+".d", "*.conf"))) // the pattern is fine
			list = append(list, found...)
		}
	}
	return list
}

func (a *app) reportDropIns(unit string) func(context.Context, io.Writer) error {
	return func(_ context.Context, w io.Writer) error {
		for _, f := range a.dropIns(unit) {
			text, err := os.ReadFile(f)
			if err != nil {
				return err
			}
			shown, _ := withoutValues(text)
			fmt.Fprintf(w, "# %s\n%s\n", a.hostPath(f), shown)
		}
		return nil
	}
}

// secretDirective are those of a unit whose values may be secrets.
var secretDirective = regexp.MustCompile(`^\s*(Environment|SetCredential|SetCredentialEncrypted)\s*=`)

// withoutValues takes the values of such directives, which may go on over
// several lines, out of a unit's text, and returns them.
func withoutValues(text []byte) (shown string, values []string) {
	var out strings.Builder
	inside := false
	for line := range strings.Lines(string(text)) {
		begins := !inside && secretDirective.MatchString(line)
		hidden := inside || begins
		if begins {
			name, value, _ := strings.Cut(line, "=")
			fmt.Fprintf(&out, "%s=%s\n", name, notShown)
			values = append(values, value)
		} else if hidden {
			values[len(values)-1] += line
		}
		inside = hidden && strings.HasSuffix(strings.TrimRight(line, "\r\n"), `\`)
		if !hidden {
			out.WriteString(line)
		}
	}
	return out.String(), values
}

// assignment is one of those in the value of such a directive: NAME=VALUE or
// ID:VALUE, quoted as a whole or not.
var assignment = regexp.MustCompile(`"[^"]*"|'[^']*'|[^\s\\]+`)

// environmentFiles are those that a drop-in adds.
var environmentFiles = regexp.MustCompile(`(?m)^\s*EnvironmentFile\s*=\s*"?-?(/[^"\n]*?)"?\s*$`)

// dropInSecrets are what drop-ins of a unit bring that may be secret.
func (a *app) dropInSecrets(unit string) ([]string, error) {
	catalog, err := a.catalog()
	if err != nil {
		return nil, err
	}
	var words []string
	for _, path := range a.dropIns(unit) {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		_, values := withoutValues(text)
		for _, value := range values {
			for _, part := range assignment.FindAllString(value, -1) {
				words = append(words, assignedSecrets(catalog, strings.Trim(part, `"'`))...)
			}
		}
		for _, match := range environmentFiles.FindAllStringSubmatch(string(text), -1) {
			files, _ := filepath.Glob(a.path(match[1])) // one that is missing has nothing
			for _, file := range files {
				data, err := os.ReadFile(file)
				if err != nil {
					return nil, err
				}
				vars, err := envfile.Parse(data)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", match[1], err)
				}
				for _, v := range vars.Vars {
					words = append(words, assignedSecrets(catalog, v.Name+"="+v.Value)...)
				}
			}
		}
	}
	return words, nil
}

// assignedSecrets are what in NAME=VALUE or ID:VALUE may be secret: all, but
// for variables that are known to be none.
func assignedSecrets(catalog profiles.Catalog, text string) []string {
	i := strings.IndexAny(text, "=:")
	secret := i < 0 || !shownVariable(catalog, text[:i])
	var words []string
	for _, w := range append(strings.Fields(text[i+1:]), text[i+1:]) {
		words = append(words, secretWords(w, secret)...)
	}
	return words
}
