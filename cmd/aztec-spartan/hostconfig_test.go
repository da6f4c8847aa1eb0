package main

import (
	"io"
	"os"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// config.toml of the packages says what holds without it, so that who removes a
// line, or the file, changes nothing.
func TestPackagedConfigIsTheDefault(t *testing.T) {
	a := &app{root: t.TempDir(), out: io.Discard, err: io.Discard}
	want, err := a.hostConfig()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../packaging/config/config.toml")
	if err != nil {
		t.Fatal(err)
	}
	put(t, a.path(configFile), string(text))
	got, err := a.hostConfig()
	if err != nil {
		t.Fatal(err)
	}
	want.Schema = hostConfigSchema
	want.Update.Update = got.Update.Update // their defaults are where they are used, since instances have them, too
	everything := cmp.Exporter(func(reflect.Type) bool { return true })
	if d := cmp.Diff(want, got, everything, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("-without +with config.toml:\n%s", d)
	}
}
