package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aztec-spartan/aztec-spartan/cmd/aztec-spartan/internal/docker"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
)

// fakeWrapper is a unit that runs docker; its container goes and comes with it.
type fakeWrapper struct {
	noWrappers
	state, file string
	bench       *adoptBench
	told        []string
}

func (f *fakeWrapper) State(context.Context, string) (manager.UnitState, error) {
	return manager.UnitState{ActiveState: f.state, UnitFileState: f.file}, nil
}

func (f *fakeWrapper) Enable(_ context.Context, units ...string) error {
	f.told = append(f.told, "enable "+strings.Join(units, " "))
	return nil
}

func (f *fakeWrapper) Disable(_ context.Context, units ...string) error {
	f.told = append(f.told, "disable "+strings.Join(units, " "))
	return nil
}

func (f *fakeWrapper) Start(_ context.Context, unit string, _ ...manager.Option) error {
	f.told = append(f.told, "start "+unit)
	return os.WriteFile(filepath.Join(f.bench.dir, "running"), nil, 0o600)
}

func (f *fakeWrapper) Stop(_ context.Context, unit string, _ ...manager.Option) error {
	f.told = append(f.told, "stop "+unit)
	if f.state == "active" {
		return os.Remove(filepath.Join(f.bench.dir, "running"))
	}
	return nil
}

// What was off stays off: an undo starts neither a node nor anything at boot
// that was not so before. And a container that ended with its unit does not come
// back with docker beside ours.
func TestAdoptUndoOfAUnit(t *testing.T) {
	const unit = "/etc/systemd/system/aztec.service"
	for _, tc := range []struct {
		name, state, file string
		ran               bool // the container
		units, docker     []string
	}{
		{"at boot", "active", "enabled", true, []string{"enable aztec.service", "start aztec.service"}, []string{"update --restart=unless-stopped c0ffee"}},
		{"by hand", "active", "disabled", true, []string{"start aztec.service"}, []string{"update --restart=unless-stopped c0ffee"}},
		{"stopped by hand", "inactive", "enabled", false, []string{"enable aztec.service"}, []string{"update --restart=unless-stopped c0ffee"}},
		{"off", "failed", "static", false, nil, []string{"update --restart=unless-stopped c0ffee"}},
		{"detached", "inactive", "disabled", true, nil, []string{"update --restart=unless-stopped c0ffee", "start c0ffee"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newAdoptBench(t)
			w := &fakeWrapper{state: tc.state, file: tc.file, bench: b}
			b.units = func(context.Context) (wrappers, error) { return w, nil }
			if !tc.ran {
				if err := os.Remove(filepath.Join(b.dir, "running")); err != nil {
					t.Fatal(err)
				}
			}
			write(t, b.path(unit), "[Service]\nExecStart=/usr/bin/docker run --name aztec -e NETWORK=testnet aztecprotocol/aztec:4.1.2 start --node --archiver --sequencer\n", 0o644)
			p, err := b.plan(t.Context(), unit, "val1", adoptFlags{})
			if err != nil {
				t.Fatal(err)
			}
			r := &p.record
			r.Service = someUnit
			if err := b.saveAdoption(t.Context(), r, stepStopping); err != nil {
				t.Fatal(err)
			}
			if err := b.adopt(t.Context(), unit, "val1", adoptFlags{}); err != nil {
				t.Fatal(err)
			}
			held, err := os.ReadFile(filepath.Join(b.dir, "calls"))
			if err != nil || !strings.Contains(string(held), "update --restart=no c0ffee\n") {
				t.Errorf("docker may start it again: %v\n%s", err, held)
			}
			w.told = nil
			if err := b.undo(t.Context(), "val1", false); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.units, w.told); diff != "" {
				t.Errorf("systemd was told (-want +got):\n%s", diff)
			}
			calls, err := os.ReadFile(filepath.Join(b.dir, "calls"))
			if err != nil {
				t.Fatal(err)
			}
			var told []string
			for line := range strings.Lines(string(calls[len(held):])) {
				if line = strings.TrimSpace(line); !strings.HasPrefix(line, "inspect") {
					told = append(told, line)
				}
			}
			if diff := cmp.Diff(tc.docker, told); diff != "" {
				t.Errorf("docker was told (-want +got):\n%s", diff)
			}
			if exists(filepath.Join(b.dir, "running")) != tc.ran {
				t.Errorf("the container runs: %t, before: %t", !tc.ran, tc.ran)
			}
		})
	}
}

// With --rm the container goes with its unit, and comes with it.
func TestAdoptUndoWithoutTheContainer(t *testing.T) {
	b := newAdoptBench(t)
	w := &fakeWrapper{state: "active", file: "enabled", bench: b}
	b.units = func(context.Context) (wrappers, error) { return w, nil }
	write(t, filepath.Join(b.dir, "docker"), "#!/bin/sh\necho \"Error: No such container: c0ffee\" >&2\nexit 1\n", 0o755)
	r := &adoptionRecord{Name: "val1", Dir: "/etc/systemd/system/aztec.service", Unit: "aztec.service", Container: &docker.Container{ID: "c0ffee", Restart: "no", Running: true}, Mode: dataNone}
	if err := b.hold(t.Context(), r); err != nil {
		t.Error(err)
	}
	if err := b.stopped(t.Context(), r); err != nil {
		t.Error(err)
	}
	if err := b.release(t.Context(), r); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"disable aztec.service", "stop aztec.service", "enable aztec.service", "start aztec.service"}, w.told); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// What docker run --detach --rm had left running only its unit brings back.
	w.told, r.UnitWas = nil, &unitWas{}
	if err := b.release(t.Context(), r); err != nil {
		t.Error(err)
	}
	r.Container.Running = false
	if err := b.release(t.Context(), r); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"start aztec.service"}, w.told); diff != "" {
		t.Errorf("detached (-want +got):\n%s", diff)
	}
	r.Unit = "" // without one nobody brings it back
	if err := b.release(t.Context(), r); err == nil {
		t.Error("a container that is gone was put back")
	}
}

// An image can be removed by force while its container runs: of that one
// nobody knows that it is stopped.
func TestStoppedWantsAnAnswer(t *testing.T) {
	b := newAdoptBench(t)
	write(t, filepath.Join(b.dir, "docker"), `#!/bin/sh
case "$*" in
*container*) echo '[{"Id":"c0ffee","Image":"sha256:f00d","State":{"Running":true}}]' ;;
*) echo "Error: No such image: sha256:f00d" >&2; exit 1 ;;
esac
`, 0o755)
	r := &adoptionRecord{Name: "val1", Unit: "aztec.service", Container: &docker.Container{ID: "c0ffee"}}
	if err := b.stopped(t.Context(), r); err == nil {
		t.Error("a container that runs counts as gone")
	}
}
