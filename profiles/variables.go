package profiles

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// variableFiles declare the variables that an image's node reads, as the
// TypeScript type EnvVar: compiled, and, in images before 2026, as source.
var variableFiles = []string{
	"usr/src/yarn-project/foundation/dest/config/env_var.d.ts",
	"usr/src/yarn-project/foundation/src/config/env_var.ts",
}

// ErrNoVariableList means that an image does not say which variables it reads,
// so that names cannot be checked against it.
var ErrNoVariableList = errors.New("the image has no list of variables")

// VariableSet is the variables that one image's node reads. The zero
// VariableSet knows none and accepts all.
type VariableSet struct{ names map[string]bool }

// KnownVariables reads the variables out of an image. It fails with
// ErrNoVariableList in its chain if there is no list, or none in a form that
// is understood: upstream owes us neither.
func KnownVariables(rootfs fs.FS) (VariableSet, error) {
	for _, file := range variableFiles {
		data, err := readSome(rootfs, file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return VariableSet{}, fmt.Errorf("reading %s of the image: %w", file, err)
		}
		names, err := parseUnion(string(data))
		if err != nil {
			return VariableSet{}, fmt.Errorf("reading %s of the image: %w: %w", file, ErrNoVariableList, err)
		}
		return VariableSet{names}, nil
	}
	return VariableSet{}, ErrNoVariableList
}

// Len is the number of variables in the list.
func (s VariableSet) Len() int { return len(s.names) }

// Names returns the list, sorted.
func (s VariableSet) Names() []string { return slices.Sorted(maps.Keys(s.names)) }

// Lists reports whether a variable is in the list.
func (s VariableSet) Lists(name string) bool { return s.names[name] }

// UnknownVariableError is a variable that an image's node does not read.
type UnknownVariableError struct {
	Name    string
	Nearest string // of those it reads; "" if none is near
}

func (e *UnknownVariableError) Error() string {
	text := fmt.Sprintf("this version of the node does not know the variable %s", clip(e.Name))
	if e.Nearest != "" {
		text += ": did you mean " + e.Nearest + "?"
	}
	return text
}

// Check returns an *UnknownVariableError for a variable that is neither in the
// list nor one of those that are read without being there.
func (s VariableSet) Check(name string) error {
	if len(s.names) == 0 || s.names[name] || isUnlisted(name) {
		return nil
	}
	return &UnknownVariableError{name, nearest(name, s.Names())}
}

// parseUnion reads the string literals of `export type EnvVar = 'A' | 'B';`,
// on one line or many, comments between. What follows the semicolon is a
// source map, in which other words are quoted.
func parseUnion(source string) (map[string]bool, error) {
	_, rest, found := strings.Cut(source, "export type EnvVar")
	rest, isType := strings.CutPrefix(strings.TrimLeft(rest, " \t\r\n"), "=")
	if !found || !isType {
		return nil, errors.New("no type EnvVar")
	}
	names := map[string]bool{}
	for {
		rest = strings.TrimLeft(rest, " \t\r\n|")
		switch {
		case strings.HasPrefix(rest, "//"):
			_, rest, _ = strings.Cut(rest, "\n")
		case strings.HasPrefix(rest, "/*"):
			_, rest, _ = strings.Cut(rest, "*/")
		case strings.HasPrefix(rest, "'"), strings.HasPrefix(rest, `"`):
			name, after, closed := strings.Cut(rest[1:], rest[:1])
			if !closed || strings.Trim(name, upper) != "" || name == "" {
				return nil, errors.New("a word is not the name of a variable")
			}
			names[name], rest = true, after
		case len(names) == 0:
			return nil, errors.New("the type EnvVar is not a union of words")
		case rest == "" || rest[0] == ';' || strings.HasPrefix(rest, "export "):
			return names, nil
		default:
			return nil, errors.New("the type EnvVar is not a union of words alone")
		}
	}
}

const upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

// landmarks tell the version of a node from what it reads, newest first. Each
// is a variable that came with that release, or shortly before.
var landmarks = []struct{ variable, release string }{
	{"AZTEC_ADMIN_API_KEY_HASH", "4.0.0"},
	{"KEY_STORE_DIRECTORY", "2.0.0"},
	{"BB_NUM_IVC_VERIFIERS", "0.87.0"},
	{"L1_CONSENSUS_HOST_URLS", "0.83.0"},
	{"AZTEC_ADMIN_PORT", "0.82.0"},
	{"P2P_LISTEN_ADDR", "0.81.0"},
	{"ETHEREUM_HOSTS", "0.77.1"},
	{"L1_CONSENSUS_HOST_URL", "0.75.0"},
	{"ETHEREUM_HOST", "0.67.0"},
}

// guess names a release that reads the same variables as far as we set any, ""
// if none does. It is for images that do not say their version, as those
// tagged with a commit or a network's nickname.
func (s VariableSet) guess() string {
	for _, l := range landmarks {
		if !s.names[l.variable] {
			continue
		}
		// Nothing of ours came with 5.0, but a contract went.
		if l.release == "4.0.0" && !s.names["SLASH_FACTORY_CONTRACT_ADDRESS"] {
			return "5.0.0"
		}
		return l.release
	}
	return ""
}
