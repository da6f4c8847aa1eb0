package main

import (
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

const (
	otherDisk = "/srv/data"
	someStore = otherDisk + "/archiver/data.mdb"
	someUnit  = "aztec-sequencer@val1.service"
)

// elsewhereTree has an instance whose data are on another disk.
func elsewhereTree(t *testing.T) *app {
	t.Helper()
	a := newApp(io.Discard)
	a.root = doctorTree(t, fakeEthereum(t, 11155111))
	if code, said := call(t, a.root, "config", "val1", "--no-pull", "--data-dir", otherDisk); code != 0 {
		t.Fatalf("config: %s", said)
	}
	put(t, a.path(someStore), "x")
	if !exists(a.path(mountPath("val1"))) || !exists(a.path(filepath.Join(otherDisk, dataMarker("val1")))) {
		t.Fatal("the data are not bound")
	}
	return a
}

// Data that a container has are never deleted, nor what keeps the instance from
// running beside it.
func TestRemoveBesideItsContainer(t *testing.T) {
	for _, step := range []string{stepPrepared, stepUndone} {
		a := elsewhereTree(t)
		if err := a.saveAdoption(t.Context(), &adoptionRecord{Name: "val1", Dir: "/srv/node", Mode: dataInPlace, From: otherDisk}, step); err != nil {
			t.Fatal(err)
		}
		code, said := call(t, a.root, "remove", "val1")
		if code != exitFailed || !strings.Contains(said, "to take over from docker") || a.mayRun("val1") == nil {
			t.Errorf("%s: remove: exit code %d: %s", step, code, said)
		}
		code, said = call(t, a.root, "remove", "val1", "--purge", "--yes")
		if code != 0 || !strings.Contains(said, otherDisk+" is the container's") {
			t.Errorf("%s: purge: exit code %d: %s", step, code, said)
		}
		if !exists(a.path(someStore)) {
			t.Errorf("%s: the container's data are gone", step)
		}
		if exists(a.path(filepath.Join(otherDisk, dataMarker("val1")))) || exists(a.path(mountPath("val1"))) || exists(a.path(instancePath("val1", ""))) {
			t.Errorf("%s: a purge leaves something", step)
		}
	}
}

// An undo leaves nothing that says that the container's data are ours.
func TestGiveBackInPlace(t *testing.T) {
	a := elsewhereTree(t)
	for range 2 { // one that was interrupted goes on
		if err := a.giveBack(t.Context(), adoptionRecord{Name: "val1", Mode: dataInPlace, From: otherDisk}); err != nil {
			t.Fatal(err)
		}
	}
	if exists(a.path(mountPath("val1"))) || exists(a.path(filepath.Join(otherDisk, dataMarker("val1")))) || !exists(a.path(someStore)) {
		t.Error("the data are not as they were")
	}
}

// At a terminal a purge shows what will go, and asks: all but a yes leaves it as
// it is.
func TestPurgeAsks(t *testing.T) {
	a := elsewhereTree(t)
	const unchanged = "nothing was changed"
	for _, c := range []struct {
		name, types, says string
		code              int
	}{
		{"no", "n", unchanged, exitFailed},
		{"the answer that is proposed", enter, unchanged, exitFailed},
		{"Ctrl-C", "\x03", unchanged, exitFailed},
		{"yes", "y", "removed val1, with its data and keys", 0},
	} {
		drawn, code := fullScreen(t, []string{"remove", "val1", "--purge", "--root", a.root}, []move{
			{"val1: " + otherDisk + " (", ""}, {"val1: keys of 0x", ""}, {"Delete all of this?", c.types}, {c.says, ""},
		})
		if gone := !exists(a.path(someStore)) && !exists(a.path(instancePath("val1", ""))); code != c.code || gone != (c.code == 0) {
			t.Errorf("%s: exit code %d, gone: %t:\n%q", c.name, code, gone, drawn)
		}
	}
}

// A purge finds data of --data-dir once the mount unit is gone, too.
func TestPurgeOfDataElsewhere(t *testing.T) {
	a := elsewhereTree(t)
	p, err := a.planRemoval(t.Context(), "val1", true)
	if err != nil {
		t.Fatal(err)
	}
	gone := p.gone(true)
	if at := slices.Index(gone, otherDisk); at < 0 || at > slices.Index(gone, mountPath("val1")) || gone[len(gone)-1] != instancePath("val1", "") {
		t.Errorf("in this order: %q", gone)
	}
	for range 2 {
		code, said := call(t, a.root, "remove", "val1")
		if code != 0 || !strings.Contains(said, "kept "+otherDisk+"\n") || !exists(a.path(someStore)) {
			t.Errorf("remove: exit code %d: %s", code, said)
		}
	}
	code, said := call(t, a.root, "remove", "val1", "--purge", "--yes")
	if code != 0 || !strings.Contains(said, "val1: "+otherDisk+" (") || exists(a.path(otherDisk)) {
		t.Errorf("purge: exit code %d: %s", code, said)
	}
}

// notSigning is a tree with an instance that must not sign.
func notSigning(t *testing.T) (a *app, dropIn string) {
	t.Helper()
	a = newApp(io.Discard)
	a.root = doctorTree(t, fakeEthereum(t, 11155111))
	s, err := a.files().Load("val1")
	if err != nil {
		t.Fatal(err)
	}
	s.NoSigning = &roll.NoSigning{Reason: "4.1.2 does not say that it knows what was signed", Until: time.Now().Add(time.Minute)}
	if err := a.files().Save("val1", s); err != nil {
		t.Fatal(err)
	}
	dropIn = a.path(filepath.Join(systemdDir, someUnit+".d", "zz-aztec-spartan-no-signing.conf"))
	put(t, dropIn, "[Service]\nEnvironmentFile=/nowhere\n")
	return a, dropIn
}

// An instance that was removed and made again would not know why it must not
// sign.
func TestRemoveOfWhatMustNotSign(t *testing.T) {
	a, dropIn := notSigning(t)
	code, said := call(t, a.root, "remove", "val1")
	if code != exitFailed || !strings.Contains(said, "4.1.2 does not say") || !strings.Contains(said, "start val1 --sign") || !exists(dropIn) {
		t.Errorf("exit code %d: %s", code, said)
	}
	if s, err := a.files().Load("val1"); err != nil || s.NoSigning == nil {
		t.Errorf("its state is %+v, %v", s, err)
	}
	if code, said := call(t, a.root, "remove", "val1", "--purge", "--yes"); code != 0 || exists(dropIn) {
		t.Errorf("purge: exit code %d: %s", code, said)
	}
}

func noRestart() error { return nil }

// A restart that fails leaves a node that does not sign, which is not forgotten
// before it does. The store in place is then the one that counts.
func TestResumeSigningIsTriedAgain(t *testing.T) {
	a, dropIn := notSigning(t)
	s, err := a.files().Load("val1")
	if err != nil {
		t.Fatal(err)
	}
	s.NoSigning.Until, s.NoSigning.Aside = time.Now(), ".aztec-spartan.saved/signing-protection"
	if err := a.files().Save("val1", s); err != nil {
		t.Fatal(err)
	}
	failed := errors.New("the node was not restarted")
	if resumed, err := a.resumeSigning(t.Context(), "val1", someUnit, func() error { return failed }); !errors.Is(err, failed) || resumed || exists(dropIn) {
		t.Errorf("%v, %v", resumed, err)
	}
	if s, err = a.files().Load("val1"); err != nil || s.NoSigning == nil || s.NoSigning.Aside != "" {
		t.Fatalf("%+v, %v", s.NoSigning, err)
	}
	if resumed, err := a.resumeSigning(t.Context(), "val1", someUnit, noRestart); err != nil || !resumed {
		t.Errorf("again: %v, %v", resumed, err)
	}
	if s, err = a.files().Load("val1"); err != nil || s.NoSigning != nil {
		t.Errorf("%+v, %v", s.NoSigning, err)
	}
}

// A drop-in whose state was lost keeps an instance from starting, and goes.
func TestResumeSigningWithoutState(t *testing.T) {
	a, dropIn := notSigning(t)
	if resumed, err := a.resumeSigning(t.Context(), "val1", someUnit, noRestart); err == nil || resumed || !exists(dropIn) {
		t.Errorf("too early: %v, %v", resumed, err)
	}
	if err := a.files().Save("val1", roll.State{}); err != nil {
		t.Fatal(err)
	}
	if resumed, err := a.resumeSigning(t.Context(), "val1", someUnit, noRestart); err != nil || !resumed || exists(dropIn) {
		t.Errorf("without a state: %v, %v", resumed, err)
	}
	if resumed, err := a.resumeSigning(t.Context(), "val1", someUnit, noRestart); err != nil || resumed {
		t.Errorf("again: %v, %v", resumed, err)
	}
}

// Settings that this user may not read are one reason, and not a form that
// nobody has looked at.
func TestSettingsThatCannotBeRead(t *testing.T) {
	a := newApp(io.Discard)
	a.root = t.TempDir()
	var said strings.Builder
	a.err = &said
	put(t, a.path(instancePath("val1", "instance.toml")+"/in-the-way"), "x") // root may read all else
	if dirs := a.dataElsewhere("val1"); len(dirs) > 0 {
		t.Errorf("%v", dirs)
	}
	if !strings.Contains(said.String(), "is a directory") || strings.Contains(said.String(), "schema") {
		t.Errorf("said %q", said.String())
	}
}
