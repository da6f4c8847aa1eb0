package main

import (
	"strings"
	"testing"
)

// A key that is taken has one form, which is taken again; one that is not is
// not in the error.
func FuzzP2PKey(f *testing.F) {
	for _, seed := range []string{"", "0x", someKey, "0x" + someKey, secp256k1Key + someKey + "\n", strings.Repeat("0", 64), "08011240" + someKey} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		key, err := parseP2PKey(text)
		if err != nil {
			if len(text) >= 32 && strings.Contains(err.Error(), text) {
				t.Error("the key is in the error")
			}
			return
		}
		if again, err := parseP2PKey(key); err != nil || again != key || len(key) != 72 {
			t.Errorf("%d digits are not taken again: %v", len(key), err)
		}
	})
}
