package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/probe"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// A version can pass the gate and fail a minute later: the next instance is not
// touched then.
func TestCanary(t *testing.T) {
	for health, code := range map[string]int{
		string(probe.Healthy): 0, string(probe.Syncing): 0, string(probe.Standby): 0, healthStopped: 0, string(probe.Unhealthy): exitUnhealthy,
	} {
		err := judgeCanary(status{Name: "full1", Health: health, Reason: "it does not answer", PreviousVersion: "4.1.2"})
		var said strings.Builder
		a := newApp(&said)
		a.err = &said
		if (err == nil) != (code == 0) || err != nil && a.report(err) != code {
			t.Errorf("%s: %v", health, err)
		}
		if err != nil && (!strings.Contains(said.String(), "full1, which was updated first, is unhealthy by now: it does not answer") || !strings.Contains(said.String(), "hint: aztec-spartan rollback full1 brings 4.1.2 back")) {
			t.Errorf("%s: it says %q", health, said.String())
		}
	}
}

// Updates begin with what can be away at no cost, and end with who signs;
// within a role the order is the operator's.
func TestRollOrder(t *testing.T) {
	a := newApp(&strings.Builder{})
	a.root = t.TempDir()
	roles := map[string]string{"a-val": "sequencer", "b-full": "full-node", "c-prover": "prover-node", "d-broker": "prover-broker", "e-agent": "prover-agent", "f-agent": "prover-agent", "g-what": "no-role"}
	var names []string
	for name, role := range roles {
		put(t, a.path(instancePath(name, "instance.toml")), "schema = 1\nrole = \""+role+"\"\n")
		names = append(names, name)
	}
	slices.Sort(names)
	for verb, want := range map[string]string{
		"update":   "e-agent f-agent d-broker c-prover b-full a-val g-what",
		"rollback": "e-agent f-agent d-broker c-prover b-full a-val g-what",
		"start":    "d-broker a-val b-full c-prover e-agent f-agent g-what",
		"stop":     "a-val b-full c-prover e-agent f-agent g-what d-broker",
	} {
		if got := strings.Join(a.inOrder(verb, names), " "); got != want {
			t.Errorf("%s: %s, want %s", verb, got, want)
		}
	}
}

// What the services of updates promise is in their files.
func TestUpdateUnits(t *testing.T) {
	for file, want := range map[string][]string{
		// Once after a night without power, at a minute of the host's own; started by nobody but auto-update.
		"systemd/aztec-update.timer":             {"Persistent=yes", "FixedRandomDelay=yes", "RandomizedDelaySec=45min", "OnCalendar=hourly", "OnUnitInactiveSec=2h"},
		"systemd-preset/90-aztec-spartan.preset": {"disable aztec-update.timer"},
		// A pull gives way to nodes.
		"systemd/aztec-update.service": {"CPUSchedulingPolicy=idle", "IOSchedulingClass=idle", "Nice=19"},
		// An engine that dies is started again within seconds, and not for ever.
		"systemd/aztec-roll@.service": {"Restart=on-failure", "RestartSec=1", "RestartPreventExitStatus=76", "StartLimitBurst=6", "SuccessExitStatus=4"},
	} {
		text, err := os.ReadFile(filepath.Join("../../packaging", file))
		if err != nil {
			t.Error(err)
		}
		for _, line := range want {
			if !slices.Contains(strings.Split(string(text), "\n"), line) {
				t.Errorf("%s: %s is missing", file, line)
			}
		}
	}
	if exitGivenUp != 76 {
		t.Errorf("the engine ends with %d", exitGivenUp)
	}
	text, err := os.ReadFile("../../packaging/needrestart.conf")
	if err != nil {
		t.Fatal(err)
	}
	rule := regexp.MustCompile(`(?m)^\$nrconf\{override_rc\}->\{qr\((.+)\)\} = 0;$`).FindSubmatch(text)
	if rule == nil {
		t.Fatalf("needrestart.conf has no rule: %s", text)
	}
	for _, unit := range []string{someUnit, "aztec-prover-agent@agent-1.service", "aztec-roll@val1.service"} {
		if !regexp.MustCompile(string(rule[1])).MatchString(unit) {
			t.Errorf("needrestart would restart %s", unit)
		}
	}
}

// auto-update status says all that keeps an instance from a version.
func TestAutoPolicyWords(t *testing.T) {
	next := time.Date(2199, 1, 2, 3, 4, 5, 0, time.Local)
	for want, p := range map[string]autoPolicy{
		"no version yet, channel stable": {WindowOpen: true},
		"4.1.2, channel rc, ~> 4.1, 7d old, told only, pinned to 4.1.2": {
			Version: "4.1.2", WindowOpen: true, Pin: &roll.Pin{Version: "4.1.2"},
			Policy: profiles.Update{Channel: profiles.RC, Constraint: "~> 4.1", MinAge: "7d", Mode: profiles.NotifyMode, HoldUntil: "2020-01-01"},
		},
		"4.1.2, channel stable, nothing before 2199-12-24 00:00:00": {Version: "4.1.2", WindowOpen: true, Policy: profiles.Update{HoldUntil: "2199-12-24"}},
		"4.1.2, channel stable, its window is open":                 {Version: "4.1.2", WindowOpen: true, Policy: profiles.Update{Window: "Mon"}},
		"4.1.2, channel stable, its window opens at 2199-01-02 03:04:05": {
			Version: "4.1.2", NextWindow: &next, Policy: profiles.Update{Window: "Mon"},
		},
		"4.1.2, channel stable, its window never opens again": {Version: "4.1.2", Policy: profiles.Update{Window: "Mon"}},
	} {
		if got := p.words(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
