package firewall

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files")

func allow(texts ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, t := range texts {
		list = append(list, netip.MustParsePrefix(t))
	}
	return list
}

var tables = map[string][]Port{
	"none": nil,
	"sequencer": {
		{Number: 8880, Owner: "val1 admin"},
		{Number: 8080, Owner: "val1 RPC"},
	},
	"broker": {
		{Number: 8080, Owner: "prover1-broker RPC", Allow: allow("10.1.0.0/16", "192.0.2.7/32", "2001:db8::/32")},
	},
	"overlaps": {
		{Number: 1, Owner: "a\nb\x1b[31m", Allow: allow("10.0.0.1/32", "10.0.0.0/8", "10.0.0.0/8", "::ffff:192.0.2.0/120", "2001:db8::5/32", "2001:db8::/64")},
		{Number: 65535, Owner: "all", Allow: allow("0.0.0.0/0", "::/0", "198.51.100.0/24")},
	},
}

func TestScript(t *testing.T) {
	for name, ports := range tables {
		t.Run(name, func(t *testing.T) {
			got := Script(ports)
			golden := filepath.Join("testdata", name+".nft")
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			other := slices.Clone(ports)
			slices.Reverse(other)
			if diff := cmp.Diff(string(got), string(Script(other))); diff != "" {
				t.Errorf("another order makes another table:\n%s", diff)
			}
		})
	}
}

// Names come from files that people write; none of them ends its comment.
func TestOwner(t *testing.T) {
	for _, line := range strings.Split(string(Script([]Port{{Number: 1, Owner: "x\n\t\taccept\n}"}})), "\n") {
		if strings.TrimSpace(line) == "accept" {
			t.Error("a name became a rule")
		}
	}
}
