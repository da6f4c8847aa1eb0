//go:build booted

package main

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/registry"
	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/stubimage"
)

// A version from before keystores gets its keys in an environment file that
// root alone reads, and by no other way.
func TestKeysBeforeKeystores(t *testing.T) {
	dir := t.TempDir()
	if err := stubimage.BuildReleases(filepath.Join(dir, "layout"), stubimage.Release{Version: "1.2.1", As: stubimage.Newer}); err != nil {
		t.Fatal(err)
	}
	handler, err := registry.Handler(filepath.Join(dir, "layout"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	root, key, peer, second := filepath.Join(dir, "host"), filepath.Join(dir, "key"), filepath.Join(dir, "peer"), filepath.Join(dir, "second")
	const third = "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6"
	put(t, key, someKey+"\n")
	put(t, peer, secp256k1Key+otherKey+"\n")
	put(t, second, third+"\n")
	args := []string{
		"config", "val1", "--network", "local", "--image", strings.TrimPrefix(server.URL, "http://") + "/aztecprotocol/aztec:1.2.1",
		"--ethereum-host", "http://127.0.0.1:8545", "--ip", "127.0.0.1", "--key-file", key, "--p2p-id-private-key", peer,
	}
	if code, said := call(t, root, args...); code != 0 {
		t.Fatalf("config: %d: %s", code, said)
	}
	secretEnv := filepath.Join(root, instancePath("val1", secretEnvFile))
	bare := strings.TrimPrefix(someKey, "0x")
	if fi, err := os.Stat(secretEnv); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%s: %v, %v", secretEnvFile, fi, err)
	}
	if !strings.Contains(get(t, secretEnv), "\nVALIDATOR_PRIVATE_KEY=0x"+bare+"\n") {
		t.Errorf("%s has not the key of the attester", secretEnvFile)
	}
	unit := get(t, filepath.Join(root, systemdDir, val1Unit))
	if !strings.Contains(unit, "\nEnvironmentFile="+instancePath("val1", secretEnvFile)+"\n") || strings.Contains(unit, keystoreFile) {
		t.Errorf("the unit:\n%s", unit)
	}
	// What has them is the keystore, that file, and the file of the P2P key.
	holders := map[string]bool{}
	err = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && !strings.Contains(path, imageDir) {
			if text := get(t, path); strings.Contains(text, bare) || strings.Contains(text, otherKey) {
				holders[filepath.Base(path)] = true
			}
		}
		return err
	})
	if err != nil || len(holders) != 3 || !holders[keystoreFile] || !holders[secretEnvFile] || !holders[p2pKeyFile] {
		t.Errorf("keys are in %v, %v", holders, err)
	}
	// Two keys are more than such a version takes: it is said, and no old one stays where the node would read it.
	if code, said := call(t, root, "keys", "val1", "add", "--key-file", second); code != 0 || !strings.Contains(said, "versions before 2.0 cannot use this keystore") || exists(secretEnv) {
		t.Errorf("keys add: %d: %s", code, said)
	}
}
