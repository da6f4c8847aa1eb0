package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Once a key is taken, nothing that is started has it.
func TestTakenKeysAreNotInherited(t *testing.T) {
	t.Setenv("SOME_KEY", "0x"+someKey)
	t.Setenv("SOME_PAYER", someKey)
	key, payer := envKey{name: "SOME_KEY"}, envKey{name: "SOME_PAYER"}
	if err := takeKeys(&key, &envKey{}, &payer); err != nil || key.value != "0x"+someKey || payer.value != someKey {
		t.Fatalf("taken: %t, %t, %v", key.value != "", payer.value != "", err)
	}
	out, err := exec.Command("env").Output()
	if err != nil || len(out) == 0 || strings.Contains(string(out), someKey) {
		t.Errorf("a program inherits the key (%d bytes, %v)", len(out), err)
	}
	if _, ok := os.LookupEnv("SOME_KEY"); ok {
		t.Error("it is still there")
	}
}
