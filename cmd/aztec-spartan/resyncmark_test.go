package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
)

// killedResync is an exchange of stores that does nothing more once it has stopped
// its node.
func killedResync(t *testing.T, a *app, was manager.UnitState, back bool, r aside) {
	t.Helper()
	killed, over := make(chan struct{}), make(chan error, 1)
	m := &fakeJobs{stop: func(context.Context) error {
		close(killed)
		<-t.Context().Done()
		return t.Context().Err()
	}}
	ctx := context.WithoutCancel(t.Context())
	go func() { over <- a.exchange(ctx, m, "val1", was, a.lastStop("val1"), true, back, r) }()
	t.Cleanup(func() { <-over })
	select {
	case <-killed:
	case err := <-over:
		over <- err
		t.Fatalf("it has not stopped the node: %v", err)
	}
}

// A resync that was killed after it has stopped its node, wherever, is gone on
// with: the stores are all where they belong, and the node runs. Before, whoever
// asks is told.
func TestKilledResync(t *testing.T) {
	for _, back := range []bool{false, true} {
		for moved := range len(chainStores) + 1 {
			a := newApp(io.Discard)
			a.root = t.TempDir()
			inst, unit := settledUnit(t, a, "val1")
			r := aside{a.path(filepath.Join(dataRoot, "val1"))}
			dataDir(t, r.data, append([]string{"signing-protection"}, chainStores...)...)
			want := asideDir + " signing-protection"
			if back {
				if err := r.move(); err != nil {
					t.Fatal(err)
				}
				want = "archiver p2p p2p-archive signing-protection world_state"
			}
			killedResync(t, a, manager.UnitState{Unit: unit, InvocationID: "a1", ActiveState: "active", UnitFileState: "enabled"}, back, r)
			for _, store := range chainStores[:moved] {
				from, to := filepath.Join(r.data, store), filepath.Join(r.dir(), store)
				if back {
					from, to = to, from
				}
				if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(from, to); err != nil {
					t.Fatal(err)
				}
			}
			down := manager.UnitState{Unit: unit, InvocationID: "a1", ActiveState: "inactive", UnitFileState: "enabled"}
			m := &fakeJobs{fakeUnits: fakeUnits{unit: down}, stop: func(context.Context) error { return nil }}
			if moved == 1 {
				down.ActiveState, down.Result = "failed", "timeout"
				m.fakeUnits[unit] = down
			}
			s, err := a.status(t.Context(), m, "val1")
			if err != nil || s.Health != "unhealthy" || !strings.Contains(s.Reason, "aztec-spartan resync val1") || strings.Contains(s.Reason, "--undo") != back {
				t.Errorf("back %t, %d moved: %s: %s, %v", back, moved, s.Health, s.Reason, err)
			}
			if err := a.resumeResync(t.Context(), m, inst); err != nil {
				t.Errorf("back %t, %d moved: %v", back, moved, err)
			}
			if got := strings.Join(m.told, " "); got != "stop start" {
				t.Errorf("back %t, %d moved: systemd was told: %s", back, moved, got)
			}
			if got := listing(t, r.data); got != want {
				t.Errorf("back %t, %d moved: there is %s, want %s", back, moved, got, want)
			}
			if exists(a.resyncMarkPath("val1")) {
				t.Errorf("back %t, %d moved: it would be gone on with again", back, moved)
			}
		}
	}
}

// A node that was started since, or stopped on purpose, is let be.
func TestKilledResyncIsOver(t *testing.T) {
	for name, c := range map[string]struct {
		since func(a *app, u *manager.UnitState) error
		left  bool
	}{
		"nothing":        {func(*app, *manager.UnitState) error { return nil }, true},
		"it hangs":       {func(_ *app, u *manager.UnitState) error { u.ActiveState = "failed"; return nil }, true},
		"it still stops": {func(_ *app, u *manager.UnitState) error { u.ActiveState, u.Job = "deactivating", true; return nil }, true},
		"its turn comes": {func(_ *app, u *manager.UnitState) error { u.ActiveState, u.Job = "active", true; return nil }, true},
		"it was moved": {func(a *app, _ *manager.UnitState) error {
			return a.markElsewhere(context.Background(), profiles.Instance{Name: "val1", Role: "full-node"}, elsewhere{Why: movedAway})
		}, false},
		"it runs":         {func(_ *app, u *manager.UnitState) error { u.ActiveState = "active"; return nil }, false},
		"it ran":          {func(_ *app, u *manager.UnitState) error { u.InvocationID = "b2"; return nil }, false},
		"it was forgot":   {func(_ *app, u *manager.UnitState) error { u.InvocationID = ""; return nil }, false},
		"it was disabled": {func(_ *app, u *manager.UnitState) error { u.UnitFileState = "disabled"; return nil }, false},
		"it was stopped":  {func(a *app, _ *manager.UnitState) error { return a.noteStop("val1") }, false},
		"it came to its end": {func(a *app, u *manager.UnitState) error {
			u.ActiveState = "active"
			return os.Remove(a.resyncMarkPath("val1"))
		}, false},
		"a cut line": {func(a *app, _ *manager.UnitState) error {
			return os.WriteFile(a.resyncMarkPath("val1"), []byte("{"), 0o600)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			a := newApp(io.Discard)
			a.root = t.TempDir()
			settled(t, a, "val1", 1)
			inst := profiles.Instance{Name: "val1", Role: "full-node"}
			unit, err := a.unitOf(inst)
			if err != nil {
				t.Fatal(err)
			}
			u := manager.UnitState{Unit: unit, InvocationID: "a1", ActiveState: "active", UnitFileState: "enabled"}
			if err := a.noteResync("val1", a.lastStop("val1"), u, false); err != nil {
				t.Fatal(err)
			}
			u.ActiveState = "inactive"
			if err := c.since(a, &u); err != nil {
				t.Fatal(err)
			}
			if left := a.leftByResync("val1", u) != nil; left != c.left {
				t.Errorf("left: %t", left)
			}
			if c.left {
				return
			}
			m := &fakeJobs{fakeUnits: fakeUnits{unit: u}}
			if err := a.resumeResync(t.Context(), m, inst); err != nil || len(m.told) > 0 || exists(a.resyncMarkPath("val1")) {
				t.Errorf("%v, systemd was told: %q, and the mark stays: %t", err, m.told, exists(a.resyncMarkPath("val1")))
			}
		})
	}
}
