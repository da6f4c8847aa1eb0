package main

import (
	"strings"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/units/data"
)

func TestEndangered(t *testing.T) {
	stores := map[string]data.Version{"archiver": {Schema: 5}, "world_state": {Schema: 2}, data.Protection: {Schema: 1}}
	same := map[string]int{"archiver": 5, "world_state": 2}
	for name, c := range map[string]struct {
		stores  map[string]data.Version
		schemas map[string]int
		from    string
		to      string
		want    string
	}{
		"the same schemas":           {stores, same, "4.1.2", "4.2.0", ""},
		"a newer one":                {stores, map[string]int{"archiver": 6, "world_state": 2}, "4.1.2", "4.1.3", "wants schema 6 of archiver, which has 5"},
		"an older one":               {stores, map[string]int{"archiver": 4, "world_state": 2}, "4.1.2", "4.1.1", "wants schema 4 of archiver, which has 5"},
		"another rollup":             {stores, same, "4.1.2", "5.0.0", "another rollup"},
		"nothing said, a patch":      {stores, nil, "4.1.2", "4.1.3", ""},
		"nothing said, a minor":      {stores, nil, "4.1.2", "4.2.0", "does not say which schema it wants of archiver, world_state"},
		"nothing said, a minor back": {stores, map[string]int{"archiver": 5}, "4.2.0", "4.1.2", "wants of world_state"},
		"no stores":                  {nil, nil, "4.1.2", "5.0.0", ""},
		"commits":                    {stores, same, "0.0.1-commit.abc", "weird", "cannot be compared"},
		"a store that is not whole":  {map[string]data.Version{"archiver": {}}, same, "4.1.2", "4.1.3", "which has 0"},
		"only what was signed":       {map[string]data.Version{data.Protection: {Schema: 1}}, nil, "4.1.2", "4.2.0", ""},
	} {
		if got := endangered(c.stores, c.schemas, c.from, c.to); got == "" != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestMayBeOlder(t *testing.T) {
	for _, c := range []struct {
		from, to string
		want     bool
	}{
		{"4.1.2", "4.1.3", false},
		{"4.1.3", "4.1.2", true},
		{"4.1.2", "4.1.2", false},
		{"6.0.0-rc.1", "6.0.0", false},
		{"6.0.0", "6.0.0-rc.1", true},
		{"weird", "4.1.2", true},
	} {
		if got := mayBeOlder(c.from, c.to); got != c.want {
			t.Errorf("%s to %s: %v", c.from, c.to, got)
		}
	}
}
