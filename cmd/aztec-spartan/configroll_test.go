package main

import (
	"strings"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// config does not put another image in the place of one that has run.
func TestConfigOfAnotherVersion(t *testing.T) {
	const repository = "index.docker.io/aztecprotocol/aztec"
	active := units.Meta{Generation: 1, Image: "a", Version: "4.1.2", Reference: repository + ":4.1.2"}
	for name, test := range map[string]struct {
		active         units.Meta
		image          string // "": not here
		ref, written   string
		refused, hints string
	}{
		"a new instance":       {image: "b", ref: repository + ":4.1.3"},
		"a setting":            {active: active, image: "a", ref: repository + ":4.1.2", written: repository + ":4.1.2"},
		"the image is away":    {active: active, ref: repository + ":4.1.2", written: repository + ":4.1.2"},
		"another version":      {active, "b", repository + ":4.1.3", repository + ":4.1.2", "it has 4.1.2", "aztec-spartan update val1 --to 4.1.3;"},
		"a digest":             {active, "b", repository + ":4.1.3@sha256:b", repository + ":4.1.2", "it has 4.1.2", "update val1 --to " + repository + ":4.1.3@sha256:b;"},
		"another repository":   {active, "b", "r.example/node:6.0.0", repository + ":4.1.2", "it has 4.1.2", "update val1 --to r.example/node:6.0.0;"},
		"edited instance.toml": {active, "b", repository + ":4.1.3", repository + ":4.1.3", "it has 4.1.2", `image = "` + repository + `:4.1.2" in instance.toml, and then aztec-spartan update val1 --to 4.1.3;`},
	} {
		inst := profiles.New("val1")
		inst.Image = test.ref
		p := &configPlan{inst: inst, active: test.active}
		if test.image != "" {
			p.rendered = &rendered{Generation: roll.Generation{Image: test.image}}
		}
		var said strings.Builder
		code := newApp(&said).report(canSwitch(p, test.written))
		switch {
		case test.refused == "" && code != 0:
			t.Errorf("%s: %s", name, said.String())
		case test.refused != "" && (code != exitUsage || !strings.Contains(said.String(), test.refused) || !strings.Contains(said.String(), "hint: ") || !strings.Contains(said.String(), test.hints)):
			t.Errorf("%s: code %d: %s", name, code, said.String())
		}
	}
}
