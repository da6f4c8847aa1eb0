package keystore

import (
	"bytes"
	"encoding/json"
	"errors"
)

// Errors of Parse about files that are not keystores and often taken for one.
var (
	// ErrStakerOutput: validator-keys writes it beside the keystore, and a node
	// that finds it in its keystore directory does not start.
	ErrStakerOutput = errors.New("it is the staker output of validator-keys, for the registration on L1, not the keystore")
	// ErrKeyFile: an encrypted key (Web3 Secret Storage, EIP-2335) is named by a
	// keystore, and is none.
	ErrKeyFile = errors.New(`it is one encrypted key, which a keystore names as {"path": FILE, "password": ...}, not the keystore`)
	// ErrEncoding: JSON.parse of the node wants none of both.
	ErrEncoding = errors.New("it begins with a byte order mark or is not UTF-8: save it as UTF-8 without one")
)

// recognized tells files that are something else. What it lets pass may still
// be anything.
func recognized(data []byte) error {
	for _, mark := range []string{"\xef\xbb\xbf", "\xfe\xff", "\xff\xfe"} {
		if bytes.HasPrefix(data, []byte(mark)) {
			return ErrEncoding
		}
	}
	raw := json.RawMessage(bytes.TrimLeft(data, " \t\r\n"))
	if list, err := arrayAt("", raw); err == nil {
		raw = bytes.TrimSpace(list[0])
	}
	o, err := objectAt("", raw)
	switch {
	case err != nil:
		return nil
	case o.has("proofOfPossession") || o.has("publicKeyG1"):
		return ErrStakerOutput
	case o.has("crypto") || o.has("Crypto"):
		return ErrKeyFile
	}
	return nil
}

// compact is JSON without blanks; nil if it is not valid.
func compact(raw json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return nil
	}
	return b.Bytes()
}
