package keystore

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/sha3"
)

// Address is an account on L1.
type Address [20]byte

// ParseAddress reads 0x and 40 hexadecimal digits. Mixed case is a checksum
// (EIP-55) and must be right; one case alone is none.
func ParseAddress(s string) (Address, error) {
	var a Address
	digits, ok := strings.CutPrefix(s, "0x")
	if !ok || len(digits) != 2*len(a) {
		return a, errors.New("not an address: 0x and 40 hexadecimal digits are wanted")
	}
	if _, err := hex.Decode(a[:], []byte(digits)); err != nil {
		return Address{}, errors.New("not an address: not all its digits are hexadecimal")
	}
	mixed := digits != strings.ToLower(digits) && digits != strings.ToUpper(digits)
	if mixed && a.String() != s {
		return Address{}, errors.New("not an address: its checksum (EIP-55) is wrong, so a digit is, too")
	}
	return a, nil
}

// String returns the address with its checksum (EIP-55).
func (a Address) String() string {
	digits := []byte(hex.EncodeToString(a[:]))
	sum := keccak(digits)
	for i, c := range digits {
		if nibble := sum[i/2] >> (4 * (1 - i%2)) & 0xF; c >= 'a' && nibble >= 8 {
			digits[i] = c - 'a' + 'A'
		}
	}
	return "0x" + string(digits)
}

// MarshalText returns what String does.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

func keccak(data []byte) []byte {
	h := sha3.NewLegacyKeccak256() // Ethereum's hash predates the padding of SHA-3
	h.Write(data)
	return h.Sum(nil)
}

// modulus is the order of the field of Aztec's addresses (BN254), which the
// node reads them into (foundation/src/curves/bn254).
const modulus = "30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001"

// CheckFeeRecipient refuses what is no address on Aztec: 0x and 64 hexadecimal
// digits, below the order of the field.
func CheckFeeRecipient(s string) error {
	digits, ok := strings.CutPrefix(s, "0x")
	if _, err := hex.DecodeString(digits); !ok || err != nil || len(digits) != len(modulus) {
		return errors.New("not an Aztec address: 0x and 64 hexadecimal digits are wanted")
	}
	if strings.ToLower(digits) >= modulus {
		return fmt.Errorf("not an Aztec address: the number is not below 0x%s", modulus)
	}
	return nil
}
