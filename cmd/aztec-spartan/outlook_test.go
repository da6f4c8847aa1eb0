package main

import (
	"strings"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// Who does not know what the other version has signed must not sign, on the way
// there as on the way back.
func TestSilenced(t *testing.T) {
	for name, c := range map[string]struct {
		is   int
		plan roll.DataPlan
		want string
	}{
		"both know it":           {1, roll.DataPlan{FromSigns: 1, ToSigns: 1}, ""},
		"nothing was signed":     {0, roll.DataPlan{}, ""},
		"the new one has more":   {1, roll.DataPlan{FromSigns: 1, ToSigns: 2}, "4.1.2 would not sign after a way back: what was signed is in a signing-protection of schema 2, and it opens those up to 1"},
		"the old one has none":   {0, roll.DataPlan{ToSigns: 1}, "4.1.2 would not sign after a way back"},
		"the way to an older":    {2, roll.DataPlan{FromSigns: 2, ToSigns: 1, Older: true}, "4.1.3 would not sign from its start on: what was signed is in a signing-protection of schema 2"},
		"to an older that knows": {1, roll.DataPlan{FromSigns: 2, ToSigns: 1, Older: true}, ""},
	} {
		if got := silenced(c.is, c.plan, "4.1.2", "4.1.3"); got == "" != (c.want == "") || !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestTellData(t *testing.T) {
	for name, c := range map[string]struct {
		o     dataOutlook
		stops bool
		want  string
	}{
		"none":    {dataOutlook{empty: true}, true, ""},
		"as is":   {dataOutlook{Known: true}, true, "val1: 4.2.0 opens its data as they are\n"},
		"unknown": {dataOutlook{}, true, "val1: whether 4.2.0 opens its data as they are is known when its image is here: aztec-spartan pull r/aztec:4.2.0\n"},
		"kept": {
			dataOutlook{Known: true, Why: "4.2.0 wants schema 6 of archiver, which has 5", Method: roll.DataClone, How: "3 MiB, cloned"},
			true,
			"val1: 4.2.0 wants schema 6 of archiver, which has 5; its data would be kept for the way back: 3 MiB, cloned\n",
		},
		"a sync": {
			dataOutlook{Known: true, Why: "5.0.0 is of another rollup", Method: roll.DataResync, How: "1 TiB are too much"},
			true,
			"warning: val1: 5.0.0 is of another rollup, and its data cannot be kept: 1 TiB are too much; going back would mean a sync from the beginning, so an unattended update would stop before it begins\n",
		},
		"a sync, and go": {
			dataOutlook{Known: true, Why: "it may", Method: roll.DataResync, How: "no room"},
			false,
			"warning: val1: it may, and its data cannot be kept: no room; going back would mean a sync from the beginning\n",
		},
		"signing": {dataOutlook{Known: true, Signing: "4.1.2 would not sign"}, true, "val1: 4.2.0 opens its data as they are\nwarning: val1: 4.1.2 would not sign\n"},
	} {
		var said strings.Builder
		a := newApp(&said)
		a.err = &said
		a.tellData(&checked{Name: "val1", ToRef: "r/aztec:4.2.0", Data: &c.o}, "4.2.0", c.stops)
		if said.String() != c.want {
			t.Errorf("%s: %q", name, said.String())
		}
	}
}

// What is done about the data is said before a roll begins; that they cannot be
// kept ends an unattended one there, unless its policy says go.
func TestSayPlan(t *testing.T) {
	away := dataOutlook{Why: "5.0.0 is of another rollup", Method: roll.DataResync, How: "1 TiB are too much"}
	for name, c := range map[string]struct {
		o     dataOutlook
		stops bool
		want  []string
	}{
		"as is":    {dataOutlook{}, true, []string{""}},
		"copied":   {dataOutlook{Why: "it may", Method: roll.DataCopy, How: "3 MiB, copied"}, true, []string{"val1: it may; its data are kept for the way back (3 MiB, copied)\n"}},
		"swapped":  {dataOutlook{Why: "it may", Method: roll.DataSwap, How: "those of then come back"}, true, []string{"val1: it may; those of then come back, those of 4.1.2 are kept\n"}},
		"silenced": {dataOutlook{Signing: "4.1.2 would not sign"}, true, []string{"warning: val1: 4.1.2 would not sign\n"}},
		"asked":    {away, false, []string{"warning: val1: 5.0.0 is of another rollup, and its data cannot be kept: 1 TiB are too much; going back will mean a sync from the beginning\n"}},
		"stops":    {away, true, []string{"warning: val1: 5.0.0 ", "aztec-spartan: updating val1: its data could not come back: 1 TiB are too much\nhint: aztec-spartan update val1 --to 5.0.0 does it nevertheless, or without_copy = \"go\""}},
	} {
		var said strings.Builder
		a := newApp(&said)
		a.err = &said
		err := a.sayPlan("val1", c.o, "4.1.2", "5.0.0", c.stops)
		if code := a.report(err); (code != 0) != (name == "stops") {
			t.Errorf("%s: exit code %d", name, code)
		}
		for _, want := range c.want {
			if !strings.Contains(said.String(), want) || want == "" && said.Len() > 0 {
				t.Errorf("%s: %q", name, said.String())
			}
		}
	}
}
