package main

import (
	"fmt"
	"strings"
	"testing"
)

func TestOfferText(t *testing.T) {
	for _, test := range []struct {
		tags []string
		want string
	}{
		{nil, "  nothing"},
		{[]string{"4.1.2", "latest", "4.1.10", "5.0.0-rc.1"}, "  4.1.10, 4.1.2, 5.0.0-rc.1, latest"},
	} {
		if got := offerText(test.tags, false); got != test.want {
			t.Errorf("%v: %q", test.tags, got)
		}
	}
	var many []string
	for n := range 300 {
		many = append(many, fmt.Sprintf("5.0.0-nightly.%d", 20260101+n), fmt.Sprintf("4.%d.0", n))
	}
	got := offerText(many, false)
	if !strings.HasPrefix(got, "  4.299.0, 4.298.0,") || strings.Contains(got, "4.279.0") || strings.Contains(got, "nightly") ||
		!strings.HasSuffix(got, "\n  and 580 that are older or not stable: --all lists them") {
		t.Errorf("many: %s", got)
	}
	all := offerText(many, true)
	if len(strings.Split(all, ",")) != len(many) || strings.Contains(all, "--all") {
		t.Errorf("all: %s", all)
	}
	for line := range strings.Lines(all) {
		if len(line) > helpColumns+1 {
			t.Errorf("a line of %d columns: %s", len(line), line)
		}
	}
}
