package adoption

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/aztec-spartan/aztec-spartan/profiles/envfile"
)

// lookup is the value of a variable, and whether it is set.
type lookup func(name string) (string, bool)

// chain looks in several places, the first first.
func chain(all ...lookup) lookup {
	return func(name string) (string, bool) {
		for _, l := range all {
			if v, ok := l(name); ok {
				return v, true
			}
		}
		return "", false
	}
}

// environment is a list of variables, of which the last value of a name holds.
type environment []envfile.Var

func (e environment) lookup(name string) (string, bool) {
	for i := len(e) - 1; i >= 0; i-- {
		if e[i].Name == name {
			return e[i].Value, true
		}
	}
	return "", false
}

// Bounds of what a node is set up with. The kernel takes no value that is longer
// (execve(2), MAX_ARG_STRLEN), and versions know some 400 variables; what goes
// beyond is a few lines that name each other, made to fill the memory.
const (
	maxVariables = 2000
	maxValue     = 128 << 10 // bytes of one
	maxValues    = 1 << 20   // bytes of all
)

var errTooLong = errors.New("a value is longer than 128 KiB")

// add is set that fails for more than any node has.
func (e *environment) add(name, value string) error {
	*e = e.set(name, value)
	size := 0
	for _, v := range *e {
		size += len(v.Value)
	}
	switch {
	case len(*e) > maxVariables:
		return fmt.Errorf("more than %d variables", maxVariables)
	case size > maxValues:
		return errors.New("the values of its variables are longer than 1 MiB")
	}
	return nil
}

// set replaces or adds.
func (e environment) set(name, value string) environment {
	for i := range e {
		if e[i].Name == name {
			e[i].Value = value
			return e
		}
	}
	return append(e, envfile.Var{Name: name, Value: value})
}

// parseDotenv reads a file as compose reads .env and env_file
// (docs.docker.com, Compose, "Env file syntax"): single quotes are literal,
// double quotes know escapes, a comment begins after white space, and all but
// single quotes is interpolated.
func parseDotenv(data []byte, outer lookup) (environment, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("it is not UTF-8")
	}
	var env environment
	for n, line := range strings.Split(strings.TrimPrefix(string(data), "\ufeff"), "\n") {
		line = strings.TrimSpace(strings.TrimSuffix(line, "\r"))
		line = strings.TrimSpace(strings.TrimPrefix(line, "export "))
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, given := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		if err := envfile.CheckName(name); err != nil {
			return nil, fmt.Errorf("line %d: not NAME=VALUE", n+1)
		}
		if !given {
			if v, ok := outer(name); ok {
				if err := env.add(name, v); err != nil {
					return nil, fmt.Errorf("line %d: %w", n+1, err)
				}
			}
			continue
		}
		value, err := dotenvValue(strings.TrimSpace(value), chain(outer, env.lookup))
		if err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", n+1, name, err)
		}
		if err := env.add(name, value); err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	return env, nil
}

func dotenvValue(s string, vars lookup) (string, error) {
	if s == "" {
		return "", nil
	}
	switch quote := s[0]; quote {
	case '\'':
		end := strings.IndexByte(s[1:], '\'')
		if end < 0 {
			return "", errors.New("the quote is not closed on its line")
		}
		return s[1 : end+1], nil
	case '"':
		var b strings.Builder
		for i := 1; i < len(s); i++ {
			switch c := s[i]; {
			case c == '"':
				return interpolate(b.String(), vars)
			case c == '\\' && i+1 < len(s):
				i++
				switch s[i] {
				case 'n':
					b.WriteByte('\n')
				case 't':
					b.WriteByte('\t')
				case 'r':
					b.WriteByte('\r')
				case '$':
					b.WriteString("$$")
				default:
					b.WriteByte(s[i])
				}
			default:
				b.WriteByte(c)
			}
		}
		return "", errors.New("the quote is not closed on its line")
	}
	for i := 0; i < len(s); i++ {
		if s[i] == '#' && (i == 0 || s[i-1] == ' ' || s[i-1] == '\t') {
			s = s[:i]
			break
		}
	}
	return interpolate(strings.TrimSpace(s), vars)
}

// maxDepth bounds defaults within defaults.
const maxDepth = 10

// interpolate replaces $X, ${X}, ${X-d}, ${X:-d}, ${X+a}, ${X:+a}, ${X?e} and
// ${X:?e} (docs.docker.com, Compose file reference, "Interpolation"). $$ is a
// dollar sign. What is not set is empty.
func interpolate(s string, vars lookup) (string, error) { return expand(s, vars, 0) }

func expand(s string, vars lookup, depth int) (string, error) {
	if depth > maxDepth {
		return "", errors.New("variables within variables are too deep")
	}
	var b strings.Builder
	for {
		if b.Len() > maxValue {
			return "", errTooLong
		}
		i := strings.IndexByte(s, '$')
		if i < 0 || i+1 == len(s) {
			b.WriteString(s)
			return b.String(), nil
		}
		b.WriteString(s[:i])
		s = s[i+1:]
		switch {
		case s[0] == '$':
			b.WriteByte('$')
			s = s[1:]
		case s[0] == '{':
			end := closing(s)
			if end < 0 {
				return "", errors.New("${ is not closed")
			}
			v, err := braced(s[1:end], vars, depth)
			if err != nil {
				return "", err
			}
			b.WriteString(v)
			s = s[end+1:]
		default:
			n := nameLength(s)
			if n == 0 {
				b.WriteByte('$')
				continue
			}
			v, _ := vars(s[:n])
			b.WriteString(v)
			s = s[n:]
		}
	}
}

// closing is where the brace that s begins with is closed, -1 if nowhere.
func closing(s string) int {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

func nameLength(s string) int {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return i
		}
	}
	return len(s)
}

func braced(s string, vars lookup, depth int) (string, error) {
	n := nameLength(s)
	name, rest := s[:n], s[n:]
	if n == 0 {
		return "", errors.New("${ without the name of a variable")
	}
	value, set := vars(name)
	if rest == "" {
		return value, nil
	}
	if rest[0] == ':' {
		set, rest = set && value != "", rest[1:]
	}
	if rest == "" {
		return "", fmt.Errorf("${%s: cannot be read", name)
	}
	switch op, word := rest[0], rest[1:]; op {
	case '-':
		if set {
			return value, nil
		}
		return expand(word, vars, depth+1)
	case '+':
		if !set {
			return "", nil
		}
		return expand(word, vars, depth+1)
	case '?':
		if !set {
			return "", fmt.Errorf("%s must be set", name)
		}
		return value, nil
	}
	return "", fmt.Errorf("${%s: cannot be read", name)
}
