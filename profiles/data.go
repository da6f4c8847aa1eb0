package profiles

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"reflect"
	"slices"
	"strings"
	"unicode"

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

// datum is what a file of the catalog decodes to.
type datum interface {
	named(name string) // of the file
	check() error      // first thing wrong, as a *FieldError
}

// maxFile bounds what is read of a file of the catalog.
const maxFile = 1 << 20

// load decodes every NAME.toml of a directory, sorted by name.
func load[T any](fsys fs.FS, dir string) ([]T, error) {
	files, err := fs.Glob(fsys, dir+"/*.toml")
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", dir, err)
	}
	var list []T
	for _, file := range files {
		item, err := decode[T](fsys, file)
		if err != nil {
			return nil, err
		}
		list = append(list, item)
	}
	return list, nil
}

// decode reads one file, and accepts no key that it does not know: what an
// operator misspelt would have no effect.
func decode[T any](fsys fs.FS, file string) (item T, err error) {
	fail := func(err error) (T, error) {
		var none T
		return none, fmt.Errorf("reading %s: %w", file, err)
	}
	info, err := fs.Stat(fsys, file)
	if err != nil {
		return fail(err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return fail(fmt.Errorf("it is no file of at most %d bytes", maxFile))
	}
	data, err := fs.ReadFile(fsys, file)
	if err != nil {
		return fail(err)
	}
	var version struct {
		Schema int `toml:"schema"`
	}
	if _, err := toml.Decode(string(data), &version); err != nil {
		return fail(err)
	}
	if version.Schema > Schema {
		return fail(newerSchema(version.Schema))
	}
	if version.Schema < 1 {
		return fail(fmt.Errorf("schema: is missing: schema = %d belongs at the top", Schema))
	}
	meta, err := toml.Decode(string(data), &item)
	if err != nil {
		return fail(err)
	}
	known := settings(reflect.TypeFor[T](), "")
	for _, k := range meta.Keys() {
		// Compared letter by letter: the decoder would take ROLE for role.
		if key := k.String(); !slices.Contains(known, key) {
			return fail(unknown("key", clip(key), known))
		}
	}
	if d, ok := any(&item).(datum); ok {
		d.named(strings.TrimSuffix(path.Base(file), ".toml"))
		if err := d.check(); err != nil {
			return fail(err)
		}
	}
	return item, nil
}

// settings lists the keys of a struct as the file spells them, those of
// tables with a dot.
func settings(t reflect.Type, prefix string) []string {
	var list []string
	for n := range t.NumField() {
		f := t.Field(n)
		key, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
		if key == "-" {
			continue
		}
		list = append(list, prefix+key)
		inner := f.Type
		if inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			list = append(list, settings(inner, prefix+key+".")...)
		}
	}
	return list
}

// checkRange accepts constraints of hashicorp/go-version.
func checkRange(constraints string) error {
	if constraints == "" {
		return errors.New(`is missing: a range such as ">= 2, < 5"`)
	}
	_, err := era{}.within(constraints)
	return err
}

// checkLine accepts text for one line of a unit file.
func checkLine(s string) error {
	switch {
	case strings.TrimSpace(s) == "":
		return errors.New("is missing")
	case len(s) > 200 || strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("%q: not one line of at most 200 bytes", clip(s))
	}
	return nil
}

// at is the error of a key, nil if there is none.
func at(key string, err error) error {
	if err == nil {
		return nil
	}
	return &FieldError{key, err}
}
