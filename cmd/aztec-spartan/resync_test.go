package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
	"github.com/aztec-spartan/aztec-spartan/units/probe"
)

// dataDir has a file in each of the stores.
func dataDir(t *testing.T, dir string, stores ...string) {
	t.Helper()
	for _, s := range stores {
		path := filepath.Join(dir, s, "data.mdb")
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.Repeat(s, 2000)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func listing(t *testing.T, dir string) string {
	t.Helper()
	found, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range found {
		names = append(names, f.Name())
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// Only what can be had again is moved, by one that is killed anywhere too.
func TestAside(t *testing.T) {
	r := aside{t.TempDir()}
	dataDir(t, r.data, "archiver", "world_state", "p2p", "signing-protection", "admin", "l1-tx-utils")
	if err := os.Mkdir(r.dir(), 0o700); err != nil { // as one that was killed left it
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(r.data, "p2p"), filepath.Join(r.dir(), "p2p")); err != nil {
		t.Fatal(err)
	}
	if pending, complete := r.state(); !pending || complete {
		t.Errorf("pending %v, complete %v", pending, complete)
	}
	if err := r.move(); err != nil {
		t.Fatal(err)
	}
	if got := listing(t, r.data); got != asideDir+" admin l1-tx-utils signing-protection" {
		t.Errorf("left: %s", got)
	}
	if got := listing(t, r.dir()); got != "archiver moved p2p world_state" {
		t.Errorf("aside: %s", got)
	}
	if _, complete := r.state(); !complete {
		t.Error("it does not know that all are moved")
	}
	dataDir(t, r.data, "archiver") // the new one
	if err := os.WriteFile(filepath.Join(r.data, "archiver", "new"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.back(); err != nil {
		t.Fatal(err)
	}
	if got := listing(t, r.data); got != "admin archiver l1-tx-utils p2p signing-protection world_state" || exists(filepath.Join(r.data, "archiver", "new")) {
		t.Errorf("back: %s", got)
	}
}

// Stores on another disk are found there before the node was started, too.
func TestStoresElsewhere(t *testing.T) {
	a := newApp(&bytes.Buffer{})
	a.root = t.TempDir()
	settled(t, a, "val1", stubNode(t, 0))
	put(t, a.path(mountPath("val1")), string(mountUnit("val1", "/srv/val1")))
	if _, err := a.asideOf("val1"); err == nil || !strings.Contains(err.Error(), "is their disk mounted?") {
		t.Errorf("a disk that is away: %v", err)
	}
	put(t, a.path("/srv/val1/"+dataMarker("val1")), "val1\n")
	dataDir(t, a.path("/srv/val1"), "archiver")
	if r, err := a.asideOf("val1"); err != nil || r.data != a.path("/srv/val1") {
		t.Errorf("resync works in %s, %v", r.data, err)
	}
	if i := a.diskOf("val1"); i.Bytes == 0 || i.Dir != "/srv/val1" {
		t.Errorf("disk: %+v", i)
	}
	s, err := a.status(t.Context(), fakeUnits{}, "val1")
	if err != nil || s.DiskBytes == 0 || s.DataDir != "/srv/val1" {
		t.Errorf("status: %d in %q, %v", s.DiskBytes, s.DataDir, err)
	}
	var page bytes.Buffer
	a.out = &page
	if a.statusPage(s); !strings.Contains(page.String(), " in /srv/val1\n") {
		t.Errorf("status: %s", page.String())
	}
	if dirs := roomDirs([]status{s, {Name: "agent-1"}}); !slices.Equal(dirs, []string{imageDir, "/srv/val1"}) {
		t.Errorf("looked at: %q", dirs)
	}
}

// A node in standby may have shut down: its old stores are not given up for
// that, and nobody waits for it.
func TestResyncOfStandby(t *testing.T) {
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/status" {
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(node.Close)
	a := newApp(io.Discard)
	target := probe.Target{Name: "val1", URL: node.URL, Namespace: "node", Version: "4.1.2"}
	if err := a.awaitHealth(t.Context(), "val1", target, time.Minute); err == nil || !strings.Contains(err.Error(), "in standby") {
		t.Errorf("got %v", err)
	}
}

func TestDisk(t *testing.T) {
	root := doctorTree(t, "http://127.0.0.1:1")
	dir := filepath.Join(root, "var/lib/aztec/val1")
	dataDir(t, dir, "archiver", "world_state", filepath.Join(asideDir, "archiver"))
	var out, said bytes.Buffer
	if code := run(t.Context(), []string{"disk", "--root", root, "--json"}, strings.NewReader(""), &out, &said); code != 0 {
		t.Fatalf("exit code %d: %s", code, said.String())
	}
	var r diskReport
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || len(r.Instances) != 1 || len(r.Instances[0].Stores) != 3 {
		t.Fatalf("%v: %s", err, out.String())
	}
	if i := r.Instances[0]; i.Bytes <= 0 || i.Size < i.FreeBytes || i.FreeBytes <= 0 || i.Stores[0].Bytes < i.Stores[2].Bytes {
		t.Errorf("%+v", i)
	}
	if len(r.Free) != 1 || r.Free[0].Command != "aztec-spartan resync val1" || r.FreeableBytes != r.Free[0].Bytes || r.FreeableBytes <= 0 {
		t.Errorf("%+v", r.Free)
	}
	// What is left of a removal that was killed is nothing that a resync would need.
	if err := os.Rename(filepath.Join(dir, asideDir), filepath.Join(dir, droppedDir)); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	r = diskReport{}
	if code := run(t.Context(), []string{"disk", "--root", root, "--json"}, strings.NewReader(""), &out, &said); code != 0 {
		t.Fatalf("exit code %d: %s", code, said.String())
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || len(r.Free) != 1 || r.Free[0].Command != "rm -r /var/lib/aztec/val1/"+droppedDir {
		t.Errorf("%v: %+v", err, r.Free)
	}
	out.Reset()
	if code := run(t.Context(), []string{"disk", "--root", root}, strings.NewReader(""), &out, &said); code != 0 || !strings.Contains(out.String(), "could be freed: ") || !strings.Contains(out.String(), "world_state") {
		t.Errorf("exit code %d: %s", code, out.String())
	}
}

// fakeJobs are stops and starts of a unit.
type fakeJobs struct {
	fakeUnits
	stop  func(ctx context.Context) error
	start error // how starts end
	told  []string
}

func (f *fakeJobs) Stop(ctx context.Context, _ string, _ ...manager.Option) error {
	f.told = append(f.told, "stop")
	return f.stop(ctx)
}

func (f *fakeJobs) Disable(context.Context, ...string) error {
	f.told = append(f.told, "disable")
	return nil
}

func (f *fakeJobs) Start(ctx context.Context, _ string, _ ...manager.Option) error {
	f.told = append(f.told, "start")
	return errors.Join(ctx.Err(), f.start)
}

// A node that ran runs again, whatever ends the exchange of its stores; but not
// where somebody stops it meanwhile.
func TestExchangeLeavesNoNodeDown(t *testing.T) {
	a := newApp(io.Discard)
	a.root, a.err = t.TempDir(), io.Discard
	for name, c := range map[string]struct {
		stop  func(cancel func()) error
		want  error
		moved bool
	}{
		"done":   {func(func()) error { return nil }, nil, true},
		"Ctrl-C": {func(cancel func()) error { cancel(); return context.Canceled }, context.Canceled, false},
		"hung up": {func(func()) error {
			return syscall.Kill(os.Getpid(), syscall.SIGHUP)
		}, errHungUp, true},
		"stopped": {func(func()) error { return a.noteStop("val1") }, errStoppedMeanwhile, true},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r := aside{t.TempDir()}
			dataDir(t, r.data, "archiver", "signing-protection")
			heard := make(chan os.Signal, 1)
			signal.Notify(heard, syscall.SIGHUP)
			defer signal.Stop(heard)
			m := &fakeJobs{stop: func(context.Context) error {
				err := c.stop(cancel)
				if errors.Is(c.want, errHungUp) {
					<-heard
					signal.Stop(heard) // waits until all others have heard it
				}
				return err
			}}
			if err := a.exchange(ctx, m, "val1", manager.UnitState{Unit: someUnit}, a.lastStop("val1"), true, false, r); !errors.Is(err, c.want) {
				t.Errorf("got %v", err)
			}
			want := "stop start"
			if errors.Is(c.want, errStoppedMeanwhile) {
				want = "stop disable stop"
			}
			if got := strings.Join(m.told, " "); got != want {
				t.Errorf("systemd was told: %s, want %s", got, want)
			}
			if _, complete := r.state(); complete != c.moved {
				t.Errorf("moved: %t", complete)
			}
			if exists(a.resyncMarkPath("val1")) {
				t.Error("it says that it was killed")
			}
		})
	}
}

// A node that could not be started is one that a killed resync has left; but not
// where somebody did not want it to.
func TestExchangeThatCannotStart(t *testing.T) {
	for want, marked := range map[error]bool{
		&manager.JobError{Unit: someUnit, Verb: "start", Result: manager.Dependency}: true,
		errors.New("systemd does not answer"):                                        true,
		&manager.JobError{Unit: someUnit, Verb: "start", Result: manager.Canceled}:   false,
	} {
		a := newApp(io.Discard)
		a.root = t.TempDir()
		r := aside{t.TempDir()}
		was := manager.UnitState{Unit: someUnit, InvocationID: "a1", ActiveState: "active"}
		m := &fakeJobs{stop: func(context.Context) error { return nil }, start: want}
		if err := a.exchange(t.Context(), m, "val1", was, "", true, false, r); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
		was.ActiveState = "inactive"
		if left := a.leftByResync("val1", was) != nil; left != marked {
			t.Errorf("%v: left %t", want, left)
		}
	}
}

// settledUnit is an instance, and its unit, whose node listens nowhere.
func settledUnit(t *testing.T, a *app, name string) (profiles.Instance, string) {
	t.Helper()
	settled(t, a, name, 1)
	inst, err := a.loadInstance(name)
	if err != nil {
		t.Fatal(err)
	}
	unit, err := a.unitOf(inst)
	if err != nil {
		t.Fatal(err)
	}
	return inst, unit
}

// What somebody stops just now is not started by a resync that is typed meanwhile.
func TestResyncOfOneThatStops(t *testing.T) {
	a := newApp(io.Discard)
	a.root = t.TempDir()
	inst, unit := settledUnit(t, a, "val1")
	m := &fakeJobs{fakeUnits: fakeUnits{unit: {Unit: unit, InvocationID: "a1", ActiveState: "deactivating", Job: true}}}
	err := a.resync(t.Context(), m, inst, "", resyncFlags{noWait: true})
	if err == nil || !strings.Contains(err.Error(), "somebody stops it") || codeOf(err) != exitLocked || len(m.told) > 0 {
		t.Errorf("got %v; systemd was told %q", err, m.told)
	}
}

// Old stores whose removal was killed are never put back, nor aside again.
func TestDropOldStores(t *testing.T) {
	r := aside{t.TempDir()}
	dataDir(t, r.data, "signing-protection", "archiver", "world_state")
	if err := r.move(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(r.dir(), filepath.Join(r.data, droppedDir)); err != nil {
		t.Fatal(err)
	}
	dataDir(t, r.data, "archiver")
	if pending, _ := r.state(); pending {
		t.Error("they would be put back")
	}
	if err := r.move(); err != nil {
		t.Fatal(err)
	}
	if got := listing(t, r.data); got != asideDir+" signing-protection" {
		t.Errorf("there is %s", got)
	}
	for range 2 {
		if err := r.drop(); err != nil {
			t.Fatal(err)
		}
	}
	if got := listing(t, r.data); got != "signing-protection" {
		t.Errorf("there is %s", got)
	}
}
