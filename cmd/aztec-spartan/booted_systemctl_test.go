//go:build booted || soak

package main

import "strings"

// administrated: plain systemctl means what administrators expect of it.
func (g *guest) administrated() {
	g.t.Helper()
	property := func(name string) string {
		g.t.Helper()
		return g.sh("systemctl show -P " + name + " " + val1)
	}

	// disable and enable are about the next boot, and status tells.
	pid := property("MainPID")
	g.sh("systemctl disable " + val1)
	if s := g.status(); s.Enabled || s.ActiveState != "active" {
		g.t.Errorf("after systemctl disable: %+v", s)
	}
	g.sh("systemctl enable " + val1)
	g.sh("test -h /etc/systemd/system/aztec.target.wants/" + val1 + " && test -h /etc/systemd/system/multi-user.target.wants/" + val1)
	if s := g.status(); !s.Enabled || property("MainPID") != pid {
		g.t.Errorf("after systemctl enable: %+v", s)
	}

	// A unit that lies in /etc cannot be masked, whoever put it there: systemctl says so, and nothing is lost.
	g.fails(1, "systemctl mask "+val1, "already exists")
	g.sh("grep -q X-AztecSpartan /etc/systemd/system/" + val1 + " && systemctl is-active " + val1)

	// The target stops and starts what is enabled.
	g.sh("systemctl restart aztec.target")
	g.until("aztec-spartan probe val1")
	if now := property("MainPID"); now == pid || now == "0" {
		g.t.Errorf("systemctl restart aztec.target: process %s, then %s", pid, now)
	}
	g.sh("systemctl stop aztec.target")
	g.until("systemctl show -P ActiveState " + val1 + " | grep -q inactive")
	g.sh("systemctl start aztec.target")
	g.until("aztec-spartan probe val1")

	// A condition that does not hold is no failure to systemd, and no start to us.
	const conditions = "/run/systemd/system/" + val1 + ".d"
	g.sh("mkdir -p " + conditions + " && printf '[Unit]\\nConditionPathExists=/run/allowed\\n' >" + conditions + "/condition.conf && systemctl daemon-reload")
	g.fails(exitFailed, "aztec-spartan restart val1", "a condition of it does not hold", "hint: systemctl status "+val1)
	g.fails(exitFailed, "aztec-spartan start val1", "a condition of it does not hold")
	if s := g.status(); s.Health != "stopped" || !strings.Contains(s.Reason, "a condition of its unit did not hold") {
		g.t.Errorf("with a condition that does not hold: %+v", s)
	}
	g.sh("rm -r " + conditions + " && systemctl daemon-reload && aztec-spartan start val1")
	g.until("aztec-spartan probe val1")

	// A drop-in wins over every verb, and revert takes back that alone.
	if err := g.Write(g.t.Context(), "/root/editor", []byte("#!/bin/sh\nfor f; do :; done\nsed -i '2a [Service]\\nNice=3\\nCPUWeight=77' \"$f\"\n"), 0o755); err != nil {
		g.t.Fatal(err)
	}
	g.sh("SYSTEMD_EDITOR=/root/editor script -qec 'systemctl edit " + val1 + "' /dev/null") // it wants a terminal
	g.sh("aztec-spartan config val1 --resource nice=5 --resource cpu_weight=300 --resource log_rate_interval=40s --resource log_rate_burst=1234 && aztec-spartan restart val1")
	if nice, weight := property("Nice"), property("CPUWeight"); nice != "3" || weight != "77" {
		g.t.Errorf("with a drop-in: nice %s, weight %s", nice, weight)
	}
	if got := g.sh("ps -o ni= -p " + property("MainPID")); strings.TrimSpace(got) != "3" {
		g.t.Errorf("the node runs with nice %s", got)
	}
	g.sh("systemctl revert " + val1)
	if nice, weight := property("Nice"), property("CPUWeight"); nice != "5" || weight != "300" {
		g.t.Errorf("after revert: nice %s, weight %s", nice, weight)
	}
	if every, burst := property("LogRateLimitIntervalUSec"), property("LogRateLimitBurst"); every != "40s" || burst != "1234" {
		g.t.Errorf("the journal takes %s lines in %s", burst, every)
	}
	g.sh("aztec-spartan config val1 --resource nice= --resource cpu_weight= --resource log_rate_interval= --resource log_rate_burst= && aztec-spartan restart val1")
	g.until("aztec-spartan probe val1")
}

// rebooted: what ran comes back, and what stop stopped does not.
func (g *guest) rebooted() {
	g.t.Helper()
	reboot := func() {
		g.t.Helper()
		if err := g.StopRegistry(); err != nil {
			g.t.Fatal(err)
		}
		if err := g.Reboot(g.t.Context()); err != nil {
			g.t.Fatal(err)
		}
	}
	g.sh("systemctl stop " + val1) // plain: only until the next boot
	reboot()
	g.until("aztec-spartan probe val1")
	g.sh("nft list table inet aztec_spartan")
	g.sh("aztec-spartan stop val1")
	reboot()
	if s := g.status(); s.ActiveState != "inactive" || s.Enabled {
		g.t.Errorf("stopped before the boot, now: %+v", s)
	}
	if err := g.StartRegistry(); err != nil {
		g.t.Fatal(err)
	}
	g.sh("aztec-spartan start val1")
	g.until("aztec-spartan probe val1")
}
