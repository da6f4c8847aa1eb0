package packages

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each unit that can be enabled has a line in a preset, which says whether an
// installation does.
func TestPresetsNameUnits(t *testing.T) {
	named := map[string]bool{}
	presets, err := filepath.Glob("../systemd-preset/*-aztec*.preset")
	if err != nil || len(presets) == 0 {
		t.Fatalf("%q, %v", presets, err)
	}
	line := regexp.MustCompile(`(?m)^(?:enable|disable) (\S+)$`)
	for _, path := range presets {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range line.FindAllStringSubmatch(string(text), -1) {
			named[m[1]] = true
		}
	}
	units, err := filepath.Glob("../systemd/*.*")
	if err != nil || len(units) < 10 {
		t.Fatalf("%q, %v", units, err)
	}
	for _, path := range units {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if name := filepath.Base(path); strings.Contains(string(text), "\n[Install]\n") && !named[name] {
			t.Errorf("no preset says whether %s is enabled", name)
		}
	}
}
