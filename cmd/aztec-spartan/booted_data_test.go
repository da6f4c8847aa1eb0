//go:build booted

package main

import "testing"

// Data live where they were told to, move when they are told to, and a disk that is not there keeps the node down.
func TestDataDir(t *testing.T) {
	onEachSuite(t, func(g *guest) {
		g.config("4.1.2")
		g.sh("aztec-spartan config val1 --data-dir /srv/one/val1")
		g.sh("aztec-spartan start val1")
		g.until("aztec-spartan probe val1")
		user := "aztec-val1"
		in := func(dir string) string {
			return "findmnt -n /var/lib/aztec/val1 && test $(stat -c %U " + dir + ") = " + user + " && test " + dir + " -ef /var/lib/aztec/val1"
		}
		g.sh(in("/srv/one/val1"))
		g.sh("setpriv --reuid " + user + " --regid " + user + " --clear-groups sh -c 'echo kept >/var/lib/aztec/val1/kept'")
		g.sh("grep -q kept /srv/one/val1/kept")

		// Not while it runs; not onto what has files.
		g.fails(exitUsage, "aztec-spartan config val1 --data-dir /srv/two/val1", "runs", "hint: ")
		g.sh("aztec-spartan stop val1 && mkdir -p /srv/full && touch /srv/full/x")
		g.fails(exitUsage, "aztec-spartan config val1 --data-dir /srv/full", "/srv/full", "hint: ")
		g.sh("mkdir -p /srv/disk && mount -t tmpfs disk /srv/disk")
		g.fails(exitUsage, "aztec-spartan config val1 --data-dir /srv/disk/val1", "another file system", "cp -a")
		g.sh("grep -q kept /srv/one/val1/kept && test -z \"$(ls -A /srv/disk)\"")

		// What the hint says works.
		g.sh("mkdir /srv/disk/val1 && cp -a --sparse=always /srv/one/val1/. /srv/disk/val1/ && mv /srv/one/val1 /srv/one/val1.moved && touch /srv/disk/val1/.aztec-spartan-val1")
		g.sh("aztec-spartan config val1 --data-dir /srv/disk/val1 && aztec-spartan start val1")
		g.until("aztec-spartan probe val1")
		g.sh(in("/srv/disk/val1") + " && grep -q kept /var/lib/aztec/val1/kept")

		// The disk is away: it does not begin anew on an empty directory.
		g.sh("systemctl stop " + val1 + " var-lib-aztec-val1.mount && umount /srv/disk && mkdir -p /srv/disk/val1")
		g.fails(exitFailed, "aztec-spartan start val1", "hint: ")
		g.sh("test -z \"$(ls -A /srv/disk/val1)\" && ! systemctl is-active " + val1)

		// And back to where it would be anyway.
		g.sh("rmdir /srv/disk/val1 && mkdir /srv/one/val1 && cp -a /srv/one/val1.moved/. /srv/one/val1/ && touch /srv/one/val1/.aztec-spartan-val1")
		g.sh("aztec-spartan config val1 --data-dir /srv/one/val1 && aztec-spartan config val1 --data-dir /var/lib/aztec/val1 && aztec-spartan start val1")
		g.until("aztec-spartan probe val1")
		g.sh("! findmnt /var/lib/aztec/val1 && grep -q kept /var/lib/aztec/val1/kept")
		g.rollsWithData()
		g.doesNotSign()
		g.waitsForTheBusy()
		g.appliesConfig()
	})
}
