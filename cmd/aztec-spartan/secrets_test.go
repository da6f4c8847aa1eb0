package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/profiles/keystore"
)

const otherKey = "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"

func testKey(t *testing.T, text string) keystore.Key {
	t.Helper()
	key, err := keystore.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// What config makes it recognizes, whatever keys it made it of.
func TestMadeKeystoresAreOurs(t *testing.T) {
	one, two := testKey(t, someKey), testKey(t, otherKey)
	for name, own := range map[string]keystore.Plain{
		"attester": {Attesters: []keystore.Key{one}}, "publisher": {Attesters: []keystore.Key{one}, Publishers: []keystore.Key{two}},
		"two": {Attesters: []keystore.Key{one, two}}, "prover": {Publishers: []keystore.Key{two}},
		"publishers": {Attesters: []keystore.Key{one}, Publishers: []keystore.Key{two, one}}, "prover with two": {Publishers: []keystore.Key{two, one}},
	} {
		inst := profiles.New("val1")
		data, err := made(own, inst)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := secrets{keystore: data}.ours(&inst)
		if err != nil || len(got.Attesters) != len(own.Attesters) || len(got.Publishers) != len(own.Publishers) || !got.Main().Equal(own.Main()) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := (secrets{keystore: append(data, ' ')}).ours(&inst); err == nil {
			t.Errorf("%s: what an editor changed is taken for ours", name)
		}
	}
}

// A new attester keeps the publisher, and a new publisher the attester.
func TestKeysBesideTheGivenAreKept(t *testing.T) {
	one, two := testKey(t, someKey), testKey(t, otherKey)
	inst := profiles.New("val1")
	var s secrets
	if _, _, err := s.setKeys(keystore.Plain{Attesters: []keystore.Key{one}}, nil, inst); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.setKeys(keystore.Plain{Publishers: []keystore.Key{two}}, &inst, inst); err != nil {
		t.Fatal(err)
	}
	own, err := s.ours(&inst)
	if err != nil || len(own.Attesters) != 1 || !own.Attesters[0].Equal(one) || len(own.Publishers) != 1 || !own.Publishers[0].Equal(two) {
		t.Errorf("attesters %d, %v", len(own.Attesters), err)
	}
}

// Versions before keystores and key files get all in one file of secrets.
func TestSecretEnvOfOldVersions(t *testing.T) {
	one, two := testKey(t, someKey), testKey(t, otherKey)
	data, err := made(keystore.Plain{Attesters: []keystore.Key{one}, Publishers: []keystore.Key{two}}, profiles.New("val1"))
	if err != nil {
		t.Fatal(err)
	}
	s := secrets{keystore: data, p2pKey: secp256k1Key + someKey}
	env, err := s.env([]string{"VALIDATOR_PRIVATE_KEY", "SEQ_PUBLISHER_PRIVATE_KEY", p2pKeyVariable})
	want := fmt.Sprintf("VALIDATOR_PRIVATE_KEY=0x%s\nSEQ_PUBLISHER_PRIVATE_KEY=0x%s\nPEER_ID_PRIVATE_KEY=%s%s\n", someKey, otherKey, secp256k1Key, someKey)
	if err != nil || !strings.HasSuffix(string(env), want) {
		t.Errorf("%v:\n%s\nwant\n%s", err, env, want)
	}
	s.p2pKey = ""
	if env, err = s.env([]string{p2pKeyVariable}); err != nil || strings.Contains(string(env), p2pKeyVariable) {
		t.Errorf("an empty assignment: %v:\n%s", err, env)
	}
}

func TestP2PKeys(t *testing.T) {
	for text, want := range map[string]string{
		secp256k1Key + someKey: secp256k1Key + someKey, "0x" + someKey + "\n": secp256k1Key + someKey,
		strings.ToUpper(secp256k1Key + someKey): secp256k1Key + someKey,
		"":                                      "", "0x": "", someKey[1:]: "", "08011240" + someKey: "", strings.Repeat("0", 64): "", strings.Repeat("z", 64): "",
	} {
		got, err := parseP2PKey(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%d digits: got %d, %v", len(text), len(got), err)
		}
		if err != nil && len(text) > 8 && strings.Contains(err.Error(), text[8:]) {
			t.Errorf("the key is in the error: %v", err)
		}
	}
	for version, takes := range map[string]bool{"0.84.0": false, "0.85.0": true, "4.1.2": true, "": true} {
		if c, ok := p2pCredential(profiles.BuiltIn(), profiles.ImageFacts{Version: version}, "val1"); ok != takes || c.Variable != "PEER_ID_PRIVATE_KEY_PATH" {
			t.Errorf("version %q takes a file: %v", version, ok)
		}
	}
}
