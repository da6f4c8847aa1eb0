package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The instance before a cutover is not updated onto the rollup where the one
// that stood by has its keys.
func TestUpdateOntoTheStandbysRollup(t *testing.T) {
	h := newScriptHost(t)
	h.must(h.good("val1")...)
	h.must("val1-v6", "--from", "val1", "--version", "6.0.0", "--no-pull")
	var said strings.Builder
	a := newApp(&said)
	a.root = h.root
	inst, err := a.loadInstance("val1")
	if err != nil {
		t.Fatal(err)
	}
	for version, refused := range map[string]bool{"4.1.3": false, "5.0.0": false, "6.0.0": true, "6.0.1": true} {
		err := a.checkStandby(t.Context(), "updating val1", inst, version)
		if (err != nil) != refused || refused && !strings.Contains(err.Error(), "instance val1-v6's, and both are on the same rollup") {
			t.Errorf("%s: %v", version, err)
		}
	}
}

// What would put the two onto one rollup in another way than by an update is
// refused by keys add, and where a node is about to start.
func TestStandbyOnTheSameRollup(t *testing.T) {
	h := newScriptHost(t)
	h.must(h.good("val1")...)
	h.must("val1-v6", "--from", "val1", "--version", "6.0.0", "--no-pull")
	var said strings.Builder
	a := newApp(&said)
	a.root = h.root
	same := "instance val1's, and both are on the same rollup"
	check := func(name string) (start, add error) {
		t.Helper()
		inst, err := a.loadInstance(name)
		if err != nil {
			t.Fatal(err)
		}
		var sec secrets
		if err := a.loadKeystore(t.Context(), name, &sec); err != nil {
			t.Fatal(err)
		}
		_, start = a.prepare(t.Context(), inst)
		return start, a.checkAttesters(t.Context(), inst, sec)
	}
	if start, add := check("val1-v6"); add != nil || start != nil && strings.Contains(start.Error(), same) {
		t.Errorf("on rollups of their own: start %v, keys add %v", start, add)
	}
	toml := filepath.Join(h.root, instancePath("val1-v6", "instance.toml"))
	text, err := os.ReadFile(toml)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(toml, bytes.ReplaceAll(text, []byte(":6.0.0"), []byte(":4.1.3")), 0o640); err != nil {
		t.Fatal(err)
	}
	start, add := check("val1-v6")
	if start == nil || !strings.Contains(start.Error(), "starting val1-v6: attester ") || !strings.Contains(start.Error(), same) {
		t.Errorf("start: %v", start)
	}
	if add == nil || !strings.Contains(add.Error(), "keys of val1-v6: attester ") || !strings.Contains(add.Error(), same) {
		t.Errorf("keys add: %v", add)
	}
}

// The one that stands by may pay from another account on L1, and earn for
// another one. Its attester stays the same.
func TestStandbyWithAPublisherOfItsOwn(t *testing.T) {
	h := newScriptHost(t)
	h.must(h.good("val1")...)
	key := filepath.Join(t.TempDir(), "publisher")
	put(t, key, "0x"+otherKey+"\n")
	const coinbase = "0x00000000000000000000000000000000000000c0"
	said := h.must("val1-v6", "--from", "val1", "--version", "6.0.0", "--no-pull", "--publisher-key-file", key, "--coinbase", coinbase)
	if strings.Contains(said, "nonces") {
		t.Errorf("both pay from one account: %s", said)
	}
	a := newApp(&strings.Builder{})
	a.root = h.root
	tenants, err := a.tenantsOf(t.Context(), []string{"val1", "val1-v6"})
	if err != nil || len(tenants) != 2 {
		t.Fatal(tenants, err)
	}
	old, next := tenants[0], tenants[1]
	if !slices.Equal(old.Attesters, next.Attesters) || len(next.Publishers) != 1 || slices.Contains(old.Publishers, next.Publishers[0]) {
		t.Errorf("attesters %v and %v, publishers %v and %v", old.Attesters, next.Attesters, old.Publishers, next.Publishers)
	}
	if text := h.read(instancePath("val1-v6", keystoreFile)); !strings.Contains(strings.ToLower(text), coinbase) {
		t.Error("the keystore has another coinbase")
	}
	if left, err := filepath.Glob(filepath.Join(h.root, instancePath("val1-v6", keystoreFile)+".*")); err != nil || len(left) > 0 {
		t.Errorf("copies of the keys: %v, %v", left, err)
	}
}

// Of keys that config did not make, the one that stands by takes all or none;
// what the hint says can be typed: keys knows no instance that is not there yet.
func TestStandbyWithKeysThatConfigDidNotMake(t *testing.T) {
	h := newScriptHost(t)
	h.must(h.good("val1")...)
	dir := t.TempDir()
	second, publisher := filepath.Join(dir, "second"), filepath.Join(dir, "publisher")
	put(t, second, "0x"+otherKey+"\n")
	put(t, publisher, "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6\n")
	if code, said := call(t, h.root, "keys", "val1", "add", "--key-file", second); code != 0 {
		t.Fatal(said)
	}
	standby := []string{"config", "val1-v6", "--from", "val1", "--version", "6.0.0", "--no-pull"}
	for flag, hint := range map[string]string{
		"--publisher-key-file=" + publisher:                     "hint: first without a key, and then: aztec-spartan keys val1-v6 add --keystore FILE --replace",
		"--coinbase=0x00000000000000000000000000000000000000c0": "hint: first without --coinbase, --fee-recipient and --prover-id, and then, with a copy that has others: aztec-spartan keys val1-v6 add --keystore FILE --replace",
	} {
		code, said := call(t, h.root, append(slices.Clone(standby), flag)...)
		if code != exitUsage || !strings.Contains(said, hint) || exists(filepath.Join(h.root, instancePath("val1-v6", ""))) {
			t.Errorf("%s: exit code %d: %s", flag, code, said)
		}
	}
	if code, said := call(t, h.root, standby...); code != 0 {
		t.Fatal(said)
	}
	whole := filepath.Join(dir, "keystore.json")
	put(t, whole, h.read(instancePath("val1", keystoreFile)))
	if code, said := call(t, h.root, "keys", "val1-v6", "add", "--keystore", whole, "--replace"); code != 0 {
		t.Errorf("what the hint says: exit code %d: %s", code, said)
	}
}

// Keys of an instance of its name that was removed are kept beside the new
// ones: they may have no other copy.
func TestStandbyBesideKeysOfOneThatWasRemoved(t *testing.T) {
	const third = "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6"
	dir := t.TempDir()
	other, publisher := filepath.Join(dir, "other"), filepath.Join(dir, "publisher")
	put(t, other, "0x"+otherKey+"\n")
	put(t, publisher, "0x"+third+"\n")
	for name, flags := range map[string][]string{
		"its keys alone":        nil,
		"with a publisher":      {"--publisher-key-file", publisher},
		"with another coinbase": {"--coinbase", "0x00000000000000000000000000000000000000c0"},
	} {
		h := newScriptHost(t)
		h.must(h.good("val1")...)
		h.must(append(h.good("val1-v6"), "--key-file", other)...)
		toml := filepath.Join(h.root, instancePath("val1-v6", "instance.toml"))
		if err := os.Rename(toml, toml+".removed"); err != nil {
			t.Fatal(err)
		}
		h.must(append([]string{"val1-v6", "--from", "val1", "--version", "6.0.0", "--no-pull"}, flags...)...)
		left, err := filepath.Glob(filepath.Join(h.root, instancePath("val1-v6", keystoreFile)+".*"))
		if err != nil || len(left) != 1 {
			t.Fatalf("%s: copies of the keys: %v, %v", name, left, err)
		}
		if text, err := os.ReadFile(left[0]); err != nil || !strings.Contains(string(text), otherKey) {
			t.Errorf("%s: the copy has other keys, %v", name, err)
		}
	}
}

// When the instance before the cutover is removed, as README says, the one that
// stood by goes on to be configured, and has its keys for itself.
func TestStandbyOfNobody(t *testing.T) {
	h := newScriptHost(t)
	h.must(h.good("val1")...)
	h.must("val1-v6", "--from", "val1", "--version", "6.0.0", "--no-pull")
	toml := instancePath("val1", "instance.toml")
	was := h.read(toml)
	if err := os.WriteFile(filepath.Join(h.root, toml), []byte("nonsense"), 0o640); err != nil {
		t.Fatal(err)
	}
	if said, code := h.config("val1-v6", "--no-pull"); code != exitUsage || !strings.Contains(said, "hint: put "+toml+" right") {
		t.Errorf("val1 cannot be read: code %d: %s", code, said)
	}
	if err := os.WriteFile(filepath.Join(h.root, toml), []byte(was), 0o640); err != nil {
		t.Fatal(err)
	}
	if code, said := call(t, h.root, "remove", "val1"); code != 0 {
		t.Fatalf("remove: code %d: %s", code, said)
	}
	if said := h.must("val1-v6", "--no-pull", "--set", "LOG_LEVEL=debug"); !strings.Contains(said, "val1-v6 stood by for val1, which is not here") {
		t.Errorf("it is not said: %s", said)
	}
	if text := h.read(instancePath("val1-v6", "instance.toml")); strings.Contains(text, "standby_of") {
		t.Errorf("%s", text)
	}
}

// One that stood by moves to a host that never had the one before it.
func TestImportOfAStandby(t *testing.T) {
	h, to, dir := newScriptHost(t), t.TempDir(), t.TempDir()
	h.must(h.good("val1")...)
	h.must("val1-v6", "--from", "val1", "--version", "6.0.0", "--no-pull")
	words, file := filepath.Join(dir, "words"), filepath.Join(dir, "val1-v6.age")
	put(t, words, "correct horse battery\n")
	if code, said := call(t, h.root, "export", "val1-v6", file, "--passphrase-file", words, "--move"); code != 0 {
		t.Fatalf("export: code %d: %s", code, said)
	}
	if code, said := call(t, to, "import", file, "--passphrase-file", words); code != 0 || !strings.Contains(said, "stood by for val1") {
		t.Fatalf("import: code %d: %s", code, said)
	}
	if text := get(t, filepath.Join(to, instancePath("val1-v6", "instance.toml"))); strings.Contains(text, "standby_of") {
		t.Errorf("%s", text)
	}
}
