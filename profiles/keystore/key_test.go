package keystore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// The first accounts of every development chain: worth nothing.
const (
	devKey0     = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
	devAddress0 = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
	devKey1     = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
	devAddress1 = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
)

// order is that of secp256k1 (SEC 2, section 2.4.1).
const order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"

func parseKey(t *testing.T, s string) Key {
	t.Helper()
	k, err := ParseKey(s)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestParseKey(t *testing.T) {
	for _, s := range []string{devKey1, devKey1[2:], "0X" + devKey1[2:], "0x" + strings.ToUpper(devKey1[2:]), " " + devKey1 + "\r\n"} {
		k, err := ParseKey(s)
		if err != nil || k.Reveal() != devKey1 || k.Address().String() != devAddress1 {
			t.Errorf("%q: %s, %v", s, k.Address(), err)
		}
	}
	if a := parseKey(t, devKey0).Address().String(); a != devAddress0 {
		t.Errorf("the address is %s, want %s", a, devAddress0)
	}
	last := order[:63] + "0" // one below the order
	if _, err := ParseKey(last); err != nil {
		t.Errorf("the largest key: %v", err)
	}
}

func TestParseKeyRefuses(t *testing.T) {
	for _, c := range []struct {
		name, key string
		want      error
	}{
		{"nothing", "", ErrKeyLength},
		{"0x", "0x", ErrKeyLength},
		{"short", devKey1[:65], ErrKeyLength},
		{"long", devKey1 + "0", ErrKeyLength},
		{"two", devKey1 + "\n" + devKey0, ErrKeyLength},
		{"0x twice", "0x0x" + devKey1[4:], ErrKeyLength},
		{"not hexadecimal", devKey1[:65] + "g", ErrKeyLength},
		{"blank inside", devKey1[:65] + " ", ErrKeyLength},
		{"zero", "0x" + strings.Repeat("0", 64), ErrKeyRange},
		{"the order", order, ErrKeyRange},
		{"above the order", strings.Repeat("f", 64), ErrKeyRange},
		{"one", strings.Repeat("0", 63) + "1", ErrKeyWeak},
		{"a small number", strings.Repeat("0", 56) + "deadbeef", ErrKeyWeak},
		{"one byte over and over", strings.Repeat("ab", 32), ErrKeyWeak},
	} {
		k, err := ParseKey(c.key)
		if !errors.Is(err, c.want) || !k.IsZero() {
			t.Errorf("%s: error %v, want %v", c.name, err, c.want)
		}
	}
}

// No way of printing a key, or anything it is part of, shows it.
func TestKeyIsNeverShown(t *testing.T) {
	key := parseKey(t, devKey1)
	type hidden struct{ inner Key }
	type shown struct{ Inner Key }
	// Hexadecimal in either case, base64, and the bytes as numbers.
	traces := []string{"59c6995e", "59C6995E", "WcaZXpmP", "89 198 153", "0x59, 0xc6"}
	check := func(how, out string) {
		for _, trace := range traces {
			if strings.Contains(out, trace) {
				t.Errorf("%s shows the key: %s", how, out)
			}
		}
	}
	for _, v := range []any{key, &key, []Key{key}, map[string]Key{"k": key}, hidden{key}, &hidden{key}, shown{key}, []any{key}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%c", "%o", "%b", "%U", "%T", "%p"} {
			check(verb, fmt.Sprintf(verb, v))
		}
		if out, err := json.Marshal(v); err == nil {
			check("JSON", string(out))
		}
		for _, handler := range []func(*bytes.Buffer) slog.Handler{
			func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
			func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
		} {
			var b bytes.Buffer
			slog.New(handler(&b)).Info("x", "v", v)
			check("slog", b.String())
		}
	}
	if got := fmt.Sprintf("%v %x", key, key); got != placeholder+" "+placeholder {
		t.Errorf("a key is shown as %s", got)
	}
	check("an error", fmt.Errorf("a %w b %v", errors.New("x"), key).Error())
}

func TestZeroKey(t *testing.T) {
	var zero Key
	if !zero.IsZero() || zero.Reveal() != "" || zero.Address() != (Address{}) || zero.Equal(parseKey(t, devKey1)) || !zero.Equal(Key{}) {
		t.Error("the zero key is something")
	}
	if !parseKey(t, devKey1).Equal(parseKey(t, devKey1[2:])) || parseKey(t, devKey1).Equal(parseKey(t, devKey0)) {
		t.Error("Equal does not compare keys")
	}
}

func TestParseAddress(t *testing.T) {
	// The examples of EIP-55.
	for _, s := range []string{
		"0x52908400098527886E0F7030069857D2E4169EE7", "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
		"0xde709f2102306220921060314715629080e2fb77", "0x27b1fdb04752bbc536007a920d24acb045561c26",
		"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
		"0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB", "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
	} {
		for _, form := range []string{s, "0x" + strings.ToLower(s[2:]), "0x" + strings.ToUpper(s[2:])} {
			a, err := ParseAddress(form)
			if err != nil || a.String() != s {
				t.Errorf("%s: %s, %v, want %s", form, a, err, s)
			}
		}
	}
	for _, s := range []string{
		"", "0x", devAddress1[2:], devAddress1[:41], devAddress1 + "0", "0X" + devAddress1[2:], "0xg0997970C51812dc3A010C7d01b50e0d17dc79C8",
		"0x70997970C51812dc3A010C7d01b50e0d17dc79c8", "0x70997970C51812dc3A010C7d01b50e0d17dc79C9", devKey1,
	} {
		if a, err := ParseAddress(s); err == nil {
			t.Errorf("%q is taken for %s", s, a)
		}
	}
}

func TestCheckFeeRecipient(t *testing.T) {
	for _, s := range []string{nobody, "0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000000"} {
		if err := CheckFeeRecipient(s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	for _, s := range []string{"", "0x", devAddress1, nobody[2:], nobody + "0", nobody[:65] + "g", "0x" + modulus, "0x30644E72E131A029B85045B68181585D2833E84879B9709143E1F593F0000001"} {
		if CheckFeeRecipient(s) == nil {
			t.Errorf("%q is accepted", s)
		}
	}
}

func TestNewKey(t *testing.T) {
	one, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseKey(one.Reveal())
	if err != nil || !again.Equal(one) || again.Address() != one.Address() {
		t.Errorf("what was made is not read back: %v", err)
	}
	if one.Equal(other) {
		t.Error("the same key was made twice")
	}
}
