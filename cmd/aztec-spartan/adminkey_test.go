package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/profiles/keystore"
	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/credential"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// keyTree is a host with files of val1; what ends with sealedSuffix is encrypted.
func keyTree(t *testing.T, files map[string]string) (a *app, said *strings.Builder) {
	t.Helper()
	said = &strings.Builder{}
	a = &app{root: t.TempDir(), out: said, err: said, sealer: fakeSealer{}}
	if err := os.MkdirAll(a.path(instancePath("val1", "")), 0o750); err != nil {
		t.Fatal(err)
	}
	for file, text := range files {
		data := []byte(text)
		if filepath.Ext(file) == sealedSuffix {
			data, _ = fakeSealer{}.Encrypt(t.Context(), "", credential.Host, data)
		}
		if err := os.WriteFile(a.path(instancePath("val1", file)), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return a, said
}

// adminFiles are the files of the admin API key, decrypted.
func adminFiles(t *testing.T, a *app) map[string]string {
	t.Helper()
	files, err := filepath.Glob(a.path(instancePath("val1", adminKeyFile+"*")))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, path := range files {
		fi, err := os.Stat(path)
		if err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %s, %v", path, fi.Mode(), err)
		}
		data, err := os.ReadFile(path)
		if err == nil && filepath.Ext(path) == sealedSuffix {
			data, err = fakeSealer{}.Decrypt(t.Context(), "", data)
		}
		if err != nil {
			t.Fatal(err)
		}
		found[filepath.Base(path)] = strings.TrimSpace(string(data))
	}
	return found
}

const (
	sealedAdmin    = adminKeyFile + sealedSuffix
	sealedKeystore = keystoreFile + sealedSuffix
)

// The key of the admin API lies as the keystore does, and encrypted where there
// is none. Whatever is killed when, it is not lost, and no other one takes its
// place.
func TestAdminKeyLiesAsTheKeystore(t *testing.T) {
	const key, older = "0badc0de", "01d0"
	host, plain := credential.Host, credential.Key("")
	for _, c := range []struct {
		name  string
		files map[string]string
		ask   *credential.Key // --encrypt-keys
		want  string
	}{
		{"new", map[string]string{}, nil, sealedAdmin},
		{"new, beside an encrypted keystore", map[string]string{sealedKeystore: "{}"}, nil, sealedAdmin},
		{"new, beside a plain keystore", map[string]string{keystoreFile: "{}"}, nil, adminKeyFile},
		{"of an older program", map[string]string{adminKeyFile: key}, nil, sealedAdmin},
		{"of an older program, beside an encrypted keystore", map[string]string{adminKeyFile: key, sealedKeystore: "{}"}, nil, sealedAdmin},
		{"plain beside a plain keystore", map[string]string{adminKeyFile: key, keystoreFile: "{}"}, nil, adminKeyFile},
		{"encrypted", map[string]string{sealedAdmin: key}, nil, sealedAdmin},
		{"to encrypted", map[string]string{adminKeyFile: key, keystoreFile: "{}"}, &host, sealedAdmin},
		{"to plain", map[string]string{sealedAdmin: key, sealedKeystore: "{}"}, &plain, adminKeyFile},
		{"killed between", map[string]string{adminKeyFile: key, sealedAdmin: key, sealedKeystore: "{}"}, nil, sealedAdmin},
		{"killed between, on the way to plain", map[string]string{adminKeyFile: key, sealedAdmin: key, keystoreFile: "{}"}, nil, adminKeyFile},
		{"an older program made another one", map[string]string{adminKeyFile: key, sealedAdmin: older, sealedKeystore: "{}"}, nil, sealedAdmin},
	} {
		t.Run(c.name, func(t *testing.T) {
			for dieAt := 1; ; dieAt++ {
				a, _ := keyTree(t, c.files)
				known := ""
				if c.files[adminKeyFile] != "" || c.files[sealedAdmin] != "" {
					known = key
				}
				killed := saveAll(t, a, dieAt, c.ask)
				if k, err := a.readAdminKey(t.Context(), "val1"); err != nil || known != "" && k.text != known {
					t.Fatalf("killed at step %d: the key is %q, %v", dieAt, k.text, err)
				}
				if killed {
					saveAll(t, a, 0, c.ask)
				}
				found := adminFiles(t, a)
				if len(found) != 1 || found[c.want] == "" || known != "" && found[c.want] != known {
					t.Fatalf("killed at step %d: %v, want %s", dieAt, found, c.want)
				}
				said := a.err.(*strings.Builder)
				said.Reset()
				if saveAll(t, a, 1, nil) || said.Len() > 0 {
					t.Errorf("what is as it is to be is written again: %s", said)
				}
				if !killed {
					break
				}
			}
		})
	}
}

// saveAll does what config does about secrets, and reports whether it was
// killed.
func saveAll(t *testing.T, a *app, dieAt int, ask *credential.Key) (killed bool) {
	t.Helper()
	a.disk = &mortalDisk{dieAt: dieAt}
	defer func() {
		if r := recover(); r != nil {
			if r != errKilled { //nolint:errorlint // a panic value, not an error chain
				panic(r)
			}
			killed = true
		}
	}()
	s, err := a.loadSecrets(t.Context(), "val1")
	if err != nil {
		t.Fatal(err)
	}
	if ask != nil {
		s.seal = *ask
	}
	if err := a.saveSecrets(t.Context(), "val1", s, nil); err != nil {
		t.Fatal(err)
	}
	return false
}

// brokenSealer has systemd-creds(1) and no key that can be used.
type brokenSealer struct{ fakeSealer }

var errNoKey = errors.New("no such device")

func (brokenSealer) Encrypt(context.Context, string, credential.Key, []byte) ([]byte, error) {
	return nil, errNoKey
}

func (brokenSealer) Decrypt(context.Context, string, []byte) ([]byte, error) { return nil, errNoKey }

// A full node is configured, too, where nothing can be encrypted.
func TestAdminKeyWhereNothingCanBeEncrypted(t *testing.T) {
	for name, c := range map[string]struct {
		sealer sealer
		files  map[string]string
		said   string
	}{
		"a new one":     {brokenSealer{}, nil, "warning: the admin API key of val1 is a file that only root can read: " + errNoKey.Error()},
		"one of before": {brokenSealer{}, map[string]string{adminKeyFile: "0badc0de"}, "warning: the admin API key of val1 stays as it is on the disk: " + errNoKey.Error()},
		"a tree":        {nil, nil, ""},
	} {
		a, said := keyTree(t, c.files)
		a.sealer = c.sealer
		saveAll(t, a, 0, nil)
		if found := adminFiles(t, a); len(found) != 1 || found[adminKeyFile] == "" {
			t.Errorf("%s: %v", name, found)
		}
		if strings.TrimSpace(said.String()) != c.said {
			t.Errorf("%s: said %q", name, said)
		}
	}
}

// A key that this host cannot decrypt is one error, with what to type, of who
// needs it. Who does not need it works: keys, status, logs, doctor, report.
func TestAdminKeyThatIsLost(t *testing.T) {
	data, err := keystore.New([]keystore.Key{testKey(t, someKey)}, keystore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	inst := profiles.New("val1")
	inst.Role, inst.Network = "sequencer", "mainnet"
	a, said := keyTree(t, map[string]string{sealedAdmin: "0badc0de", keystoreFile: string(data)})
	a.sealer = brokenSealer{}
	_, err = a.loadSecrets(t.Context(), "val1")
	const remedy = "rm /etc/aztec-spartan/instances/val1/admin-api-key.cred, then aztec-spartan config val1 makes another one"
	if f, ok := errors.AsType[*failure](err); !ok || !strings.Contains(f.hint, remedy) || err.Error() != "reading the admin API key of val1: "+errNoKey.Error() {
		t.Errorf("config: %v", err)
	}
	tree := &app{root: a.root, out: io.Discard, err: io.Discard} // of another host, where nothing is lost
	_, err = tree.readAdminKey(t.Context(), "val1")
	if f, ok := errors.AsType[*failure](err); codeOf(err) != exitUnsupported || ok && f.hint != "" {
		t.Errorf("in a tree: %v", err)
	}
	if s, err := a.loadKeys(t.Context(), "val1"); err != nil || s.keystore == nil || s.admin.hash() != "" {
		t.Errorf("keys: %v", err)
	}
	if _, err := a.admin(t.Context(), "val1", units.Meta{AdminPort: 8880}); err == nil || !strings.Contains(err.Error(), errNoKey.Error()) {
		t.Errorf("its admin API: %v", err)
	}
	words := a.journalSecrets(t.Context(), []string{"val1"})
	if !strings.Contains(said.String(), "warning: what is secret of val1 cannot be read") || strings.Contains(words.Text(someKey), strings.TrimPrefix(someKey, "0x")) {
		t.Errorf("logs: %s", said)
	}
	// Of both, the first error says all that is to be removed.
	a, _ = keyTree(t, map[string]string{sealedAdmin: "0badc0de", sealedKeystore: string(data)})
	a.sealer = brokenSealer{}
	_, err = a.loadSecrets(t.Context(), "val1")
	f, ok := errors.AsType[*failure](err)
	if !ok || !strings.Contains(f.hint, fmt.Sprintf("rm %s %s, then", instancePath("val1", sealedKeystore), instancePath("val1", sealedAdmin))) {
		t.Fatalf("both are lost: %v", err)
	}
	for _, file := range []string{sealedKeystore, sealedAdmin} {
		if err := os.Remove(a.path(instancePath("val1", file))); err != nil {
			t.Fatal(err)
		}
	}
	a.sealer = fakeSealer{}
	if s, err := a.loadSecrets(t.Context(), "val1"); err != nil || !s.admin.fresh || s.admin.hash() == "" {
		t.Errorf("after what the hint says: %v", err)
	}
}

// --encrypt-keys is for instances without a keystore, too, as far as there is
// something to encrypt.
func TestEncryptKeysWithoutKeystore(t *testing.T) {
	catalog := profiles.BuiltIn()
	role, err := catalog.Role("full-node")
	if err != nil {
		t.Fatal(err)
	}
	for form, c := range map[string]struct {
		want credential.Key
		code int
	}{"tpm2": {credential.TPM2, 0}, "host": {credential.Host, 0}, "no": {"", exitUsage}, "auto": {"", exitUsage}} {
		a := &app{root: t.TempDir(), out: io.Discard, err: io.Discard, sealer: fakeSealer{}}
		p := &configPlan{inst: profiles.New("full1")}
		f := configFlags{encryptKeys: form, changed: func(flag string) bool { return slices.Contains([]string{"encrypt-keys"}, flag) }}
		err := a.sealAdminKey(t.Context(), role, p, f)
		if (err != nil) != (c.code != 0) || err != nil && codeOf(err) != c.code || p.sec.admin.want != c.want {
			t.Errorf("%s: %q, %v", form, p.sec.admin.want, err)
		}
	}
}

// What config writes it tells: nobody is to hear that there was nothing to
// change after a file was written.
func TestConfigTellsTheFormOfTheAdminKey(t *testing.T) {
	const encrypted = "the admin API key of full1 is encrypted for this host now (%s key); it needs no copy: config makes another one\n"
	for name, c := range map[string]struct {
		lies, ask credential.Key
		sealer    sealer
		want      string
	}{
		"host to tpm2":      {credential.Host, credential.TPM2, fakeSealer{}, fmt.Sprintf(encrypted, "tpm2") + "full1: nothing else to change; no restart is needed\n"},
		"plain to host":     {"", credential.Host, fakeSealer{}, fmt.Sprintf(encrypted, "host") + "full1: nothing else to change; no restart is needed\n"},
		"it cannot be done": {"", credential.Host, brokenSealer{}, "warning: the admin API key of full1 stays as it is on the disk: " + errNoKey.Error() + "\nfull1: nothing else to change; no restart is needed\n"},
		"as it is":          {credential.Host, credential.Host, fakeSealer{}, "full1: nothing to change\n"},
	} {
		t.Run(name, func(t *testing.T) {
			said := &strings.Builder{}
			a := &app{root: t.TempDir(), out: said, err: said, sealer: c.sealer}
			p := &configPlan{inst: profiles.New("full1"), sec: secrets{admin: adminKey{text: "0badc0de", sealed: c.lies, want: c.ask}}}
			p.rendered = &rendered{unit: "aztec-full-node@full1.service", Content: roll.Content{Unit: []byte("[Service]\n"), Instance: p.inst.Encode()}}
			p.active.Generation, p.rendered.Number = 1, 2
			is := p.rendered.Generation
			is.Number = 1
			if err := a.files().Add("full1", &p.state, is, p.rendered.Content); err != nil {
				t.Fatal(err)
			}
			if err := a.apply(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			if said.String() != c.want {
				t.Errorf("said %q, want %q", said, c.want)
			}
		})
	}
}
