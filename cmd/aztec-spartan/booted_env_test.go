//go:build booted

package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aztec-spartan/aztec-spartan/profiles/envfile"
)

// What the encoder writes, systemd reads back, to the byte.
func TestSystemdReadsEnvironmentFiles(t *testing.T) {
	data, err := os.ReadFile("../../profiles/envfile/testdata/tricky.json")
	if err != nil {
		t.Fatal(err)
	}
	var tricky []envfile.Var
	if err := json.Unmarshal(data, &tricky); err != nil || len(tricky) < 10 {
		t.Fatalf("%d values, %v", len(tricky), err)
	}
	file, err := envfile.Encode(tricky, "tricky")
	if err != nil {
		t.Fatal(err)
	}
	onEachSuite(t, func(g *guest) {
		if err := g.Write(g.t.Context(), "/root/env", file, 0o600); err != nil {
			g.t.Fatal(err)
		}
		g.sh("systemd-run --quiet --wait -p EnvironmentFile=/root/env -p StandardOutput=file:/root/out env -0")
		out, err := g.Read(g.t.Context(), "/root/out")
		if err != nil {
			g.t.Fatal(err)
		}
		got := map[string]string{}
		for pair := range strings.SplitSeq(string(out), "\x00") {
			if name, value, ok := strings.Cut(pair, "="); ok {
				got[name] = value
			}
		}
		for _, v := range tricky {
			if d := cmp.Diff(v.Value, got[v.Name]); d != "" {
				g.t.Errorf("%s: -encoded +read:\n%s", v.Name, d)
			}
		}
	})
}
