package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/profiles/keystore"
)

// The instance that stands by for another rollup has the same attesters: that
// keeps neither from getting more.
func TestKeysOfInstanceWithStandby(t *testing.T) {
	h := newScriptHost(t)
	h.must(h.good("val1")...)
	h.must("val1-v6", "--from", "val1", "--version", "6.0.0", "--no-pull")
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(otherKey), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"val1", "val1-v6"} {
		var said strings.Builder
		args := []string{"--root", h.root, "keys", name, "add", "--key-file", file}
		if code := run(t.Context(), args, strings.NewReader(""), &said, &said); code != 0 {
			t.Errorf("%s: code %d: %s", name, code, said.String())
		}
	}
}

// Before keystores there was one key: a second attester is not left out
// without a word.
func TestOldVersionsTakeOneAttester(t *testing.T) {
	data, err := made(ownKeys{attesters: []keystore.Key{testKey(t, someKey), testKey(t, otherKey)}}, profiles.New("val1"))
	if err != nil {
		t.Fatal(err)
	}
	if env, err := (secrets{keystore: data}).env([]string{"VALIDATOR_PRIVATE_KEY"}); err == nil {
		t.Errorf("one of two is taken: %d bytes", len(env))
	}
}
