//go:build booted

package main

import (
	"strings"
)

// adminKeySum prints what the node knows of the key of val1's admin API.
const adminKeySum = "systemd-creds decrypt --name=admin-api-key /etc/aztec-spartan/instances/val1/admin-api-key.cred - | tr -d '\\n' | sha256sum | cut -c1-64"

// parcels carry an instance from the first of two hosts to the other.
type parcels chan []byte

// moved has the first host export val1 for moving, and the other, which has
// another systemd, import it.
func (g *guest) moved(post parcels) {
	g.t.Helper()
	const file = "/root/val1.age"
	if strings.HasSuffix(g.t.Name(), suites[0]) {
		defer close(post) // the other one must not wait for ever
		g.fails(exitFailed, "echo correct horse battery | aztec-spartan export val1 "+file+" --passphrase-file - --move", "it runs", "hint: aztec-spartan stop val1")
		g.sh("aztec-spartan stop val1 && install -d -o aztec-val1 /var/lib/aztec/val1/signing-protection && (uname -n; " + adminKeySum + ") >/var/lib/aztec/val1/signing-protection/mine")
		g.sh("echo correct horse battery | aztec-spartan export val1 " + file + " --passphrase-file - --move && ! grep -q " + devKey[2:] + " " + file)
		g.fails(exitFailed, "aztec-spartan start val1", "must not run on two", "hint: ", "--here")
		g.fails(1, "systemctl start "+val1, "Assertion failed")
		bundle, err := g.Read(g.t.Context(), file)
		if err != nil {
			g.t.Fatal(err)
		}
		post <- bundle
		g.sh("aztec-spartan start val1 --here")
		return
	}
	bundle, ok := <-post
	if !ok {
		g.t.Fatal("the other host sent nothing")
	}
	if err := g.Write(g.t.Context(), file, bundle, 0o600); err != nil {
		g.t.Fatal(err)
	}
	g.sh("aztec-spartan remove val1 --purge --yes")
	g.sh("echo correct horse battery | aztec-spartan import " + file + " --passphrase-file -")
	g.fails(exitUsage, "aztec-spartan start val1 </dev/null", "its key must not run on both", "--not-elsewhere")
	g.fails(1, "systemctl start "+val1, "Assertion failed")
	g.sh("aztec-spartan start val1 --not-elsewhere --danger-period 1s")
	g.until("aztec-spartan probe val1")
	if out := g.sh("aztec-spartan keys val1; cat /var/lib/aztec/val1/signing-protection/mine; stat -c %U /var/lib/aztec/val1/signing-protection/mine"); !strings.Contains(out, devAddress) || !strings.Contains(out, suites[0]) || !strings.HasSuffix(out, "aztec-val1") {
		g.t.Errorf("what came: %s", out)
	}
	g.sh("grep -q \"^$(" + adminKeySum + ")\" /var/lib/aztec/val1/signing-protection/mine")
	g.sh("systemctl restart " + val1)
}
