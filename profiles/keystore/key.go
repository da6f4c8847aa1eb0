package keystore

import (
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
)

// Key is a private key of Ethereum's curve, secp256k1.
type Key struct {
	// A function, since fmt looks into everything else: inside a struct whose
	// field is unexported it calls no methods, and for a verb that does not
	// fit it follows pointers.
	secret func() [32]byte
}

// placeholder is what is shown of any key.
const placeholder = "[private key]"

// Errors of ParseKey. None contains anything of its input.
var (
	ErrKeyLength = errors.New("not a private key: 64 hexadecimal digits are wanted, with or without 0x")
	ErrKeyRange  = errors.New("not a private key: the number is zero, or too large for the curve")
	ErrKeyWeak   = errors.New("not a private key: the number is one that anybody would guess")
)

// ParseKey reads a private key: 64 hexadecimal digits, with or without 0x,
// blanks and newlines around them ignored.
func ParseKey(s string) (Key, error) {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0X") {
		s = s[2:]
	}
	var b [32]byte
	if len(s) != 2*len(b) {
		return Key{}, ErrKeyLength
	}
	if _, err := hex.Decode(b[:], []byte(s)); err != nil {
		return Key{}, ErrKeyLength // err itself names a digit of the input
	}
	var n secp256k1.ModNScalar
	defer n.Zero()
	if overflow := n.SetBytes(&b); overflow != 0 || n.IsZero() {
		return Key{}, ErrKeyRange
	}
	if guessable(b) {
		return Key{}, ErrKeyWeak
	}
	return Key{func() [32]byte { return b }}, nil
}

// NewKey makes a key that nobody knows. The error is the random source's.
func NewKey() (Key, error) {
	private, err := secp256k1.GeneratePrivateKey()
	if err != nil {
		return Key{}, fmt.Errorf("making a private key: %w", err)
	}
	defer private.Zero()
	b := private.Key.Bytes()
	return Key{func() [32]byte { return b }}, nil
}

// guessable finds what people type in place of a key: a small number, or one
// byte over and over. Funds sent to such accounts are gone within seconds.
func guessable(b [32]byte) bool {
	small := subtle.ConstantTimeCompare(b[:24], make([]byte, 24)) == 1
	return small || strings.Trim(string(b[:]), string(b[:1])) == ""
}

// Reveal returns the key, 0x and 64 digits; "" for the zero Key. It is for
// what is written into root's files, and nothing else.
func (k Key) Reveal() string {
	if k.secret == nil {
		return ""
	}
	b := k.secret()
	return "0x" + hex.EncodeToString(b[:])
}

// Equal reports whether two keys are the same.
func (k Key) Equal(other Key) bool {
	if k.IsZero() || other.IsZero() {
		return k.IsZero() == other.IsZero()
	}
	a, b := k.secret(), other.secret()
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// IsZero reports whether there is no key.
func (k Key) IsZero() bool { return k.secret == nil }

// Address returns the account of the key; the zero Address for the zero Key.
func (k Key) Address() Address {
	if k.secret == nil {
		return Address{}
	}
	b := k.secret()
	private := secp256k1.PrivKeyFromBytes(b[:])
	defer private.Zero()
	// The leading byte says "uncompressed"; Ethereum hashes the rest.
	return Address(keccak(private.PubKey().SerializeUncompressed()[1:])[12:])
}

// Format writes a placeholder for every verb, %x and %d included.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, placeholder) }

// String returns a placeholder.
func (k Key) String() string { return placeholder }

// GoString returns a placeholder.
func (k Key) GoString() string { return placeholder }

// MarshalText writes a placeholder, in JSON and TOML too.
func (k Key) MarshalText() ([]byte, error) { return []byte(placeholder), nil }

// MarshalJSON writes a placeholder.
func (k Key) MarshalJSON() ([]byte, error) { return []byte(`"` + placeholder + `"`), nil }

// LogValue logs a placeholder.
func (k Key) LogValue() slog.Value { return slog.StringValue(placeholder) }
