package main

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What the slices share out: a tenth for provers where both want more than there
// is, and memory that is a sequencer's own, which no slice above may keep less of.
func TestSlices(t *testing.T) {
	for slice, want := range map[string][]string{
		"aztec":           {"MemoryLow=25%"},
		"aztec-sequencer": {"CPUWeight=500", "IOWeight=500", "MemoryLow=25%"},
		"aztec-prover":    {"CPUWeight=50", "IOWeight=50"},
	} {
		text, err := os.ReadFile("../../packaging/systemd/" + slice + ".slice")
		if err != nil {
			t.Fatal(err)
		}
		_, section, _ := strings.Cut(string(text), "\n[Slice]\n")
		var got []string
		for line := range strings.Lines(section) {
			if !strings.HasPrefix(line, "#") {
				got = append(got, strings.TrimSpace(line))
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s.slice: %s", slice, d)
		}
	}
}
