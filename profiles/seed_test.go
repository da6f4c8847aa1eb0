package profiles

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// Each variable and flag of the tool that this one replaces has a place: a
// setting, a place in [env], a file for keys, or a reason why it is gone.
func TestSeedHasAPlace(t *testing.T) {
	data, err := os.ReadFile("testdata/seed.txt")
	if err != nil {
		t.Fatal(err)
	}
	c, keys := BuiltIn(), settings(reflect.TypeFor[Instance](), "")
	variables, flags := 0, 0
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		kind, first, second := words[0], words[1], words[2]
		name := first
		if kind == "flag" {
			name = second
		}
		v, ok := c.Variable(name)
		if !ok {
			t.Errorf("%s is not known", name)
			continue
		}
		if kind == "flag" {
			flags++
			if !slices.Contains(keys, v.Setting) && !v.Secret {
				t.Errorf("flag %s: %s has no setting", first, name)
			}
			continue
		}
		variables++
		if v.Setting != "" && !slices.Contains(keys, v.Setting) {
			t.Errorf("%s: there is no setting %s", name, v.Setting)
		}
		if (v.Foreign || v.Until != "") && v.Fate == "" {
			t.Errorf("%s: nothing says what became of it", name)
		}
		if second != "-" && second != "auto" {
			if err := v.Type.Check(strings.ToLower(second)); err != nil {
				t.Errorf("%s: the default of its time: %v", name, err)
			}
		}
	}
	if variables < 75 || flags != 13 {
		t.Errorf("the file has %d variables and %d flags", variables, flags)
	}
}

// What is said of variables agrees with itself, and with upstream's lists.
func TestVariablesAreTrue(t *testing.T) {
	c, keys := BuiltIn(), settings(reflect.TypeFor[Instance](), "")
	var roles []string
	for _, r := range c.Roles() {
		roles = append(roles, r.Name)
	}
	for _, v := range c.variables {
		for _, r := range v.Roles {
			if !slices.Contains(roles, r) {
				t.Errorf("%s: there is no role %s", v.Name, r)
			}
		}
		if _, ok := c.Variable(v.Successor); v.Successor != "" && !ok {
			t.Errorf("%s: its successor %s is not known", v.Name, v.Successor)
		}
		if v.Setting != "" && !slices.Contains(keys, v.Setting) {
			t.Errorf("%s: there is no setting %s", v.Name, v.Setting)
		}
		if v.Secret && v.Default != "" {
			t.Errorf("%s is a secret with a default", v.Name)
		}
		for _, release := range []string{"0.67.1", "0.76.4", "0.81.0", "0.82.3", "0.87.9", "1.2.1", "2.1.11", "4.1.2", "5.2.0"} {
			e, _ := eraOf(release)
			read := known(t, release).Lists(v.Name)
			if gone := v.gone(e); gone != nil && read {
				t.Errorf("%v, but %s has it", gone, release)
			}
			if v.Until != "" && !e.since(v.Until) && (v.Since == "" || e.since(v.Since)) && !read && !v.Foreign {
				t.Errorf("%s has no %s", release, v.Name)
			}
		}
	}
}
