//go:build booted || real || soak

package main

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
	"github.com/aztec-spartan/aztec-spartan/packaging/testhost"
)

// val1 is the unit that tests are about.
const val1 = "aztec-sequencer@val1.service"

// guest is a booted host with the package on it.
type guest struct {
	*stage.Stage
	t *testing.T
}

func debPath(t *testing.T) string {
	deb := os.Getenv("AZTEC_SPARTAN_DEB")
	if deb == "" {
		t.Fatal("AZTEC_SPARTAN_DEB names no package: run make test-booted")
	}
	return deb
}

// try runs a script on the host.
func (g *guest) try(script string) testhost.Result {
	g.t.Helper()
	r, err := g.Sh(g.t.Context(), script)
	if err != nil {
		g.t.Fatalf("%s: %v", script, err)
	}
	return r
}

// sh runs a script that must succeed and returns what it prints.
func (g *guest) sh(script string) string {
	g.t.Helper()
	r := g.try(script)
	if r.Code != 0 {
		g.t.Fatalf("%s: exit code %d\n%s%s%s", script, r.Code, r.Stdout, r.Stderr, g.journal())
	}
	return strings.TrimSpace(r.Stdout)
}

func (g *guest) journal() string {
	r := g.try("journalctl --no-pager -n 40 -o short-monotonic")
	return "journal:\n" + r.Stdout
}

// fails runs a script that must exit with code and say each of words on
// stderr.
func (g *guest) fails(code int, script string, words ...string) {
	g.t.Helper()
	r := g.try(script)
	if r.Code != code {
		g.t.Errorf("%s: exit code %d, want %d\n%s%s%s", script, r.Code, code, r.Stdout, r.Stderr, g.journal())
	}
	for _, w := range words {
		if !strings.Contains(r.Stderr, w) {
			g.t.Errorf("%s: does not say %q:\n%s", script, w, r.Stderr)
		}
	}
}

// until waits for a script to succeed.
func (g *guest) until(script string) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), 3*time.Minute)
	defer cancel()
	err := testhost.Wait(ctx, script, func() (bool, error) {
		r, err := g.Sh(ctx, script)
		return err == nil && r.Code == 0, err
	})
	if err != nil {
		g.t.Fatalf("%v\n%s", err, g.journal())
	}
}

// status is the status of val1.
func (g *guest) status() status {
	g.t.Helper()
	var list []status
	if err := json.Unmarshal([]byte(g.sh("aztec-spartan status val1 --json")), &list); err != nil || len(list) != 1 {
		g.t.Fatalf("status --json: %v, %d instances", err, len(list))
	}
	return list[0]
}

// nodeVersion asks the node itself.
func (g *guest) nodeVersion() string {
	g.t.Helper()
	out, err := g.RPC(g.t.Context(), 8080, "node_getNodeVersion")
	if err != nil {
		g.t.Fatal(err)
	}
	var answer struct{ Result string }
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		g.t.Fatalf("%s: %v", out, err)
	}
	return answer.Result
}
