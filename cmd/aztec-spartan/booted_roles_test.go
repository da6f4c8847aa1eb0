//go:build booted || soak

package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
)

// cast is one instance of each role, and an agent more.
var cast = []struct{ name, unit, slice, flags string }{
	{"val1", val1, "aztec-sequencer.slice", ""},
	{"full1", "aztec-full-node@full1.service", "aztec-sequencer.slice", "--role full-node --port 8090 --admin-port 8890 --no-p2p --ethereum-host http://127.0.0.1:8545 --set REGISTRY_CONTRACT_ADDRESS=" + registryContract},
	{"broker1", "aztec-prover-broker@broker1.service", "aztec-prover.slice", "--role prover-broker --port 8083 --ethereum-host http://127.0.0.1:8545 --set REGISTRY_CONTRACT_ADDRESS=" + registryContract},
	{"prove1", "aztec-prover-node@prove1.service", "aztec-prover.slice", "--role prover-node --port 8082 --admin-port 8882 --no-p2p --broker http://127.0.0.1:8083 --ethereum-host http://127.0.0.1:8545 --set REGISTRY_CONTRACT_ADDRESS=" + registryContract},
	{"agent1", "aztec-prover-agent@agent1.service", "aztec-prover.slice", "--role prover-agent --port 8084 --broker http://127.0.0.1:8083"},
	{"agent2", "aztec-prover-agent@agent2.service", "aztec-prover.slice", "--role prover-agent --port 8085 --broker http://127.0.0.1:8083"},
}

// castImage is what they run.
const castImage = stage.Repository + ":4.1.2"

// proverKey is the third account of every development chain.
const proverKey = "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"

func TestRoles(t *testing.T) {
	onEachSuite(t, func(g *guest) {
		g.configCast()
		// Instances that share an image share its tree.
		if trees := g.sh("sed -n 's/^RootDirectory=//p' /etc/systemd/system/aztec-*@*.service | sort -u; ls -d /var/lib/aztec-spartan/images/sha256-*"); strings.Count(trees, "\n") != 1 {
			g.t.Errorf("%d instances of one image have the trees\n%s", len(cast), trees)
		}
		g.sh("aztec-spartan start")
		for _, c := range cast {
			g.until("aztec-spartan probe " + c.name)
			if user := g.sh("stat -c %U /proc/$(systemctl show -P MainPID " + c.unit + ")"); user != userOf(c.name) {
				g.t.Errorf("%s runs as %s", c.name, user)
			}
			if slice := g.sh("systemctl show -P Slice " + c.unit); slice != c.slice {
				g.t.Errorf("%s is in %s", c.name, slice)
			}
		}
		if out := g.sh("aztec-spartan status"); strings.Count(out, " healthy ") != len(cast) {
			g.t.Errorf("not all are healthy:\n%s", out)
		}
		g.together()
		g.isolated()
		g.shareReferenceString()
		g.referenceTrouble()
		g.agentElsewhere()
		g.orderOfProvers()
		// Nor does a change of settings that brings another version download within the time of its gate.
		if out := g.sh("aztec-spartan config agent2 --image " + stage.Repository + ":4.1.3 --apply 2>&1 && aztec-spartan rollback agent2"); !strings.Contains(out, "agent2: fetching what it needs of the reference string") {
			g.t.Errorf("nothing was fetched before the roll:\n%s", out)
		}
		for _, name := range []string{"agent1", "broker1"} {
			g.sh("aztec-spartan update " + name + " --to 4.1.3 && aztec-spartan status " + name + " | grep -q '^version: *4.1.3,'")
			g.fails(4, "aztec-spartan update "+name+" --to 4.1.6-liar", "4.1.2")
			g.sh("aztec-spartan rollback " + name + " && aztec-spartan probe " + name)
		}
		g.sh("aztec-spartan stop --all")
		for _, c := range cast {
			if r := g.sh("systemctl show -P Result " + c.unit); r != "success" {
				g.t.Errorf("systemd takes the stop of %s for a %s", c.name, r)
			}
		}
	})
}

// together: without names, logs are those of all instances, in the order of time.
func (g *guest) together() {
	g.t.Helper()
	said, last := map[string]int{}, time.Time{}
	dec := json.NewDecoder(strings.NewReader(g.sh("aztec-spartan logs -n -1 -o json")))
	for n := 0; dec.More(); n++ {
		var entry struct {
			Time           time.Time
			Instance, Unit string
		}
		if err := dec.Decode(&entry); err != nil {
			g.t.Fatal(err)
		}
		if entry.Time.Before(last) {
			g.t.Errorf("entry %d, of %s, is %s older than the one before it", n, entry.Unit, last.Sub(entry.Time))
		}
		said[entry.Instance]++
		last = entry.Time
	}
	for _, c := range cast {
		if said[c.name] == 0 {
			g.t.Errorf("nothing is of %s: %v", c.name, said)
		}
	}
}

// configCast makes the instances, and holds their units to what systemd says.
func (g *guest) configCast() {
	g.t.Helper()
	g.makeCast()
	for _, c := range cast {
		g.sh("systemd-analyze security --threshold=12 " + c.unit)
	}
}

// makeCast makes the instances, and has systemd read their units.
func (g *guest) makeCast() {
	g.t.Helper()
	g.config("4.1.2")
	g.sh("umask 077; echo " + proverKey + " >/root/prover-key")
	for _, c := range cast[1:] {
		key := ""
		if c.name == "prove1" {
			key = " --publisher-key-file /root/prover-key"
		}
		g.sh(fmt.Sprintf("aztec-spartan config %s --network local --image %s %s%s", c.name, castImage, c.flags, key))
	}
	g.sh("install -D /bin/true /usr/local/bin/node")
	for _, c := range cast {
		if v := g.sh("systemd-analyze verify --man=no " + c.unit + " 2>&1 | grep -v -e 'Couldn.t move remaining userspace processes' -e 'Suspicious symlink' -e 'points to .null.' -e cryptdisks || :"); v != "" { // in a container; Ubuntu's own
			g.t.Errorf("systemd-analyze verify: %s", v)
		}
	}
	g.sh("rm /usr/local/bin/node")
}

// shareReferenceString: agents write it through their group, each what another
// one wrote, and nobody else sees it.
func (g *guest) shareReferenceString() {
	g.t.Helper()
	const dir, file = "/var/cache/aztec/crs", "/var/cache/aztec/crs/bn254_g1.dat"
	if got := g.sh("stat -c '%U %G %a' " + dir); got != "root aztec-crs 2770" {
		g.t.Errorf("the cache is %s", got)
	}
	owner := g.sh("stat -c '%U' " + file)
	if got := g.sh("stat -c '%G %a' " + file); got != "aztec-crs 660" {
		g.t.Errorf("the reference string is %s", got)
	}
	other := map[string]string{"aztec-agent1": "agent2", "aztec-agent2": "agent1"}[owner]
	if other == "" {
		g.t.Fatalf("%s wrote the reference string", owner)
	}
	g.sh("truncate -s 0 " + file + " && aztec-spartan restart " + other)
	g.until("test -s " + file)
	for _, c := range cast {
		sees := g.try("test -e /proc/$(systemctl show -P MainPID "+c.unit+")/root"+dir).Code == 0
		if want := strings.HasPrefix(c.name, "agent"); sees != want {
			g.t.Errorf("%s sees the shared cache: %t", c.name, sees)
		}
	}
	// Fetched ahead of all agents, it is where they look for it.
	g.sh("aztec-spartan stop agent1 agent2 && rm -r " + dir + " && aztec-spartan run agent1 --with-env -- preload-crs </dev/null")
	if got := g.sh("stat -c '%U %G %a' " + file); got != "aztec-agent1 aztec-crs 660" {
		g.t.Errorf("the reference string fetched ahead is %s", got)
	}
	// Agents that start at once have it fetched once, before the first of them.
	fetches := func() int {
		n, err := strconv.Atoi(g.sh("journalctl --sync && journalctl -o cat | grep -c '^Downloading CRS of size'"))
		if err != nil {
			g.t.Fatal(err)
		}
		return n
	}
	before := fetches()
	g.sh("rm -r " + dir + " && systemctl enable -q --now aztec-prover-agent@agent1 aztec-prover-agent@agent2 && test -s " + file)
	g.until("aztec-spartan probe agent1 && aztec-spartan probe agent2")
	if n := fetches() - before; n != 1 {
		g.t.Errorf("the reference string was fetched %d times:\n%s", n, g.journal())
	}
}

// orderOfProvers: the broker comes first and goes last, and its end is nobody
// else's.
func (g *guest) orderOfProvers() {
	g.t.Helper()
	const broker = "aztec-prover-broker@broker1.service"
	at := func(property, unit string) int {
		g.t.Helper()
		text := g.sh("systemctl show -P " + property + " " + unit)
		us, err := strconv.Atoi(text)
		if err != nil || us == 0 {
			g.t.Fatalf("%s of %s: %q", property, unit, text)
		}
		return us
	}
	// The stop of a target does not wait for what is part of it, and a start right behind it keeps the broker from ever stopping.
	stopped := "until ! systemctl list-units --no-legend --plain 'aztec-*@*.service' | grep -qE ' (active|deactivating) '; do sleep 0.1; done"
	for _, act := range []string{"systemctl restart aztec.target", "systemctl stop aztec.target && timeout 60 sh -c \"" + stopped + "\" && systemctl start aztec.target"} {
		g.sh(act)
		for _, unit := range []string{"aztec-prover-node@prove1.service", "aztec-prover-agent@agent1.service"} {
			g.until("systemctl is-active " + unit)
			if at("ActiveEnterTimestampMonotonic", broker) > at("ExecMainStartTimestampMonotonic", unit) {
				g.t.Errorf("%s: %s did not wait for its broker", act, unit)
			}
			if at("InactiveEnterTimestampMonotonic", broker) < at("InactiveEnterTimestampMonotonic", unit) {
				g.t.Errorf("%s: the broker did not wait for %s", act, unit)
			}
		}
	}
	pid := g.sh("systemctl show -P MainPID aztec-prover-node@prove1.service")
	g.sh("systemctl kill -s KILL " + broker)
	g.until("aztec-spartan probe broker1")
	if now := g.sh("systemctl show -P MainPID aztec-prover-node@prove1.service"); now != pid {
		g.t.Errorf("the prover node was restarted with its broker: %s, then %s", pid, now)
	}
}
