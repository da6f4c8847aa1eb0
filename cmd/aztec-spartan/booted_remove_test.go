//go:build booted

package main

import "strings"

// removed ends an instance for good: what it leaves, that it can be made
// again, and that a purge leaves nothing.
func (g *guest) removed() {
	g.t.Helper()
	const dropIn = "/etc/systemd/system/" + val1 + ".d/override.conf"
	g.sh("mkdir -p $(dirname " + dropIn + ") && printf '[Service]\nNice=1\n' >" + dropIn + " && systemctl daemon-reload")

	// Not while a roll runs.
	const rolling = "/run/systemd/system/aztec-roll@val1.service.d"
	g.sh("mkdir -p " + rolling + " && printf '[Service]\nType=exec\nExecStart=\nExecStart=/bin/sleep 600\n' >" + rolling + "/test.conf && systemctl daemon-reload && systemctl start " + rollUnit("val1"))
	was := g.sh(everything)
	g.fails(exitLocked, "aztec-spartan remove val1", "a roll is under way", "hint: aztec-spartan stop val1")
	if is := g.sh(everything); is != was {
		g.t.Error("a refused remove changed something")
	}
	g.sh("systemctl stop " + rollUnit("val1") + " && rm -r " + rolling + " && systemctl daemon-reload")

	g.sh("touch /var/lib/aztec/val1/signed")
	if out := g.sh("aztec-spartan remove val1"); !strings.Contains(out, "kept /var/lib/aztec/val1\n") || !strings.Contains(out, "kept "+strings.TrimSuffix(dropIn, "/override.conf")) {
		g.t.Errorf("remove says:\n%s", out)
	}
	g.sh("! systemctl cat " + val1 + " && ! systemctl is-active " + val1 + " && ! nft list table inet aztec_spartan && ! pgrep -u aztec-val1")
	g.sh("! ls /etc/systemd/system/*.wants/" + val1 + " && test -e /var/lib/aztec/val1/signed && test -e " + dropIn)
	if out := g.sh("aztec-spartan status --json"); out != "[]" {
		g.t.Errorf("status after remove: %s", out)
	}

	// Made again, it has its key, its data and the operator's drop-in.
	g.sh("aztec-spartan config val1 " + configArgs("4.1.2") + " && aztec-spartan start val1")
	g.until("aztec-spartan probe val1")
	g.sh("test -e /var/lib/aztec/val1/signed && test $(systemctl show -P Nice " + val1 + ") = 1 && nft list table inet aztec_spartan")

	g.fails(exitUsage, "aztec-spartan remove val1 --purge </dev/null", "/var/lib/aztec/val1 (", "keys of "+devAddress, "hint: --yes")
	g.sh("systemctl is-active " + val1)
	g.sh("aztec-spartan remove val1 --purge --yes")
	if out := g.sh("ls -d /etc/aztec-spartan/instances/* /var/lib/aztec/* /var/lib/aztec-spartan/instances/* /var/cache/aztec/val1 /etc/systemd/system/*val1* /etc/sysusers.d/*val1* 2>/dev/null || :"); out != "" {
		g.t.Errorf("a purge leaves:\n%s", out)
	}
	g.sh("! getent passwd aztec-val1 && ! getent group aztec-val1 && ! nft list table inet aztec_spartan")
}
