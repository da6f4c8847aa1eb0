package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units/manager"
)

// A node that says over and over that it is out of date is started less and
// less often, and one that lasted begins anew.
func TestBackoff(t *testing.T) {
	a := newApp(&strings.Builder{})
	a.root = t.TempDir()
	next := func() time.Duration {
		t.Helper()
		d, err := a.nextBackoff("val1")
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for i, want := range []int{5, 10, 20, 40, 80, 160, 320, 600, 600} {
		if got := next(); got != time.Duration(want)*time.Second {
			t.Errorf("after end %d: %s, want %d s", i, got, want)
		}
	}
	path := filepath.Join(a.root, lockDir, "val1.outdated")
	for name, text := range map[string]string{"lasted": stamp(t, 9, -2*time.Hour), "from the future": stamp(t, 9, time.Hour), "torn": "{", "below zero": stamp(t, -3, -time.Minute)} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := next(); got != firstBackoff {
			t.Errorf("%s: %s", name, got)
		}
	}
	if err := os.WriteFile(path, []byte(stamp(t, 1<<40, 0)), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := next(); got != lastBackoff {
		t.Errorf("very often: %s", got)
	}
}

// What cannot be remembered does not leave the node down.
func TestBackoffUnknown(t *testing.T) {
	var said strings.Builder
	a := newApp(&said)
	a.root = t.TempDir()
	if err := os.MkdirAll(filepath.Join(a.root, lockDir, "val1.outdated"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got := a.backoff("val1"); got != lastBackoff || !strings.Contains(said.String(), "how often val1 ended") {
		t.Errorf("%s, and %q is said", got, said.String())
	}
}

// One that fails itself is started again, however often: nothing else starts
// the node.
func TestFailureUnitTriesAgain(t *testing.T) {
	text, err := os.ReadFile("../../packaging/systemd/aztec-failure@.service")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Restart=on-failure", "RestartSec=30", "StartLimitIntervalSec=0"} {
		if !slices.Contains(strings.Split(string(text), "\n"), want) {
			t.Errorf("%s is missing", want)
		}
	}
}

func stamp(t *testing.T, count int, ago time.Duration) string {
	t.Helper()
	data, err := json.Marshal(backoffs{count, time.Now().Add(ago)})
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestOutdated(t *testing.T) {
	is := func(state string, code, status int32) bool {
		return outdated(manager.UnitState{ActiveState: state, ExecMainCode: code, ExecMainStatus: status})
	}
	if !is("failed", cldExited, 78) || !is("failed", cldExited, 79) {
		t.Error("78 and 79 say that the version is out of date")
	}
	// A unit whose stop timed out has failed too; a signal 79 there is none; what runs again is not down.
	if is("failed", cldExited, 1) || is("failed", cldKilled, 79) || is("active", cldExited, 79) || is("activating", cldExited, 79) {
		t.Error("others do not")
	}
}

// A node that is down, since it wants another version, runs after a roll, unless
// somebody has stopped it: that ends the service that sees to it, too, while the
// unit stays failed.
func TestOutdatedAndStopped(t *testing.T) {
	node := manager.UnitState{ActiveState: "failed", Restart: "always", ExecMainCode: cldExited, ExecMainStatus: exitVersionUpgrade}
	for _, c := range []struct {
		failure manager.UnitState
		want    bool
	}{
		{manager.UnitState{ActiveState: "activating"}, true}, // at it, or about to try again
		{manager.UnitState{ActiveState: "inactive", Job: true}, true},
		{manager.UnitState{ActiveState: "failed"}, true},
		{manager.UnitState{ActiveState: "inactive"}, false},
	} {
		if got := running(node, c.failure); got.Outdated != c.want || got.Halted {
			t.Errorf("%+v: %+v", c.failure, got)
		}
	}
}
