//go:build booted

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

const dataOfVal1 = "/var/lib/aztec/val1/"

// rollsWithData: whatever a new version does to the data of val1, which runs
// 4.1.2, they are as they were when that one is back.
func (g *guest) rollsWithData() {
	g.t.Helper()
	// Gone when the node empties the store: it knows nothing of this file.
	g.sh("systemctl stop " + val1 + " && head -c 3000000 /dev/urandom >" + dataOfVal1 + "archiver/proof && truncate -s 1G " + dataOfVal1 + "archiver/proof && chown aztec-val1: " + dataOfVal1 + "archiver/proof && sha256sum " + dataOfVal1 + "archiver/proof >/root/sum && systemctl start " + val1)
	g.until("aztec-spartan probe val1")
	same := "sha256sum -c /root/sum && grep -q '\"schemaVersion\":5' " + dataOfVal1 + "archiver/db_version && test $(stat -c %U " + dataOfVal1 + "archiver/proof) = aztec-val1"
	// A success keeps them for a while, and a rollback brings them back.
	g.fails(0, "aztec-spartan update val1 --to 4.2.0-schema --settle 1s", "wants schema 6 of archiver, which has 5", "its data are kept")
	g.sh("test ! -e " + dataOfVal1 + "archiver/proof && grep -q '\"schemaVersion\":6' " + dataOfVal1 + "archiver/db_version")
	if out := g.sh("aztec-spartan gc --dry-run"); !strings.Contains(out, "kept data of val1 that 4.1.2 left: until ") {
		g.t.Errorf("gc --dry-run: %s", out)
	}
	g.sh("aztec-spartan rollback val1 --settle 1s && " + same)
	g.sh("aztec-spartan gc --json | jq -e '.kept_data[0].version == \"4.2.0-schema\" and .removed_data == []'")
	g.sh("jq '.kept[].until = \"2020-01-01T00:00:00Z\"' /var/lib/aztec-spartan/instances/val1/state.json >/root/s && cp /root/s /var/lib/aztec-spartan/instances/val1/state.json")
	g.sh("aztec-spartan gc | grep -q 'removed data of val1 that 4.2.0-schema left' && test ! -e " + dataOfVal1 + ".aztec-spartan.saved && " + same)

	// Where they can be kept in no way, it is said before anything stops.
	g.sh("cp /etc/aztec-spartan/config.toml /root/config.toml && sed -i 's/^copy_limit.*/copy_limit = \"1KiB\"/' /etc/aztec-spartan/config.toml")
	g.fails(exitRolledBack, "aztec-spartan update val1 --to 4.2.2-refuses --settle 1s", "more than may be copied", "going back will mean a sync")
	g.sh("cp /root/config.toml /etc/aztec-spartan/config.toml && " + same)
}

// doesNotSign: an older version that does not know what was signed runs without
// its validator until it is told.
func (g *guest) doesNotSign() {
	g.t.Helper()
	env := "tr '\\0' '\\n' </proc/$(systemctl show -P MainPID " + val1 + ")/environ"
	g.fails(exitRolledBack, "aztec-spartan update val1 --to 4.2.3-signs --settle 1s", "4.1.2 is back, and does not sign", "hint: aztec-spartan start val1 --sign")
	g.sh(env + " | grep -qx VALIDATOR_DISABLED=true")
	g.sh("test ! -e " + dataOfVal1 + "signing-protection && grep -q '\"schemaVersion\":2' " + dataOfVal1 + ".aztec-spartan.saved/signing-protection/db_version")
	s := g.status()
	if s.Version != "4.1.2" || s.Health != "healthy" || s.NoSigning == nil || s.LastRoll.Result != roll.RolledBack || s.LastRoll.NoSigning == "" {
		g.t.Errorf("%+v, last roll %+v", s, s.LastRoll)
	}
	g.fails(exitFailed, "aztec-spartan start val1 --sign", "not past yet", "all are: aztec-spartan start val1 --sign")
	g.sh("aztec-spartan restart val1 && " + env + " | grep -qx VALIDATOR_DISABLED=true")
	g.sh("jq '.no_signing.until = \"2020-01-01T00:00:00Z\"' /var/lib/aztec-spartan/instances/val1/state.json >/root/s && cp /root/s /var/lib/aztec-spartan/instances/val1/state.json")
	g.sh("aztec-spartan start val1 --sign && ! " + env + " | grep -q VALIDATOR_DISABLED && test ! -e /etc/systemd/system/" + val1 + ".d")
	if s := g.status(); s.NoSigning != nil {
		g.t.Errorf("afterwards: %+v", s.NoSigning)
	}

	// By policy nobody types it. The same again, made up.
	g.sh("jq '.no_signing = {reason: \"made up\", since: \"2020-01-01T00:00:00Z\", until: \"2020-01-01T00:00:00Z\"}' /var/lib/aztec-spartan/instances/val1/state.json >/root/s && cp /root/s /var/lib/aztec-spartan/instances/val1/state.json")
	g.sh("mkdir /etc/systemd/system/" + val1 + ".d && echo VALIDATOR_DISABLED=true >/var/lib/aztec-spartan/instances/val1/no-signing.env")
	g.sh("printf '[Service]\nEnvironmentFile=/var/lib/aztec-spartan/instances/val1/no-signing.env\n' >/etc/systemd/system/" + val1 + ".d/zz-aztec-spartan-no-signing.conf")
	g.sh("systemctl daemon-reload && systemctl restart " + val1 + " && aztec-spartan watch && " + env + " | grep -qx VALIDATOR_DISABLED=true")
	g.sh("aztec-spartan config val1 --update resume_signing=when-safe && aztec-spartan watch && ! " + env + " | grep -q VALIDATOR_DISABLED && test ! -e /etc/systemd/system/" + val1 + ".d")
	g.sh("aztec-spartan config val1 --update resume_signing= && systemctl is-active --quiet " + val1 + " && aztec-spartan status val1 --json | jq -e '.[0].no_signing == null'")
}

// proposing stands in for an L1 on which val1 is the proposer of every slot as
// long as proposes says so, until end is called.
func (g *guest) proposing(proposes *atomic.Bool) (end func()) {
	g.t.Helper()
	l, err := g.Listen("tcp", "127.0.0.1:8545")
	if err != nil {
		g.t.Fatal(err)
	}
	l1 := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var call struct {
			Method string
			Params []json.RawMessage
		}
		if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
			g.t.Error(err)
		}
		result := fmt.Sprintf("0x%064x", 24) // seconds of a slot
		switch {
		case call.Method == "eth_getBlockByNumber":
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":1,"result":{"timestamp":"0x%x","number":"0x10","hash":"0x%064x"}}`, time.Now().Unix(), 1)
			return
		case call.Method == "eth_syncing":
			fmt.Fprint(w, `{"jsonrpc":"2.0","id":1,"result":false}`)
			return
		case call.Method == "eth_chainId":
			result = "0x7a69"
		case call.Method == "eth_call" && strings.Contains(string(call.Params[0]), "0xc27f08b5"): // getProposerAt
			result = "0x" + strings.Repeat("0", 64)
			if proposes.Load() {
				result = "0x" + strings.Repeat("0", 24) + strings.ToLower(devAddress[2:])
			}
		}
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":1,"result":%q}`, result)
	}), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- l1.Serve(l) }()
	return func() {
		_ = l1.Close()
		<-served
	}
}

// waitsForTheBusy: a roll waits for a proposer, and for an agent that proves.
func (g *guest) waitsForTheBusy() {
	g.t.Helper()
	var proposes atomic.Bool
	proposes.Store(true)
	defer g.proposing(&proposes)()
	config := "/etc/aztec-spartan/config.toml"
	g.sh("sed -i 's/^busy_wait.*/busy_wait = \"1s\"/; s/^when_busy.*/when_busy = \"give-up\"/' " + config)
	pid := g.sh("systemctl show -P MainPID " + val1)
	g.fails(exitFailed, "aztec-spartan update val1 --to 4.1.3", "it was busy for 1s: it is the proposer of this slot", "--now")
	if now := g.sh("systemctl show -P MainPID " + val1); now != pid {
		g.t.Error("it was restarted while it proposes")
	}
	g.sh("aztec-spartan update val1 --to 4.1.3 --settle 1s --now && cp /root/config.toml " + config)

	ctx, cancel := context.WithTimeout(g.t.Context(), 4*time.Minute)
	defer cancel()
	back := g.Command(ctx, "aztec-spartan", "rollback", "val1", "--settle", "1s")
	if err := back.Start(); err != nil {
		g.t.Fatal(err)
	}
	g.until("journalctl -u aztec-roll@val1.service | grep -q 'waiting up to 10m0s: it is the proposer of this slot'")
	proposes.Store(false)
	if err := back.Wait(); err != nil {
		g.t.Errorf("rollback: %v", err)
	}
	if s := g.status(); s.Version != "4.1.2" || !strings.Contains(strings.Join(s.LastRoll.Evidence, "\n"), "it is not busy any more") {
		g.t.Errorf("%+v, last roll %+v", s, s.LastRoll)
	}

	g.sh("aztec-spartan config agent1 --network local --image " + stage.Repository + ":4.1.2-proves --role prover-agent --port 8084 --broker http://127.0.0.1:8083 && aztec-spartan start agent1")
	g.until("aztec-spartan probe agent1 | grep -q proves")
	g.sh("sed -i 's/^busy_wait.*/busy_wait = \"2s\"/' " + config + " && aztec-spartan update agent1 --to 4.1.3 --settle 1s 2>/root/said && cp /root/config.toml " + config)
	g.sh("grep -q 'waiting up to 2s: .*proves' /root/said && grep -q 'busy still after 2s .*proves.*going on' /root/said")
}

// appliesConfig: settings that the node does not start with are taken back.
func (g *guest) appliesConfig() {
	g.t.Helper()
	pid := g.status().MainPID
	g.sh("aztec-spartan config val1 --port 8091 --settle 1s --apply && curl -sf http://127.0.0.1:8091/status")
	good := g.status()
	if good.MainPID == pid || good.RestartNeeded || good.LastRoll.Kind != roll.Config || good.LastRoll.Result != roll.Done {
		g.t.Errorf("applied: %+v, last roll %+v", good, good.LastRoll)
	}
	before := g.sh("cat /etc/aztec-spartan/instances/val1/instance.toml /etc/systemd/system/" + val1)
	g.fails(exitRolledBack, "aztec-spartan config val1 --extra-arg --bogus --settle 1s --apply", "exited with code 1", "the settings before are back", "are kept in /var/lib/aztec-spartan/instances/val1/")
	if after := g.sh("cat /etc/aztec-spartan/instances/val1/instance.toml /etc/systemd/system/" + val1); after != before {
		g.t.Errorf("they are not:\n%s", after)
	}
	s := g.status()
	if s.Health != "healthy" || s.Generation != good.Generation || s.PreviousVersion != good.PreviousVersion || len(s.Skipped) != len(good.Skipped) {
		g.t.Errorf("afterwards: %+v, before: %+v", s, good)
	}
	g.fails(exitUsage, "echo "+thirdKey+" | aztec-spartan config val1 --key-file - --apply", "would not put the keys of a node back", "restart val1")
	const other = "config val1 --image " + stage.Repository + ":4.1.3"
	g.fails(exitUsage, "aztec-spartan "+other, "it has 4.1.2, and another version takes its place in a roll only", "update val1 --to 4.1.3")
	if s := g.status(); s.MainPID == 0 || s.RestartNeeded || s.Version != "4.1.2" {
		g.t.Errorf("a refusal changed something: %+v", s)
	}
	g.stoppedByHook()
	g.fails(exitUsage, "aztec-spartan "+other, "update val1 --to 4.1.3")
	g.sh("aztec-spartan " + other + " --apply")
	if s := g.status(); s.Version != "4.1.3" || s.Health != "stopped" || s.LastRoll.Kind != roll.Config || s.PreviousVersion != "4.1.2" {
		g.t.Errorf("another version while it is stopped: %+v, last roll %+v", s, s.LastRoll)
	}
}

// stoppedByHook: a post-hook stops the node, and neither waits for the other.
func (g *guest) stoppedByHook() {
	g.t.Helper()
	const toml = "/etc/aztec-spartan/instances/val1/instance.toml"
	g.sh("printf '#!/bin/sh\naztec-spartan stop val1\n' >/usr/local/sbin/stops && chmod 755 /usr/local/sbin/stops && printf '\n[update]\npost_hook = \"/usr/local/sbin/stops\"\n' >>" + toml)
	began := time.Now()
	g.sh("aztec-spartan config val1 --set LOG_LEVEL=debug --settle 1s --apply")
	g.until("test $(systemctl show -P ActiveState " + rollUnit("val1") + ") = inactive")
	if s := g.status(); s.Health != "stopped" || s.LastRoll.Result != roll.Done || time.Since(began) > time.Minute {
		g.t.Errorf("stopped by its post-hook, after %s: %+v, last roll %+v", time.Since(began), s, s.LastRoll)
	}
	g.sh("sed -i '/^post_hook/d' " + toml)
}
