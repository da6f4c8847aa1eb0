package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/aztec-spartan/aztec-spartan/units/manager"
)

// exporter is a host with val1, and what its export is called with.
type exporter struct {
	*app
	t    *testing.T
	said *bytes.Buffer
	id   *age.X25519Identity
	file string
}

func newExporter(t *testing.T) exporter {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	said := &bytes.Buffer{}
	a := newApp(said)
	a.err, a.root = said, doctorTree(t, fakeEthereum(t, 11155111))
	return exporter{a, t, said, id, filepath.Join(t.TempDir(), "val1.age")}
}

func (e exporter) export(f exportFlags) error {
	e.t.Helper()
	inst, err := e.loadInstance("val1")
	if err != nil {
		e.t.Fatal(err)
	}
	return e.app.export(e.t.Context(), inst, e.file, e.id.Recipient(), f)
}

func (e exporter) mark(why string, final bool) {
	e.t.Helper()
	inst, err := e.loadInstance("val1")
	if err != nil {
		e.t.Fatal(err)
	}
	if err := e.markElsewhere(e.t.Context(), inst, elsewhere{Why: why, Since: time.Now(), Host: "other", Final: final}); err != nil {
		e.t.Fatal(err)
	}
}

// A host that is not the last one to have signed cannot promise that it was,
// and what it knows about that stays.
func TestExportMoveOfWhatIsElsewhere(t *testing.T) {
	for why, want := range map[string]string{
		cameHere:  "it came from the host other and has not run here yet",
		movedAway: "it moved to another host",
		promoted:  "other has taken over from it",
	} {
		e := newExporter(t)
		e.mark(why, false)
		if err := e.export(exportFlags{move: true}); err == nil || !strings.Contains(err.Error(), want) || exists(e.file) {
			t.Errorf("%s, --move: %v", why, err)
		}
		if was, err := e.loadElsewhere("val1"); err != nil || was == nil || was.Why != why {
			t.Errorf("%s became %+v, %v", why, was, err)
		}
		if err := e.export(exportFlags{}); err != nil {
			t.Errorf("%s, a copy: %v", why, err)
		}
	}
}

// While its container has not ended for good, an instance is not exported.
func TestExportOfWhatIsNotAdopted(t *testing.T) {
	e := newExporter(t)
	for _, step := range []string{stepPrepared, stepUndone} {
		if err := e.saveAdoption(t.Context(), &adoptionRecord{Name: "val1", Dir: "/srv/node"}, step); err != nil {
			t.Fatal(err)
		}
		if err := e.export(exportFlags{move: true}); err == nil || !strings.Contains(err.Error(), step) || exists(e.file) {
			t.Errorf("%s: %v", step, err)
		}
	}
}

// What a resync has left down may be started by the next look of the watchdog.
func TestExportOfWhatAResyncLeft(t *testing.T) {
	e := newExporter(t)
	e.unitRuns = func(context.Context, string) (bool, error) { return false, nil }
	if err := e.noteResync("val1", e.lastStop("val1"), manager.UnitState{InvocationID: "a1", UnitFileState: "enabled"}, false); err != nil {
		t.Fatal(err)
	}
	if err := e.export(exportFlags{move: true}); codeOf(err) != exitLocked || !strings.Contains(err.Error(), "a resync that was interrupted") || exists(e.file) {
		t.Errorf("got %v", err)
	}
	if err := e.noteStop("val1"); err != nil {
		t.Fatal(err)
	}
	if err := e.export(exportFlags{move: true}); err != nil {
		t.Errorf("it was stopped since: %v", err)
	}
}

// What is exported does not run: not when systemd does not answer, and not when
// something starts it meanwhile.
func TestExportOfWhatRuns(t *testing.T) {
	broken := errors.New("no answer")
	for name, test := range map[string]struct {
		move  bool
		looks []any // what each look sees: that it runs, or an error
		want  string
	}{
		"systemd does not answer":  {false, []any{broken}, "no answer"},
		"it runs":                  {true, []any{true}, "it runs"},
		"started before the mark":  {true, []any{false, true}, "it runs"},
		"no answer after the mark": {true, []any{false, broken}, "no answer"},
		"started while read":       {false, []any{false, true}, "it runs"},
		"started behind the mark":  {true, []any{false, false, true}, "it runs"},
		"a copy":                   {false, []any{false, false}, ""},
		"moved":                    {true, []any{false, false, false}, ""},
	} {
		e, looks := newExporter(t), 0
		e.unitRuns = func(context.Context, string) (bool, error) {
			if looks++; looks > len(test.looks) {
				t.Fatalf("%s: look %d", name, looks)
			}
			if marked := exists(e.path(instancePath("val1", elsewhereFile))); marked != (test.move && looks > 1) {
				t.Errorf("%s: marked at look %d: %v", name, looks, marked)
			}
			if err, ok := test.looks[looks-1].(error); ok {
				return false, err
			}
			return test.looks[looks-1].(bool), nil
		}
		err := e.export(exportFlags{move: test.move})
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) || looks != len(test.looks) {
			t.Errorf("%s: %d looks, %v", name, looks, err)
		}
		if exists(e.file) != (err == nil) || exists(e.path(instancePath("val1", elsewhereFile))) != (err == nil && test.move) {
			t.Errorf("%s: the file, or the mark, is not as it should be", name)
		}
	}
}

// What was signed is exported from where it is: --data-dir is bound when a node
// starts, and not before.
func TestExportOfDataElsewhere(t *testing.T) {
	e, to := newExporter(t), t.TempDir()
	if code, said := call(t, e.root, "config", "val1", "--no-pull", "--data-dir", "/srv/val1"); code != 0 {
		t.Fatalf("config: %s", said)
	}
	put(t, e.path("/srv/val1/signing-protection/data.mdb"), "what was signed")
	if err := os.MkdirAll(e.path(dataRoot+"/val1"), 0o700); err != nil { // the mount point
		t.Fatal(err)
	}
	if err := e.export(exportFlags{move: true}); err != nil {
		t.Fatal(err)
	}
	identity := filepath.Join(t.TempDir(), "id")
	put(t, identity, e.id.String()+"\n")
	if code, said := call(t, to, "import", e.file, "--identity", identity); code != 0 {
		t.Fatalf("import: %s", said)
	}
	if got := get(t, filepath.Join(to, dataRoot, "val1/signing-protection/data.mdb")); got != "what was signed" {
		t.Errorf("got %q", got)
	}
}

// A disk that is away is no reason to leave out what was signed.
func TestExportOfDataThatAreAway(t *testing.T) {
	e := newExporter(t)
	if err := os.MkdirAll(e.path(cacheRoot+"/val1"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := e.export(exportFlags{move: true}); err == nil || !strings.Contains(err.Error(), "it has run here") || exists(e.file) || exists(e.path(instancePath("val1", elsewhereFile))) {
		t.Errorf("the whole of /var/lib/aztec: %v", err)
	}
	if code, said := call(t, e.root, "config", "val1", "--no-pull", "--data-dir", "/srv/val1"); code != 0 {
		t.Fatalf("config: %s", said)
	}
	if err := os.RemoveAll(e.path("/srv")); err != nil {
		t.Fatal(err)
	}
	if err := e.export(exportFlags{}); err == nil || !strings.Contains(err.Error(), "is their disk mounted?") || exists(e.file) {
		t.Errorf("--data-dir: %v", err)
	}
}
