package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/cmd/aztec-spartan/internal/docker"
)

// fakeDocker is a docker of one container, which says what it was told.
const fakeDocker = `#!/bin/sh
cd "$(dirname "$0")" || exit 1
echo "$*" >>calls
case "$*" in
ps*) echo c0ffee ;;
*--type\ image*) echo '["aztecprotocol/aztec@sha256:4cafe"]' ;;
inspect*)
	running=false; test -e running && running=true
	echo '[{"Id":"c0ffee","Name":"/node-validator-1","Image":"sha256:1","State":{"Running":'$running'},
		"Config":{"Image":"aztecprotocol/aztec:latest"},"HostConfig":{"RestartPolicy":{"Name":"unless-stopped"}},
		"Mounts":[{"Name":"node_aztec_data","Source":"/srv/volumes/d/_data","Destination":"/var/lib/aztec"}]}]' ;;
stop*)
	if test -e hangup; then
		read -r _ _ _ _ group _ </proc/$$/stat
		test $group = $$ || exit 1 # it would be told, too
		kill -HUP $PPID
	fi
	test -e stubborn || rm -f running ;;
start*) touch running ;;
esac
`

const adoptedCompose = `services:
  validator:
    env_file: .env
    image: aztecprotocol/aztec:latest
    command: start --node --archiver --sequencer
    volumes: [aztec_data:/var/lib/aztec]
`

type adoptBench struct {
	*adopter
	dir   string // of the fake
	began []string
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func newAdoptBench(t *testing.T) *adoptBench {
	a := newApp(io.Discard)
	a.root, a.in = t.TempDir(), strings.NewReader("")
	b := &adoptBench{adopter: a.adopter(), dir: t.TempDir()}
	write(t, filepath.Join(b.dir, "docker"), fakeDocker, 0o755)
	write(t, filepath.Join(b.dir, "running"), "", 0o644)
	b.docker = docker.At(filepath.Join(b.dir, "docker"))
	b.begin = func(_ context.Context, name string) error {
		if exists(filepath.Join(b.dir, "running")) {
			t.Error("both run")
		}
		if b.barred() {
			t.Error("systemd would refuse the start")
		}
		b.began = append(b.began, name)
		return nil
	}
	write(t, a.path("/srv/node/compose.yml"), adoptedCompose, 0o644)
	write(t, a.path("/srv/node/.env"), "DATA_DIRECTORY=/var/lib/aztec\nNETWORK=testnet\n", 0o600)
	write(t, a.path("/srv/volumes/d/_data/p2p-private-key"), "id", 0o600)
	return b
}

// record plans, and records what a run leaves that had the instance configured.
func (b *adoptBench) prepared(t *testing.T, f adoptFlags) *adoptionRecord {
	t.Helper()
	p, err := b.plan(t.Context(), "/srv/node", "val1", f)
	if err != nil {
		t.Fatal(err)
	}
	if want := "aztecprotocol/aztec@sha256:4cafe"; p.setup.Image != want {
		t.Errorf("image %s, want %s", p.setup.Image, want)
	}
	p.record.Service = someUnit
	return &p.record
}

// barred reports whether systemd would refuse the instance: marker and drop-in
// come and go together.
func (b *adoptBench) barred() bool {
	const marker = "/var/lib/aztec-spartan/instances/val1/" + inContainer
	text, err := os.ReadFile(b.path(filepath.Join(systemdDir, someUnit+".d", inContainerDropIn)))
	return err == nil && strings.HasSuffix(string(text), "\nAssertPathExists=!"+marker+"\n") && exists(b.path(marker))
}

func (b *adoptBench) reads(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(b.path(path)); err != nil || string(got) != want {
		t.Errorf("%s: %q, %v; want %q", path, got, err, want)
	}
}

// From wherever a run was interrupted, the next one carries on, and undo leads
// back.
func TestAdoptCarriesOnAndUndoes(t *testing.T) {
	for _, f := range []adoptFlags{{}, {asCopy: true}, {inPlace: true}} {
		for _, step := range []string{stepStopping, stepMoving, stepStarting} {
			b := newAdoptBench(t)
			r := b.prepared(t, f)
			if step != stepStopping {
				if err := b.docker.Hold(t.Context(), r.Container.ID); err != nil {
					t.Fatal(err)
				}
			}
			if step == stepStarting {
				if err := b.takeData(t.Context(), *r); err != nil {
					t.Fatal(err)
				}
			}
			if err := b.saveAdoption(t.Context(), r, step); err != nil {
				t.Fatal(err)
			}
			if b.barred() != (step != stepStarting) {
				t.Errorf("%s: systemd would refuse the start: %t", step, b.barred())
			}
			if err := b.adopt(t.Context(), "/srv/node", "val1", adoptFlags{}); err != nil {
				t.Fatalf("%s, %s: %v", r.Mode, step, err)
			}
			where := "/var/lib/aztec/val1/"
			if f.inPlace {
				where = r.From + "/"
			}
			b.reads(t, where+p2pKeyFile, "id")
			if exists(b.path(filepath.Join(systemdDir, someUnit+".d"))) {
				t.Errorf("%s, %s: the drop-in is left", r.Mode, step)
			}
			if len(b.began) != 1 {
				t.Errorf("%s, %s: began %d times", r.Mode, step, len(b.began))
			}
			if r.Mode == dataRename {
				if info, err := os.Stat(b.path(r.From)); err != nil || !info.Mode().IsRegular() {
					t.Errorf("docker could make the data anew: %v", err)
				}
			}
			if err := b.adopt(t.Context(), "/srv/node", "val1", adoptFlags{}); err == nil || !strings.Contains(err.Error(), "already") {
				t.Errorf("again: %v", err)
			}
			// Its copy has what was signed since; the container would not know.
			if err := b.undo(t.Context(), "val1", false); (err != nil) != f.asCopy {
				t.Fatalf("undo: %v", err)
			}
			if f.asCopy && exists(filepath.Join(b.dir, "running")) {
				t.Error("a refused undo started the container")
			}
			if err := b.undo(t.Context(), "val1", true); (err != nil) == f.asCopy {
				t.Fatalf("undo: %v", err)
			}
			b.reads(t, r.From+"/"+p2pKeyFile, "id")
			if !exists(filepath.Join(b.dir, "running")) || !b.barred() {
				t.Error("the container does not run again, or systemd would start the instance beside it")
			}
			calls, err := os.ReadFile(filepath.Join(b.dir, "calls"))
			if err != nil || !bytes.Contains(calls, []byte("update --restart=no c0ffee\nstop -t")) || !bytes.Contains(calls, []byte("update --restart=unless-stopped c0ffee\nstart c0ffee")) {
				t.Errorf("docker was told: %v\n%s", err, calls)
			}
		}
	}
}

// A copy takes no more room than what it is of, whose stores are mostly holes,
// and none is begun that does not fit.
func TestAdoptedCopyKeepsHoles(t *testing.T) {
	b := newAdoptBench(t)
	const size = 1 << 30
	store := b.path("/srv/volumes/d/_data/archiver/data.mdb")
	write(t, store, "what it has", 0o600)
	if err := os.Truncate(store, size); err != nil {
		t.Fatal(err)
	}
	r := b.prepared(t, adoptFlags{asCopy: true})
	if err := b.takeData(t.Context(), *r); err != nil {
		t.Fatal(err)
	}
	to := b.path("/var/lib/aztec/val1")
	fi, err := os.Stat(filepath.Join(to, "archiver/data.mdb"))
	if err != nil || fi.Size() != size {
		t.Fatalf("the copy: %v, %v", fi, err)
	}
	used, err := usedBytes(to)
	if err != nil || used == 0 || used > 1<<20 {
		t.Errorf("the copy takes %d bytes on the disk, %v", used, err)
	}
	if err := b.roomFor(used, "/var/lib/aztec/val2"); err != nil {
		t.Errorf("room for %d bytes: %v", used, err)
	}
	err = b.roomFor(1<<60, "/var/lib/aztec/val2")
	if f, ok := errors.AsType[*failure](err); !ok || !strings.Contains(err.Error(), "they need 1.0 EiB, and /var/lib/aztec has ") || !strings.Contains(f.hint, "--in-place") {
		t.Errorf("room for an EiB: %v", err)
	}
}

// Of a container that docker named itself nobody knows whether it ended with its
// unit.
func TestAdoptOfANamelessContainer(t *testing.T) {
	for name, want := range map[string]bool{"": false, "--name aztec ": true} {
		b := newAdoptBench(t)
		const unit = "/etc/systemd/system/aztec.service"
		write(t, b.path(unit), "[Service]\nType=oneshot\nExecStart=/usr/bin/docker run -d "+name+"-e NETWORK=testnet aztecprotocol/aztec:4.1.2 start --node --archiver --sequencer\n", 0o644)
		p, err := b.plan(t.Context(), unit, "val1", adoptFlags{})
		if err != nil {
			t.Fatal(err)
		}
		if (p.record.Container != nil) != want {
			t.Errorf("%q: container %+v", name, p.record.Container)
		}
		if err := p.record.found(); (err == nil) != want {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// A container that does not stop keeps its data, and ours down.
func TestAdoptNeverRunsBoth(t *testing.T) {
	b := newAdoptBench(t)
	write(t, filepath.Join(b.dir, "stubborn"), "", 0o644)
	r := b.prepared(t, adoptFlags{})
	if err := b.saveAdoption(t.Context(), r, stepStopping); err != nil {
		t.Fatal(err)
	}
	err := b.adopt(t.Context(), "/srv/node", "val1", adoptFlags{})
	if err == nil || !strings.Contains(err.Error(), "node-validator-1 runs") {
		t.Errorf("%v", err)
	}
	if len(b.began) > 0 {
		t.Error("ours was started")
	}
	b.reads(t, r.From+"/"+p2pKeyFile, "id")
}

// A terminal that goes away while the container stops leaves no node down.
func TestAdoptOutlivesItsTerminal(t *testing.T) {
	b := newAdoptBench(t)
	write(t, filepath.Join(b.dir, "hangup"), "", 0o644)
	r := b.prepared(t, adoptFlags{})
	if err := b.saveAdoption(t.Context(), r, stepStopping); err != nil {
		t.Fatal(err)
	}
	if err := b.adopt(t.Context(), "/srv/node", "val1", adoptFlags{}); err != nil || len(b.began) != 1 {
		t.Errorf("%v, began %q", err, b.began)
	}
}
