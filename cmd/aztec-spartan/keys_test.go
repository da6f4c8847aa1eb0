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
	data, err := made(keystore.Plain{Attesters: []keystore.Key{testKey(t, someKey), testKey(t, otherKey)}}, profiles.New("val1"))
	if err != nil {
		t.Fatal(err)
	}
	if env, err := (secrets{keystore: data}).env([]string{"VALIDATOR_PRIVATE_KEY"}); err == nil {
		t.Errorf("one of two is taken: %d bytes", len(env))
	}
}

// Of all that config writes, only files of root alone hold the admin API key,
// and no environment file does.
func TestSecretsLieInFilesOfRoot(t *testing.T) {
	h := newScriptHost(t)
	h.must(h.good("val1")...)
	admin, err := os.ReadFile(filepath.Join(h.root, instancePath("val1", adminKeyFile)))
	if err != nil {
		t.Fatal(err)
	}
	secret, found := strings.TrimSpace(string(admin)), 0
	err = filepath.WalkDir(h.root, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(data), secret) {
			return err
		}
		found++
		info, err := d.Info()
		if err == nil && (info.Mode().Perm() != 0o600 || filepath.Ext(path) == ".env") {
			t.Errorf("%s, mode %s, holds the admin API key", filepath.Base(path), info.Mode())
		}
		return err
	})
	if err != nil || found == 0 {
		t.Errorf("%d files, %v", found, err)
	}
}
