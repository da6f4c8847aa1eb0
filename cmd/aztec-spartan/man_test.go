package main

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aztec-spartan/aztec-spartan/profiles"
)

// tomlKeys are the settings of a file, by their tables: l1.rpc. A map has keys
// of the operator's.
func tomlKeys(t reflect.Type, prefix string) []string {
	var list []string
	for f := range t.Fields() {
		key, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
		inner := f.Type
		if inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		_, text := reflect.TypeAssert[interface{ UnmarshalText([]byte) error }](reflect.New(inner))
		switch {
		case key == "-", inner == reflect.TypeFor[profiles.Update]() && f.Anonymous: // that is described where it is at home
		case f.Anonymous:
			list = append(list, tomlKeys(inner, prefix)...)
		case inner.Kind() == reflect.Struct && !text:
			list = append(list, tomlKeys(inner, prefix+key+".")...)
		case inner.Kind() == reflect.Map:
			list = append(list, prefix+key+".NAME")
		default:
			list = append(list, prefix+key)
		}
	}
	return list
}

var (
	manTable   = regexp.MustCompile(`^\.SS \[([^\]]+)\]$`)
	manSetting = regexp.MustCompile(`^\.(?:B|BR|IR) ([a-zA-Z0-9_]+)(?: .*)?$`)
)

// manKeys are the settings that a man page describes.
func manKeys(page string) []string {
	var list []string
	table, tagged := "", false
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		if m := manTable.FindStringSubmatch(line); m != nil {
			table = m[1] + "."
		}
		if strings.HasPrefix(line, ".SH") {
			table = ""
		}
		if m := manSetting.FindStringSubmatch(line); m != nil && tagged {
			list = append(list, table+m[1])
		}
		tagged = line == ".TP"
	}
	return list
}

// The man pages of section 5 describe every setting, and none that is not.
func TestManPagesOfFiles(t *testing.T) {
	for path, file := range map[string]reflect.Type{
		"../../packaging/man/aztec-spartan-config.toml.5":   reflect.TypeFor[hostConfig](),
		"../../packaging/man/aztec-spartan-instance.toml.5": reflect.TypeFor[profiles.Instance](),
	} {
		page, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want, got := tomlKeys(file, ""), manKeys(string(page))
		slices.Sort(want)
		slices.Sort(got)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: -settings +described:\n%s", path, d)
		}
	}
}

// The example of instance.toml is a valid one.
func TestExampleInstance(t *testing.T) {
	text, err := os.ReadFile("../../packaging/config/instance.toml")
	if err != nil {
		t.Fatal(err)
	}
	inst, err := profiles.ParseInstance("val1", text)
	if err != nil {
		t.Fatal(err)
	}
	a := newApp(os.Stderr)
	a.root = t.TempDir() // no roles and networks of this machine's
	catalog, err := a.catalog()
	if err != nil {
		t.Fatal(err)
	}
	if err := catalog.Validate(inst); err != nil {
		t.Error(err)
	}
}
