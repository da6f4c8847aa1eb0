//go:build booted || soak

package main

import (
	"strconv"
	"strings"

	"github.com/google/go-cmp/cmp"
)

// attack tries what one instance could do to another, and prints what works.
// $1 is the other's process, $2 its name, $3 its unit.
const attack = `#!/bin/bash
try() { local what=$1; shift; "$@" >/dev/null 2>&1 </dev/null && echo "$what"; }
try see test -d /proc/$1
try signal kill -CONT $1
try environment cat /proc/$1/environ
try descriptors ls /proc/$1/fd
try files ls /proc/$1/root/
try trace bash -c "exec 3</proc/$1/mem"
try data ls /var/lib/aztec/$2
try cache ls /var/cache/aztec/$2
try credentials ls /run/credentials/$3
try settings cat /etc/aztec-spartan/instances/$2/instance.toml
try generation cat /var/lib/aztec-spartan/instances/$2/1/env
true
`

// isolated: one instance can neither signal, read nor trace another, inside
// of its sandbox or, with its user, outside of it.
func (g *guest) isolated() {
	g.t.Helper()
	if err := g.Write(g.t.Context(), "/usr/local/bin/attack", []byte(attack), 0o755); err != nil {
		g.t.Fatal(err)
	}
	const unit, from = "aztec-full-node@full1.service", "aztec-full1"
	args := g.sh("systemctl show -P MainPID "+val1) + " val1 " + val1
	works := func(how, script string, want ...string) {
		g.t.Helper()
		if d := cmp.Diff(want, strings.Fields(g.sh(script))); d != "" {
			g.t.Errorf("%s, -want +works:\n%s", how, d)
		}
	}
	// Root can do all of it, so what is tried does exist.
	works("as root", "attack "+args, "see", "signal", "environment", "descriptors", "files", "trace", "data", "cache", "credentials", "settings", "generation")
	works("as the other's user", "setpriv --reuid "+from+" --regid "+from+" --init-groups attack "+args, "see")
	// The other's own unit, on the host's file system.
	g.sh("sed -e '/^RootDirectory/d; /^WorkingDirectory/d; /^ExecStartPost/d; /^Restart/d; /^Type=/d; /^EnvironmentFile/d; /^Environment=/d' " +
		"-e 's|^ExecStart=.*|Type=oneshot\\nStandardOutput=file:/root/worked\\nExecStart=/usr/local/bin/attack " + args + "|' /etc/systemd/system/" + unit + " >/run/systemd/system/attack.service && systemctl daemon-reload && systemctl start attack")
	if user := g.sh("systemctl show -P User attack"); user != from {
		g.t.Errorf("the attack ran as %q", user)
	}
	if out := g.sh("cat /root/worked && rm /run/systemd/system/attack.service"); out != "" {
		g.t.Errorf("in the sandbox of full1 works:\n%s", out)
	}
}

// exposure is what systemd-analyze says of a unit's sandbox: the less, the better.
func (g *guest) exposure(unit string) float64 {
	g.t.Helper()
	text := g.sh("systemd-analyze security --no-pager " + unit + ` | sed -n 's/.*Overall exposure level.*: \([0-9.]*\) .*/\1/p'`)
	level, err := strconv.ParseFloat(text, 64)
	if err != nil {
		g.t.Fatalf("the exposure of %s is %q", unit, text)
	}
	return level
}
