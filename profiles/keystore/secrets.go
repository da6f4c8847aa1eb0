package keystore

import "encoding/json"

// public are fields whose values anybody may see, though one of an Aztec
// address has as many digits as a key.
var public = map[string]bool{"feeRecipient": true, "coinbase": true, "address": true, "id": true, "path": true, "certPath": true}

// Secrets returns what in a keystore is secret: private keys as they are and
// without 0x, passwords, mnemonics, and the URLs of remote signers, which may
// hold user info. It is for taking them out of other text, so it takes any
// JSON, valid as a keystore or not, and returns nothing for what is none.
func Secrets(data []byte) []string {
	var root any
	if len(data) > maxSize || json.Unmarshal(data, &root) != nil {
		return nil
	}
	var found []string
	var walk func(field string, value any)
	walk = func(field string, value any) {
		switch v := value.(type) {
		case map[string]any:
			for key, inner := range v {
				walk(key, inner)
			}
		case []any:
			for _, inner := range v {
				walk(field, inner)
			}
		case string:
			if public[field] || len(digits(v)) == 2*len(Address{}) {
				return
			}
			found = append(found, v)
			if bare := digits(v); bare != v {
				found = append(found, bare)
			}
		}
	}
	walk("", root)
	return found
}
