//go:build vm

package main

import (
	"encoding/json"
	"strings"
	"testing"
)

const (
	vmFull  = "aztec-full-node@full1.service"
	fullAPI = "/etc/aztec-spartan/instances/full1/admin-api-key"
	vmSafe  = "aztec-sequencer@safe1.service"
	safeKey = "/etc/aztec-spartan/instances/safe1/keystore.json.cred"
	safeAPI = "/etc/aztec-spartan/instances/safe1/admin-api-key.cred"
)

// reboots: what ran comes back, and what stop stopped does not. A node whose
// data are on a disk that is not there is not started on an empty directory,
// until the disk is back. Keys that a TPM encrypted are of use beside it alone.
func (m *machine) reboots() {
	m.sh("findmnt /srv/data && aztec-spartan config full1 --role full-node" + vmNode + " --port 8090 --admin-port 8890 --data-dir /srv/data/full1")
	m.sequencer("safe1", vmTPMKey, "--port 8092 --admin-port 8892 --encrypt-keys=tpm2")
	m.sh("aztec-spartan keys safe1 --json | jq -e '.encrypted == \"tpm2\"'")
	m.sh("aztec-spartan keys val1 --json | jq -e '.encrypted == \"host\"'") // unless it is asked for
	m.sh("aztec-spartan start full1 safe1")
	m.until("aztec-spartan probe full1 && aztec-spartan probe safe1")
	m.sh("touch /var/lib/aztec/full1/kept && aztec-spartan stop agent1")

	m.off()
	m.on("data")
	m.settled()
	m.until("aztec-spartan probe val1 && aztec-spartan probe safe1")
	if state := m.sh("systemctl show -P ActiveState " + vmAgent); state != "inactive" {
		m.t.Errorf("what was stopped is %s after a reboot", state)
	}
	if s := m.status("agent1"); s.Health != "stopped" {
		m.t.Errorf("what was stopped: %+v", s)
	}
	m.sh("nft list table inet aztec_spartan && ! findmnt /srv/data")
	m.withoutDisk()

	m.off()
	if err := m.ReplaceTPM(); err != nil {
		m.t.Fatal(err)
	}
	m.on()
	m.settled()
	m.until("aztec-spartan probe val1 && aztec-spartan probe full1")
	m.sh("test -e /var/lib/aztec/full1/kept && test -e /srv/data/full1/kept && aztec-spartan stop full1")
	m.otherTPM()
	m.sh("aztec-spartan start agent1")
}

// withoutDisk: full1 is down, everybody says why, and nothing has begun anew.
func (m *machine) withoutDisk() {
	if state := m.sh("systemctl show -P ActiveState " + vmFull); state != "inactive" && state != "failed" {
		m.t.Errorf("without its disk, full1 is %s", state)
	}
	const why = "they are not in /srv/data/full1: is their disk mounted?"
	if s := m.status("full1"); s.Health != "unhealthy" || !strings.Contains(s.Reason, why) {
		m.t.Errorf("without its disk: %+v", s)
	}
	m.fails(exitFailed, "aztec-spartan start full1", why, "hint: mount the disk")
	m.fails(exitUnhealthy, "aztec-spartan probe full1", why)
	if log := m.sh("journalctl --no-pager -b"); !strings.Contains(log, "Dependency failed for "+vmFull) {
		m.t.Errorf("the journal does not say that %s was not started:\n%s", vmFull, log)
	}
	if left := m.sh("find /var/lib/aztec/full1 /srv/data -mindepth 1 2>/dev/null || :"); left != "" {
		m.t.Errorf("full1 began anew:\n%s", left)
	}
	// A disk that comes later.
	m.sh("mkdir -p /run/empty && mount --bind /run/empty /srv/data")
	m.fails(exitFailed, "aztec-spartan start full1", why)
	m.sh("umount /srv/data && test -z \"$(ls -A /run/empty)\"")
}

// otherTPM: safe1 has keys that the TPM cannot decrypt, everybody says so, and
// who has a copy is told the way back.
func (m *machine) otherTPM() {
	const why = "reading the keystore of safe1"
	// Its unit goes from start to start: it is asked until it is between two.
	m.until("test $(systemctl show -P ExecMainStatus " + vmSafe + ") = 243")
	m.until("aztec-spartan status safe1 --json | jq -e '.[0].health == \"unhealthy\" and (.[0].reason | contains(\"" + why + "\"))'")
	m.fails(exitFailed, "aztec-spartan start safe1", why, "TPM", "hint: if this host lost the key", "rm "+safeKey+" "+safeAPI)
	m.sh("aztec-spartan stop safe1")
	m.sh("rm " + safeKey + " " + safeAPI) // as the hint says
	m.sequencer("safe1", vmTPMKey, "--encrypt-keys=host+tpm2")
	m.sh("aztec-spartan keys safe1 --json | jq -e '.encrypted == \"host+tpm2\"' && aztec-spartan start safe1")
	m.until("aztec-spartan probe safe1")
	m.sh("aztec-spartan stop safe1")
}

// TestVMSealed has a host of another release encrypt with its TPM, and its own
// key beside it: systemd 257 makes other encrypted credentials than 252. A node
// without a keystore has its admin API key there, too.
func TestVMSealed(t *testing.T) {
	m := newMachine(t, "trixie")
	m.on()
	m.install()
	m.sequencer("safe1", vmTPMKey, "--port 8092 --admin-port 8892 --encrypt-keys=host+tpm2")
	m.sh("aztec-spartan keys safe1 --json | jq -e '.encrypted == \"host+tpm2\"'")
	m.sh("aztec-spartan config full1 --role full-node" + vmNode + " --port 8090 --admin-port 8890 --encrypt-keys=tpm2 && test ! -e " + fullAPI)
	m.sh("test $(systemd-creds decrypt --name=admin-api-key " + fullAPI + ".cred - | wc -c) = 65")
	m.sh("aztec-spartan start safe1")
	m.until("aztec-spartan probe safe1")

	m.off()
	m.on()
	m.settled()
	m.until("aztec-spartan probe safe1")
	m.sh("aztec-spartan config safe1 --payload none | grep -q 'votes for none now'")

	m.off()
	if err := m.ReplaceTPM(); err != nil {
		t.Fatal(err)
	}
	m.on()
	m.settled()
	m.fails(exitFailed, "aztec-spartan config full1 --set LOG_LEVEL=debug", "reading the admin API key of full1", "TPM", "hint: if this host lost the key", "rm "+fullAPI+".cred")
	m.otherTPM()
}

// withoutTPM: a host that has none says so before it writes anything.
func (m *machine) withoutTPM() {
	m.t.Helper()
	for _, key := range []string{"tpm2", "host+tpm2"} {
		m.fails(exitUnsupported, "echo "+vmTPMKey+" | aztec-spartan config other1"+vmNode+" --key-file - --encrypt-keys="+key, "--encrypt-keys="+key+": this host's TPM cannot be used", "hint: it takes a TPM 2.0")
	}
	m.sh("test ! -e /etc/aztec-spartan/instances/other1 && test ! -e /var/lib/aztec-spartan/instances/other1")
}

// status is that of one instance.
func (m *machine) status(name string) status {
	m.t.Helper()
	var list []status
	if err := json.Unmarshal([]byte(m.sh("aztec-spartan status "+name+" --json")), &list); err != nil || len(list) != 1 {
		m.t.Fatalf("status --json: %v, %d instances", err, len(list))
	}
	return list[0]
}
