//go:build booted

package main

import "strings"

// decided: what nobody sees on a terminal is told, once, however often it is
// looked for: an update that waits for a word, or for its time, a tag that moved,
// and the one that runs when it is withdrawn. It begins and ends with 4.1.2.
func (g *guest) decided(box *inbox) {
	g.t.Helper()
	const file = "/etc/aztec-spartan/config.toml"
	const look = "aztec-spartan update --unattended val1"
	g.sh("cp -a " + file + " /root/decided.toml && sed -i 's/^mode = .*/mode = \"notify\"/' " + file + " && " + look + " && " + look)
	g.sh("cp -a /root/decided.toml " + file)
	g.MoveTag("4.1.3", "4.1.13-behind")
	g.MoveTag("4.1.2", "")
	g.sh(look + " && " + look)
	g.MoveTag("4.1.3", "4.1.3")
	g.MoveTag("4.1.2", "4.1.2")
	g.sh("sed -i 's/^# hold_until = .*/hold_until = \"2099-12-24\"/' " + file + " && " + look + " && " + look)
	g.sh("mv /root/decided.toml " + file)
	g.told(box, "val1] update-available: 4.1.2 -> 4.1.3 waits: ", "val1] waiting: 4.1.2 -> 4.1.3 waits: ", "val1] tag-moved: 4.1.3 the tag has moved", "val1] tag-moved: 4.1.2 is not in the registry")
}

// failing: a node that restarts over and over, and a disk that fills, are told
// once, as is their end.
func (g *guest) failing(box *inbox) {
	g.t.Helper()
	const full1 = "aztec-full-node@full1.service"
	const look = "systemctl start aztec-watch.service && "
	// A disk of its own, of an instance that never ran.
	g.sh("mkdir /srv/small && mount -t tmpfs -o size=20m tmpfs /srv/small")
	g.sh("aztec-spartan config small1 --role full-node --no-pull --data-dir /srv/small " + configArgs("4.1.3"))
	g.sh("fallocate -l 19m /srv/small/filler && mkdir -p /etc/systemd/system/" + full1 + ".d && printf '[Service]\nRestartSec=100ms\n' >/etc/systemd/system/" + full1 + ".d/soon.conf && systemctl daemon-reload && " + look + look + "true")
	pid := func() string { return g.sh("systemctl show -P MainPID " + full1) }
	for range 3 {
		before := pid()
		g.sh("kill -9 " + before)
		g.until("now=$(systemctl show -P MainPID " + full1 + ") && test $now != 0 && test $now != " + before)
	}
	g.sh("rm /srv/small/filler && " + look + look + "true")
	g.told(box, "disk-low: /srv/small has only ", "recovered: /srv/small has room again", "full1] crash-loop: the node restarts over and over: 3 times in ")
	if all := strings.Join(box.messages(), "\n"); strings.Contains(all, "small1]") {
		g.t.Errorf("an instance that was never started is told of:\n%s", all)
	}
}
