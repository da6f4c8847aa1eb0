package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// A new address is told once, by one look an hour, and only if it is asked for.
func TestWatchAddress(t *testing.T) {
	address, asked := "203.0.113.7", 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		fmt.Fprintln(w, address)
	}))
	defer server.Close()
	a := newApp(nil)
	a.root = doctorTree(t, "http://127.0.0.1:1")
	if err := os.MkdirAll(a.path("/var/lib/aztec-spartan"), 0o755); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	a.err = &said
	config := func(on bool) hostConfig {
		put(t, a.path(configFile), fmt.Sprintf("[network]\nwatch_ip = %v\nip_services = [%q]\n[notify]\ncommand = [\"/bin/true\"]\n", on, server.URL))
		c, err := a.hostConfig()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	applies := false
	look := func(on bool) int {
		t.Helper()
		before := asked
		c := config(on)
		c.Network.ApplyIP = applies
		if apply, err := a.watchAddress(t.Context(), c); err != nil || apply != (applies && address != "203.0.113.7") {
			t.Fatalf("apply %v, %v", apply, err)
		}
		return asked - before
	}
	if look(false) != 0 || look(true) != 1 || look(true) != 0 {
		t.Errorf("asked %d times", asked)
	}
	if a.spool().Waits() {
		t.Errorf("told: %s", said.String())
	}
	address = "203.0.113.99"
	hourLater := func() {
		t.Helper()
		hour := time.Now().Add(-addressEvery)
		if err := os.Chtimes(a.path(addressFile), hour, hour); err != nil {
			t.Fatal(err)
		}
	}
	hourLater()
	if look(true) != 1 || !a.spool().Waits() || !strings.Contains(said.String(), "aztec-spartan config val1 --ip 203.0.113.99") {
		t.Errorf("said %s", said.String())
	}
	said.Reset()
	applies = true
	hourLater()
	if look(true) != 1 || !strings.Contains(said.String(), "the node is restarted with it when it is not busy") {
		t.Errorf("said %s", said.String())
	}
	// Whoever tells peers nothing has nothing to tell anew.
	said.Reset()
	hourLater()
	off := false
	inst, err := a.loadInstance("val1")
	if err != nil {
		t.Fatal(err)
	}
	inst.P2P.Enabled = &off
	if err := a.saveInstance(inst); err != nil {
		t.Fatal(err)
	}
	if apply, err := a.watchAddress(t.Context(), config(true)); apply || err != nil || said.Len() > 0 {
		t.Errorf("without P2P: %v, %v, %s", apply, err, said.String())
	}
}

// An address with which a node did not come up is not tried every hour.
func TestAddressFailed(t *testing.T) {
	a := newApp(nil)
	a.root = t.TempDir()
	put(t, a.path(stateDir+"/val1/state.json"), "{}")
	if a.addressFailed("val1", "203.0.113.99") {
		t.Error("nothing was tried")
	}
	a.noteAddressFailed("val1", "203.0.113.99")
	if !a.addressFailed("val1", "203.0.113.99") || a.addressFailed("val1", "203.0.113.100") {
		t.Error("what was tried is not known")
	}
	day := time.Now().Add(-addressAgain)
	if err := os.Chtimes(a.failedAddressPath("val1"), day, day); err != nil {
		t.Fatal(err)
	}
	if a.addressFailed("val1", "203.0.113.99") {
		t.Error("it is not tried again")
	}
}

// A new address is applied as config --apply does it, to who tells its peers
// another one: not over edits, not to a node that is busy, and not again where it
// did not hold.
func TestApplyAddresses(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "203.0.113.99") }))
	defer server.Close()
	for name, test := range map[string]struct {
		off      bool
		ip       string // that peers are told
		result   string // of the roll; "": none
		again    int    // times that it is called for in three looks
		code     int    // of the first look
		says     string
		withTold string // afterwards
	}{
		"not asked for":      {off: true, ip: "203.0.113.7", withTold: "203.0.113.7"},
		"it is told":         {ip: "203.0.113.99", withTold: "203.0.113.99"},
		"behind a router":    {ip: "10.1.2.3", withTold: "10.1.2.3"},
		"done":               {ip: "203.0.113.7", result: roll.Done, again: 1, withTold: "203.0.113.99"},
		"busy":               {ip: "203.0.113.7", result: roll.Busy, again: 3, says: "keeps the address 203.0.113.7 for now: it proves", withTold: "203.0.113.7"},
		"it did not hold":    {ip: "203.0.113.7", result: roll.RolledBack, again: 1, code: exitRolledBack, says: "it did not run with 203.0.113.99", withTold: "203.0.113.7"},
		"it cannot be begun": {ip: "203.0.113.7", again: 3, code: exitUnhealthy, withTold: "203.0.113.7"},
		"neither runs":       {ip: "203.0.113.7", result: roll.Failed, again: 1, code: exitFailed, says: "it did not run with", withTold: "203.0.113.7"},
	} {
		a := newApp(nil)
		a.root = doctorTree(t, "http://127.0.0.1:1")
		var said strings.Builder
		a.err = &said
		put(t, a.path(configFile), fmt.Sprintf("[network]\nwatch_ip = true\napply_ip = %v\nip_services = [%q]\n", !test.off, server.URL))
		inst, err := a.loadInstance("val1")
		if err != nil {
			t.Fatal(err)
		}
		inst.P2P.IP = test.ip
		if err := a.saveInstance(inst); err != nil {
			t.Fatal(err)
		}
		called := 0
		config := func(_ context.Context, name string, f configFlags) error {
			called++
			if name != "val1" || f.ip != "203.0.113.99" || !f.applies || !f.unattended || !f.changed("ip") || f.changed("role") {
				t.Errorf("%s: config %s %+v", name, name, f)
			}
			if test.result == "" {
				return withCode(test.code, errors.New("no"))
			}
			state, err := a.files().Load(name)
			if err != nil {
				return err
			}
			state.LastRoll = &roll.Outcome{Kind: roll.Config, Result: test.result, Reason: "it proves", Started: time.Now(), Finished: time.Now()}
			if err := a.files().Save(name, state); err != nil {
				return err
			}
			if test.result != roll.Done {
				return outcomeError(name, *state.LastRoll)
			}
			inst.P2P.IP = f.ip
			return a.saveInstance(inst)
		}
		for n := range 3 {
			err := a.applyAddresses(t.Context(), config)
			if n == 0 && ((err == nil) != (test.code == 0) || err != nil && codeOf(err) != test.code) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if is, err := a.loadInstance("val1"); err != nil || is.P2P.IP != test.withTold || called != test.again || !strings.Contains(said.String(), test.says) {
			t.Errorf("%s: called %d times, peers are told %s, %v; said %s", name, called, is.P2P.IP, err, said.String())
		}
	}
}

// A roll for a new address gives up on a node that is busy, whatever updates do.
func TestAddressWaits(t *testing.T) {
	a := newApp(nil)
	a.root = t.TempDir()
	for f, want := range map[updateFlags]bool{{giveUp: true}: true, {}: false} {
		if p, err := a.busyPlan(f); err != nil || p.GiveUp != want || p.Wait != 10*time.Minute {
			t.Errorf("%+v: %+v, %v", f, p, err)
		}
	}
	put(t, a.path(configFile), "[network]\napply_ip = true\n")
	if _, err := a.hostConfig(); err == nil || !strings.Contains(err.Error(), "watch_ip") {
		t.Errorf("apply_ip alone: %v", err)
	}
}
