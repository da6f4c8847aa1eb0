package keystore

import (
	"slices"
	"strings"
	"testing"
)

func TestSecrets(t *testing.T) {
	digits := strings.Repeat("a1", 32)
	fees := "0x" + strings.Repeat("02", 32)
	coinbase := "0x" + strings.Repeat("03", 20)
	got := Secrets([]byte(`{"schemaVersion":1,"remoteSigner":"https://u:p@signer.example","validators":[
	 {"attester":{"eth":"0x` + digits + `","bls":{"path":"/k.json","password":"open sesame"}},"publisher":["` + coinbase + `"],"coinbase":"` + coinbase + `","feeRecipient":"` + fees + `"},
	 {"attester":{"mnemonic":"one two three"},"feeRecipient":"` + fees + `"}]}`))
	slices.Sort(got)
	want := []string{"0x" + digits, digits, "https://u:p@signer.example", "one two three", "open sesame"}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d are found, %d wanted", len(got), len(want))
	}
	if got := Secrets([]byte("no JSON")); got != nil {
		t.Error(got)
	}
}
