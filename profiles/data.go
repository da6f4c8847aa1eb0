package profiles

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// Schema is the version of instance.toml and of the files of roles and
// networks.
const Schema = 1

// ErrSchema is met in a file that a newer aztec-spartan wrote.
var ErrSchema = errors.New("it was written by a newer aztec-spartan")

func newerSchema(found int) error {
	return fmt.Errorf("schema %d is newer than %d, the newest known here: %w", found, Schema, ErrSchema)
}

//go:embed roles/*.toml networks/*.toml
var builtIn embed.FS

// load decodes every NAME.toml of a directory, sorted by name.
func load[T any](fsys fs.FS, dir string) (names []string, list []T, err error) {
	files, err := fs.Glob(fsys, dir+"/*.toml")
	if err != nil {
		return nil, nil, err
	}
	for _, file := range files {
		var item T
		meta, err := toml.DecodeFS(fsys, file, &item)
		if err != nil {
			return nil, nil, fmt.Errorf("reading %s: %w", file, err)
		}
		if unknown := meta.Undecoded(); len(unknown) > 0 {
			return nil, nil, fmt.Errorf("reading %s: unknown key %s", file, unknown[0])
		}
		names = append(names, strings.TrimSuffix(path.Base(file), ".toml"))
		list = append(list, item)
	}
	return names, list, nil
}

// must is for what is compiled in.
func must[T any](v T, err error) T {
	if err != nil {
		panic("profiles: built-in data: " + err.Error())
	}
	return v
}

// unknown is the error for a name, or none, that is not among known.
func unknown(what, name string, known []string) error {
	slices.Sort(known)
	if name == "" {
		return fmt.Errorf("is missing: one of %s", strings.Join(known, ", "))
	}
	if near := nearest(name, known); near != "" {
		return fmt.Errorf("unknown %s %q: did you mean %s?", what, name, near)
	}
	return fmt.Errorf("unknown %s %q: known are %s", what, name, strings.Join(known, ", "))
}
