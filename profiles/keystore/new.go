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
		v := validator{key.Reveal(), oneOrSeveral(o.Publishers), coinbase.String(), o.FeeRecipient}
		if len(o.Publishers) == 0 {
			v.Publisher = v.Attester
		}
		file.Validators = append(file.Validators, v)
	}
	return encoded(file)
}

// proverFile is the keystore of a prover node
// (node-keystore/src/schemas.ts): who earns, and who pays.
type proverFile struct {
	SchemaVersion int `json:"schemaVersion"`
	Prover        struct {
		ID        string `json:"id"`
		Publisher any    `json:"publisher"` // a key, or several
	} `json:"prover"`
}

// NewProver returns the keystore file of a prover whose proofs the publishers
// pay for. id is the address on L1 that earns; "": that of the first key.
func NewProver(publishers []Key, id string) ([]byte, error) {
	if len(publishers) == 0 {
		return nil, errors.New("making a keystore: there is no key")
	}
	file := proverFile{SchemaVersion: schemaWritten}
	file.Prover.ID, file.Prover.Publisher = id, oneOrSeveral(publishers)
	if id == "" {
		file.Prover.ID = publishers[0].Address().String()
	}
	return encoded(file)
}

// encoded is the text of a keystore that we make. What we write must pass what
// we check: a zero or doubled key ends here.
func encoded(file any) ([]byte, error) {
	data, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return nil, errors.New("making a keystore: encoding JSON") // the cause may hold a key
	}
	data = append(data, '\n')
	if _, err := Parse(data); err != nil {
		return nil, fmt.Errorf("making a keystore: %w", err)
	}
	return data, nil
}

// oneOrSeveral reveals keys as a keystore has them: a lone one is no list.
func oneOrSeveral(keys []Key) any {
	if len(keys) == 1 {
		return keys[0].Reveal()
	}
	list := []string{}
	for _, key := range keys {
		list = append(list, key.Reveal())
	}
	return list
}
