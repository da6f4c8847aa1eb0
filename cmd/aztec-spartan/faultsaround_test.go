//go:build booted || soak

package main

import "github.com/aztec-spartan/aztec-spartan/packaging/realimage/stubimage"

// withDependent has a unit of the operator's beside the node, which systemd
// stops with it.
func withDependent(g *guest, update func()) {
	const unit = "/etc/systemd/system/companion.service"
	g.sh("printf '[Unit]\\nBindsTo=" + val1 + "\\nAfter=" + val1 + "\\n[Service]\\nExecStart=sleep infinity\\n' >" + unit + " && systemctl daemon-reload && systemctl start companion")
	pid := g.sh("systemctl show -P MainPID companion")
	update()
	if now := g.sh("systemctl is-active companion >/dev/null && systemctl show -P MainPID companion"); now == pid {
		g.t.Error("it was not stopped, so that nothing was shown")
	}
	g.sh("systemctl stop companion && rm " + unit + " && systemctl daemon-reload")
}

// shippedSettle has the new version stay up for as long as it must on a host
// whose settings nobody has changed.
func shippedSettle(g *guest, update func()) {
	g.sh("cp -p " + configFile + " /root/config.toml && sed -i '/^settle/d' " + configFile)
	update()
	g.sh("cp -p /root/config.toml " + configFile)
}

// startTimeout gives the start job less time than it takes.
func startTimeout(g *guest, update func()) {
	g.sh(`sed -i 's/^start_timeout.*/start_timeout = "2s"/' /etc/aztec-spartan/config.toml`)
	update()
	g.sh(`sed -i 's/^start_timeout.*/start_timeout = "1m"/' /etc/aztec-spartan/config.toml`)
}

// shortStop has systemd kill what does not stop.
func shortStop(g *guest, update func()) {
	g.sh("mkdir -p /etc/systemd/system/" + val1 + ".d && printf '[Service]\\nTimeoutStopSec=2\\n' >/etc/systemd/system/" + val1 + ".d/stop.conf && systemctl daemon-reload")
	update()
	g.sh("rm -r /etc/systemd/system/" + val1 + ".d && systemctl daemon-reload")
}

// badSettings keeps both versions from starting.
func badSettings(g *guest, update func()) {
	g.sh("echo LOG_LEVEL=loud >>/etc/aztec-spartan/instances/val1/local.env")
	update()
	g.sh("sed -i /LOG_LEVEL=loud/d /etc/aztec-spartan/instances/val1/local.env")
}

// smallDisk is one that the new version fills.
func smallDisk(g *guest, update func()) {
	g.sh("systemctl stop " + val1 + " && cp -a /var/lib/aztec/val1 /root/data && mount -t tmpfs -o size=8M tmpfs /var/lib/aztec/val1 && cp -a /root/data/. /var/lib/aztec/val1/ && chown --reference /root/data /var/lib/aztec/val1 && systemctl start " + val1)
	g.until("aztec-spartan probe val1")
	update()
	g.sh("systemctl stop " + val1 + "; rm -rf /root/data; rm /var/lib/aztec/val1/archiver/junk.mdb && cp -a /var/lib/aztec/val1 /root/data && umount /var/lib/aztec/val1 && cp -a /root/data/. /var/lib/aztec/val1/ && rm -r /root/data")
}

// meanwhile does something while the update waits at the gate.
func meanwhile(g *guest, update, do func()) {
	g.t.Helper()
	before := g.invocation()
	during(g, update, func() {
		g.until("systemctl is-active " + val1 + " && test $(systemctl show -P InvocationID " + val1 + ") != " + before)
		do()
	})
}

// during does something as soon as the new version is in place; the old one may
// run still.
func during(g *guest, update, do func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		update()
	}()
	defer func() { <-done }() // also of a case that goes wrong here: nothing of it goes on in the next
	g.until("test $(systemctl show -P ActiveState aztec-roll@val1.service) = activating && ! grep -q ^Version=4.1.2 /etc/systemd/system/" + val1)
	do()
}

func (g *guest) invocation() string {
	g.t.Helper()
	return g.sh("systemctl show -P InvocationID " + val1)
}

// crash kills the process of the new version, which ends a long gate.
func (g *guest) crash() {
	g.t.Helper()
	g.sh("kill -9 $(systemctl show -P MainPID " + val1 + ")")
}

func noRegistry(g *guest, update func()) {
	meanwhile(g, update, func() {
		if err := g.StopRegistry(); err != nil {
			g.t.Error(err)
		}
		g.crash()
	})
	if err := g.StartRegistry(); err != nil {
		g.t.Fatal(err)
	}
}

func twoUpdates(g *guest, update func()) {
	meanwhile(g, update, func() {
		g.fails(exitLocked, "aztec-spartan update val1 --to "+stubimage.Newer, "held by roll (pid ")
		g.fails(exitLocked, "aztec-spartan restart val1", "held by roll (pid ")
		g.crash()
	})
}

// hangUp: the terminal that the update was typed on goes, and the roll stays.
func hangUp(g *guest, _ func()) {
	term, err := g.TTY(g.t.Context(), "bash", "-c", "exec aztec-spartan update val1 --to "+stubimage.Silent+fault{gate: longGate}.gates())
	if err != nil {
		g.t.Fatal(err)
	}
	if _, err := term.Expect(g.t.Context(), "start job done"); err != nil {
		g.t.Fatal(err)
	}
	if err := term.Close(); err != nil {
		g.t.Log(err) // hung up: what is tested is the other side
	}
	g.until("! pgrep -f '[a]ztec-spartan update val1'")
	if state := g.sh("systemctl show -P ActiveState aztec-roll@val1.service"); state != "activating" {
		g.t.Errorf("without its terminal the roll is %s", state)
	}
	g.crash()
	g.until("test $(systemctl show -P ActiveState aztec-roll@val1.service) = inactive")
}

func stopBySystemctl(g *guest, update func()) {
	meanwhile(g, update, func() {
		g.sh("systemctl stop " + val1)
	})
}

func restartBySystemctl(g *guest, update func()) {
	meanwhile(g, update, func() {
		g.sh("systemctl restart " + val1)
	})
}

// stopInTheStop stops a node that the roll is stopping, which takes it long.
func stopInTheStop(g *guest, update func()) {
	const stopping = "test $(systemctl show -P SubState " + val1 + ") = stop"
	holding(g, "ExecStop", func(release func()) {
		during(g, update, func() {
			g.until(stopping)
			g.sh("systemctl stop --no-block " + val1 + " && " + stopping)
			release()
		})
	})
}

// holding has a command of the node's unit, such as ExecStartPre=, wait until it is
// released. What it waits for is not in /run: even with a + it has the unit's own
// there (TemporaryFileSystem=).
func holding(g *guest, command string, test func(release func())) {
	const (
		dropIn = "/etc/systemd/system/" + val1 + ".d"
		hold   = "/etc/hold-val1"
	)
	g.sh("mkdir -p " + dropIn + " && printf '[Service]\n" + command + "=+/bin/sh -c \"while test -e " + hold + "; do sleep 0.1; done\"\n' >" + dropIn + "/hold.conf && systemctl daemon-reload && touch " + hold)
	test(func() { g.sh("rm " + hold) })
	g.sh("rm -r " + dropIn + " && systemctl daemon-reload")
}

func stopByStop(g *guest, update func()) {
	meanwhile(g, update, func() {
		g.sh("aztec-spartan stop val1")
		if s := g.status(); s.Health != "stopped" || s.Enabled {
			g.t.Errorf("after stop: %+v", s)
		}
	})
}

// withProof has something in a store that is gone when a node empties it, since
// it knows nothing of it. What earlier rolls keep stays, and nothing is added.
func withProof(g *guest, update func()) {
	const (
		data  = "/var/lib/aztec/val1"
		proof = data + "/archiver/proof"
		kept  = "ls -A " + data + "/.aztec-spartan.saved 2>/dev/null || true"
	)
	g.sh("head -c 300000 /dev/urandom >" + proof + " && truncate -s 1G " + proof + " && chown aztec-val1: " + proof + " && sha256sum " + proof + " >/root/proof")
	before := g.sh(kept)
	update()
	g.sh("sha256sum -c /root/proof && grep -q '\"schemaVersion\":5' " + data + "/archiver/db_version && test $(stat -c %U " + proof + ") = aztec-val1 && rm " + proof)
	if after := g.sh(kept); after != before {
		g.t.Errorf("kept of data is %q, was %q", after, before)
	}
}

// followL1 has the node move only while L1 is there, as the real one.
func followL1(g *guest, test func()) {
	const marker = "/var/lib/aztec/val1/follows-l1"
	if err := g.StandInForL1(); err != nil {
		g.t.Fatal(err)
	}
	g.sh("touch " + marker + " && systemctl restart " + val1)
	g.until("aztec-spartan probe val1")
	test()
	if err := g.TakeL1Away(); err != nil {
		g.t.Error(err)
	}
	// It runs without L1, and goes on when that is back.
	g.sh("systemctl is-active " + val1 + " && rm " + marker + " && systemctl restart " + val1)
}

func (g *guest) takeL1Away() {
	g.t.Helper()
	if err := g.TakeL1Away(); err != nil {
		g.t.Fatal(err)
	}
}

func noL1Before(g *guest, update func()) {
	followL1(g, func() {
		g.takeL1Away()
		pid := g.status().MainPID
		g.fails(exitUnhealthy, "aztec-spartan update --unattended val1", "its node is not stopped: l1: ", "hint: aztec-spartan doctor val1")
		if now := g.status().MainPID; now != pid {
			g.t.Errorf("the process was %d and is %d", pid, now)
		}
		update()
	})
}

// noL1Meanwhile takes L1 away between the stop of the old version and the start
// of the new one.
func noL1Meanwhile(g *guest, update func()) {
	const starting = "test $(systemctl show -P SubState " + val1 + ") = start-pre"
	followL1(g, func() {
		holding(g, "ExecStartPre", func(release func()) {
			during(g, update, func() {
				g.until(starting)
				g.takeL1Away()
				g.sh(starting)
				release()
			})
		})
	})
}

// noL1After: what has passed the gate stays, as the process it is.
func noL1After(g *guest, update func()) {
	followL1(g, func() {
		update()
		pid := g.status().MainPID
		g.takeL1Away()
		g.until("aztec-spartan status val1 | grep -q 'L1: it does not answer'")
		if s := g.status(); s.Version != stubimage.Newer || s.MainPID != pid {
			g.t.Errorf("without L1 it is version %s in process %d, was in %d", s.Version, s.MainPID, pid)
		}
	})
}
