package keystore

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// schemaWritten is the version of the schema that New writes: every node with
// keystores reads it.
const schemaWritten = 1

// nobody is the address on Aztec that stands for no recipient of fees.
var nobody = "0x" + strings.Repeat("0", len(modulus))

// Options are what a keystore says beside its keys.
type Options struct {
	Publishers   []Key  // pay for transactions on L1, in turns; none: each attester for itself
	Coinbase     string // address on L1 for rewards; "": that of the first key
	FeeRecipient string // address on Aztec for fees; "": zero
}

// validator is an entry of a keystore that New writes.
type validator struct {
	Attester     string `json:"attester"`
	Publisher    any    `json:"publisher"` // a key, or several
	Coinbase     string `json:"coinbase"`
	FeeRecipient string `json:"feeRecipient"`
}

// New returns the keystore file of validators with the given attester keys.
// The file holds the keys themselves. The same arguments give the same bytes.
func New(keys []Key, o Options) ([]byte, error) {
	if len(keys) == 0 {
		return nil, errors.New("making a keystore: there is no key")
	}
	coinbase := keys[0].Address()
	if o.Coinbase != "" {
		var err error
		if coinbase, err = ParseAddress(o.Coinbase); err != nil {
			return nil, fmt.Errorf("making a keystore: coinbase: %w", err)
		}
	}
	if o.FeeRecipient == "" {
		o.FeeRecipient = nobody
	}
	if err := CheckFeeRecipient(o.FeeRecipient); err != nil {
		return nil, fmt.Errorf("making a keystore: fee recipient: %w", err)
	}
	file := struct {
		SchemaVersion int         `json:"schemaVersion"`
		Validators    []validator `json:"validators"`
	}{SchemaVersion: schemaWritten}
	for _, key := range keys {
		v := validator{key.Reveal(), OneOrSeveral(o.Publishers), coinbase.String(), o.FeeRecipient}
		if len(o.Publishers) == 0 {
			v.Publisher = v.Attester
		}
		file.Validators = append(file.Validators, v)
	}
	data, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return nil, errors.New("making a keystore: encoding JSON") // the cause may hold a key
	}
	data = append(data, '\n')
	// What we write must pass what we check: a zero or doubled key ends here.
	if _, err := Parse(data); err != nil {
		return nil, fmt.Errorf("making a keystore: %w", err)
	}
	return data, nil
}

// OneOrSeveral reveals keys as a keystore has them: a lone one is no list.
func OneOrSeveral(keys []Key) any {
	if len(keys) == 1 {
		return keys[0].Reveal()
	}
	list := []string{}
	for _, key := range keys {
		list = append(list, key.Reveal())
	}
	return list
}
