package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/profiles/keystore"
	"github.com/aztec-spartan/aztec-spartan/units/credential"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
)

// fakeSealer has the form of an encrypted credential: what it is bound to, and
// the rest.
type fakeSealer struct{}

var hostKeyID = []byte{0x5a, 0x1c, 0x6a, 0x86, 0xdf, 0x9d, 0x40, 0x96, 0xb1, 0xd5, 0xa6, 0x5e, 0x08, 0x62, 0xf1, 0x9a, 0, 0}

func (fakeSealer) Encrypt(_ context.Context, _ string, _ credential.Key, secret []byte) ([]byte, error) {
	return []byte(base64.StdEncoding.EncodeToString(append(bytes.Clone(hostKeyID), secret...))), nil
}

func (fakeSealer) Decrypt(_ context.Context, _ string, encrypted []byte) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(string(encrypted))
	if err != nil || !bytes.HasPrefix(raw, hostKeyID) {
		return nil, credential.ErrNotEncrypted
	}
	return raw[len(hostKeyID):], nil
}

func (fakeSealer) Available(int) error { return nil }

// mortalDisk is where a run is killed: before its dieAt-th change.
type mortalDisk struct{ steps, dieAt int }

var errKilled = errors.New("killed")

func (d *mortalDisk) step() {
	d.steps++
	if d.steps == d.dieAt {
		panic(errKilled)
	}
}

func (d *mortalDisk) Write(path string, data []byte, mode fs.FileMode) error {
	d.step()
	return os.WriteFile(path, data, mode)
}

func (d *mortalDisk) Remove(path string) error {
	d.step()
	return os.Remove(path)
}

// keyDisk is an instance with units of three generations, one in place.
type keyDisk struct {
	t *testing.T
	a *app
}

func newKeyDisk(t *testing.T, state map[string]credential.Key, keys map[string][]byte) *keyDisk {
	t.Helper()
	h := &keyDisk{t, &app{root: t.TempDir(), out: io.Discard, err: io.Discard, sealer: fakeSealer{}}}
	write := func(path string, data []byte) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for file, key := range state {
		data := keys[file]
		if key != "" {
			data, _ = fakeSealer{}.Encrypt(t.Context(), keystoreFile, key, data)
		}
		write(h.a.path(instancePath("val1", file)), data)
	}
	sealed := credential.Key("")
	if _, ok := state[keystoreFile+sealedSuffix]; ok {
		sealed = credential.Host
	}
	unit := []byte("[Service]\n" + keystoreCredential("val1", sealed, "").Directive() + "\nUser=aztec-val1\n")
	write(h.a.path(filepath.Join(systemdDir, val1Unit)), unit)
	for n := range 3 {
		write(h.a.path(filepath.Join(stateDir, "val1", fmt.Sprint(n+1), "unit")), unit)
	}
	return h
}

const val1Unit = "aztec-sequencer@val1.service"

// run does what config does about keys, and reports whether it was killed.
func (h *keyDisk) run(dieAt int, seal *credential.Key, keys []byte) (killed bool) {
	h.t.Helper()
	h.a.disk = &mortalDisk{dieAt: dieAt}
	defer func() {
		if r := recover(); r != nil {
			if r != errKilled { //nolint:errorlint // a panic value, not an error chain
				panic(r)
			}
			killed = true
		}
	}()
	var s secrets
	if err := h.a.loadKeystore(h.t.Context(), "val1", &s); err != nil {
		h.t.Fatal(err)
	}
	if seal != nil {
		s.seal = *seal
	}
	if keys != nil {
		s.replace(keys)
	}
	if err := h.a.saveSecrets(h.t.Context(), "val1", s, nil); err != nil {
		h.t.Fatal(err)
	}
	return false
}

// onDisk are all keystores that there are, by file.
func (h *keyDisk) onDisk() map[string]string {
	h.t.Helper()
	files, err := filepath.Glob(h.a.path(instancePath("val1", keystoreFile+"*")))
	if err != nil {
		h.t.Fatal(err)
	}
	found := map[string]string{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			h.t.Fatal(err)
		}
		if filepath.Ext(f) == sealedSuffix {
			if data, err = (fakeSealer{}).Decrypt(h.t.Context(), keystoreFile, data); err != nil {
				h.t.Fatalf("%s: %v", f, err)
			}
		}
		found[filepath.Base(f)] = string(data)
	}
	return found
}

func (h *keyDisk) has(keys []byte) bool {
	for _, text := range h.onDisk() {
		if text == string(keys) {
			return true
		}
	}
	return false
}

// unitsFindKeys: each unit can be started, whatever is killed when.
func (h *keyDisk) unitsFindKeys(when string) (forms map[string]bool) {
	h.t.Helper()
	found := h.onDisk()
	forms = map[string]bool{}
	units, err := filepath.Glob(h.a.path(filepath.Join(stateDir, "val1", "*", "unit")))
	if err != nil || len(units) != 3 {
		h.t.Fatal(units, err)
	}
	for _, f := range append(units, h.a.path(filepath.Join(systemdDir, val1Unit))) {
		text, err := os.ReadFile(f)
		if err != nil {
			h.t.Fatal(err)
		}
		form := keystoreFile
		if strings.Contains(string(text), "LoadCredentialEncrypted=") {
			form += sealedSuffix
		}
		if forms[form] = true; found[form] == "" {
			h.t.Errorf("%s: %s names %s, which is not there", when, f, form)
		}
	}
	return forms
}

// A change of keys, of their form, or of both is killed before each of its
// steps, and so is the run that ends it. No key that was on the disk is lost,
// every unit finds its keys at any time, and in the end there is one form.
func TestKilledWhileKeysChange(t *testing.T) {
	made := func(key string) []byte {
		data, err := keystore.New([]keystore.Key{testKey(t, key)}, keystore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	before, after, third := made(someKey), made(otherKey), made("7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6")
	host, plain := credential.Host, credential.Key("")
	const sealed = keystoreFile + sealedSuffix
	for _, c := range []struct {
		name  string
		state map[string]credential.Key
		keys  map[string][]byte
		seal  *credential.Key
		give  []byte
		steps int // at least
	}{
		{"plain, new keys", map[string]credential.Key{keystoreFile: ""}, map[string][]byte{keystoreFile: before}, nil, after, 2},
		{"encrypted, new keys", map[string]credential.Key{sealed: host}, map[string][]byte{sealed: before}, nil, after, 2},
		{"to encrypted", map[string]credential.Key{keystoreFile: ""}, map[string][]byte{keystoreFile: before}, &host, nil, 6},
		{"to plain", map[string]credential.Key{sealed: host}, map[string][]byte{sealed: before}, &plain, nil, 6},
		{"to encrypted, new keys", map[string]credential.Key{keystoreFile: ""}, map[string][]byte{keystoreFile: before}, &host, after, 8},
		{"to plain, new keys", map[string]credential.Key{sealed: host}, map[string][]byte{sealed: before}, &plain, after, 8},
		{"to plain, new keys, a copy", map[string]credential.Key{sealed: host, keystoreFile + ".old" + sealedSuffix: host}, map[string][]byte{sealed: before, keystoreFile + ".old" + sealedSuffix: third}, &plain, after, 10},
		{"of two, to plain", map[string]credential.Key{sealed: host, keystoreFile: ""}, map[string][]byte{sealed: before, keystoreFile: after}, &plain, nil, 6},
		{"of two, to encrypted", map[string]credential.Key{sealed: host, keystoreFile: ""}, map[string][]byte{sealed: before, keystoreFile: after}, &host, nil, 2},
		{"of two, new keys", map[string]credential.Key{sealed: host, keystoreFile: ""}, map[string][]byte{sealed: before, keystoreFile: after}, nil, third, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			for dieAt := 1; ; dieAt++ {
				ended := false
				for again := 1; ; again++ {
					h := newKeyDisk(t, c.state, c.keys)
					there := [][]byte{}
					note := func(when string) {
						t.Helper()
						for _, keys := range there {
							if !h.has(keys) {
								t.Fatalf("%s: keys are lost: %d files left", when, len(h.onDisk()))
							}
						}
						there = there[:0]
						for _, text := range h.onDisk() {
							there = append(there, []byte(text))
						}
						h.unitsFindKeys(when)
					}
					note("before")
					ended = !h.run(dieAt, c.seal, c.give)
					when := fmt.Sprintf("killed at step %d", dieAt)
					note(when)
					// Given keys that are in a place where a node looks are its keys from then on.
					taken := c.give != nil && (h.onDisk()[sealed] == string(c.give) || h.onDisk()[keystoreFile] == string(c.give))
					if !ended {
						if killed := h.run(again, nil, nil); killed {
							note(fmt.Sprintf("%s, and the next at %d", when, again))
							h.run(0, nil, nil)
						} else {
							again = 1 << 20
						}
						note(when + ", and settled")
					}
					if forms := h.unitsFindKeys(when); len(forms) != 1 {
						t.Errorf("%s: units name %v", when, forms)
					}
					found := h.onDisk()
					if taken && found[sealed]+found[keystoreFile] != string(c.give) {
						t.Errorf("%s: the keys before are back", when)
					}
					if _, both := found[sealed]; both && found[keystoreFile] != "" {
						t.Errorf("%s: both forms are left", when)
					}
					if ended {
						_, isSealed := found[sealed]
						if text := found[keystoreFile] + found[sealed]; c.give != nil && text != string(c.give) || c.seal != nil && isSealed != (*c.seal != "") {
							t.Errorf("it is encrypted: %t, and has other keys than those given: %t", isSealed, text != string(c.give))
						}
						break
					}
					if again >= 1<<20 {
						break
					}
				}
				if ended {
					if dieAt <= c.steps {
						t.Errorf("a change of %d steps is too short to be one", dieAt-1)
					}
					break
				}
			}
		})
	}
}

// Another form is no other keys: nobody is told to restart a node for it.
func TestFormChangeWantsNoRestart(t *testing.T) {
	begin := time.Now().Add(-time.Hour)
	host, plain := credential.Host, credential.Key("")
	for file, to := range map[string]*credential.Key{keystoreFile: &host, keystoreFile + sealedSuffix: &plain} {
		from := host
		if *to == host {
			from = plain
		}
		h := newKeyDisk(t, map[string]credential.Key{file: from}, map[string][]byte{file: []byte("{}")})
		unit := h.a.path(filepath.Join(systemdDir, val1Unit))
		for _, path := range []string{unit, h.a.path(instancePath("val1", file))} {
			if err := os.Chtimes(path, begin, begin); err != nil {
				t.Fatal(err)
			}
		}
		before := h.unitsFindKeys("before")
		h.run(0, to, nil)
		if after := h.unitsFindKeys("after"); len(after) != 1 || after[file] || !before[file] {
			t.Fatalf("from %s: units name %v", file, after)
		}
		if changedSince(unit, begin.Add(time.Minute)) || h.a.inputChanged("val1", begin.Add(time.Minute)) {
			t.Errorf("from %s: its node seems to lack something", file)
		}
		h.run(0, nil, []byte(`{"other":1}`))
		if !h.a.inputChanged("val1", begin.Add(time.Minute)) {
			t.Errorf("from %s: other keys are not noticed", file)
		}
	}
}

// noTPM is a host that has none that can be used.
type noTPM struct{ fakeSealer }

var errNoTPM = errors.New("no such device")

func (noTPM) Encrypt(ctx context.Context, name string, key credential.Key, secret []byte) ([]byte, error) {
	if key != credential.Host {
		return nil, errNoTPM
	}
	return fakeSealer{}.Encrypt(ctx, name, key, secret)
}

// A TPM is taken where it is asked for and can be used, and else refused while
// nothing has been written.
func TestSealAs(t *testing.T) {
	for _, c := range []struct {
		host sealer
		form string
		want credential.Key
		code int
	}{
		{fakeSealer{}, "host", credential.Host, 0},
		{fakeSealer{}, "tpm2", credential.TPM2, 0},
		{fakeSealer{}, "host+tpm2", credential.HostTPM2, 0},
		{fakeSealer{}, "no", "", 0},
		{fakeSealer{}, "auto", "", exitUsage},
		{noTPM{}, "host", credential.Host, 0},
		{noTPM{}, "tpm2", "", exitUnsupported},
		{noTPM{}, "host+tpm2", "", exitUnsupported},
		{nil, "tpm2", "", exitUnsupported}, // a tree
	} {
		a := &app{root: t.TempDir(), out: io.Discard, err: io.Discard, sealer: c.host}
		var s secrets
		err := a.sealAs(t.Context(), &s, c.form)
		if s.seal != c.want || (err != nil) != (c.code != 0) || err != nil && codeOf(err) != c.code {
			t.Errorf("%T, %s: %q, %v", c.host, c.form, s.seal, err)
		}
	}
}

// What keeps a node from its start is told by whoever is asked how it is.
func TestObstacle(t *testing.T) {
	h := newKeyDisk(t, map[string]credential.Key{keystoreFile + sealedSuffix: credential.Host}, map[string][]byte{keystoreFile + sealedSuffix: []byte("{}")})
	put(t, h.a.path(mountPath("val1")), string(mountUnit("val1", "/srv/val1")))
	lost := manager.UnitState{ActiveState: "activating", UnitFileState: "enabled", ExecMainCode: cldExited, ExecMainStatus: exitCredentials}
	for _, c := range []struct {
		name string
		unit manager.UnitState
		want string // "": nothing
	}{
		{"it runs", manager.UnitState{ActiveState: "active", UnitFileState: "enabled"}, ""},
		{"stopped for good", manager.UnitState{ActiveState: "inactive", UnitFileState: "disabled"}, ""},
		{"its disk is away", manager.UnitState{ActiveState: "inactive", UnitFileState: "enabled"}, "is their disk mounted?"},
		{"its keys can be read", lost, ""},
	} {
		if err := h.a.obstacle(t.Context(), "val1", c.unit); (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	put(t, h.a.path(instancePath("val1", keystoreFile+sealedSuffix)), "encrypted elsewhere")
	if err := h.a.obstacle(t.Context(), "val1", lost); err == nil || !strings.Contains(err.Error(), "reading the keystore of val1") {
		t.Errorf("its keys cannot be read: %v", err)
	}
	lost.ActiveState, lost.UnitFileState = "inactive", "disabled"
	if err := h.a.obstacle(t.Context(), "val1", lost); err != nil {
		t.Errorf("it was stopped for good, and nothing keeps it from anything: %v", err)
	}
}
