package main

import (
	"encoding/json"
	"errors"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/profiles/keystore"
)

// ownKeys are the private keys of a keystore that has nothing else in it: those
// of validators that share publishers, or those of a prover.
type ownKeys struct {
	attesters  []keystore.Key
	publishers []keystore.Key // of all validators, or the prover's; none: each attester for itself
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

var errNotPlain = errors.New("it holds something else than plain private keys")

// plainKeys reads them. No error holds anything of a key.
func plainKeys(data []byte) (ownKeys, error) {
	k, err := keystore.Parse(data)
	if err != nil {
		return ownKeys{}, err
	}
	var file struct {
		proverFile
		Validators []struct {
			Publisher any `json:"publisher"`
		} `json:"validators"`
	}
	if json.Unmarshal(data, &file) != nil {
		return ownKeys{}, errNotPlain
	}
	if k.Prover {
		keys, err := plainPublishers(file.Prover.Publisher)
		if err != nil || len(file.Validators) > 0 {
			return ownKeys{}, errNotPlain
		}
		return ownKeys{publishers: keys}, nil
	}
	var own ownKeys
	if own.attesters, err = keystore.Keys(data); err != nil {
		return ownKeys{}, err
	}
	for i, v := range file.Validators {
		keys, err := plainPublishers(v.Publisher)
		if err != nil || i >= len(own.attesters) {
			return ownKeys{}, errNotPlain
		}
		if len(keys) > 1 || !keys[0].Equal(own.attesters[i]) {
			own.publishers = keys
		}
	}
	return own, nil
}

// plainPublishers reads one key or a list of them.
func plainPublishers(field any) ([]keystore.Key, error) {
	list, ok := field.([]any)
	if !ok {
		list = []any{field}
	}
	var keys []keystore.Key
	for _, v := range list {
		text, _ := v.(string)
		key, err := keystore.ParseKey(text)
		if err != nil {
			return nil, errNotPlain
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errNotPlain
	}
	return keys, nil
}

// made returns the keystore that config makes of keys for an instance.
func made(own ownKeys, inst profiles.Instance) ([]byte, error) {
	if len(own.attesters) > 0 {
		return keystore.New(own.attesters, keystore.Options{Publishers: own.publishers, Coinbase: inst.Coinbase, FeeRecipient: inst.FeeRecipient})
	}
	if len(own.publishers) == 0 {
		return nil, errors.New("making a keystore: there is no key")
	}
	file := proverFile{SchemaVersion: 1}
	file.Prover.ID, file.Prover.Publisher = inst.Prover.ID, keystore.OneOrSeveral(own.publishers)
	if file.Prover.ID == "" {
		file.Prover.ID = own.publishers[0].Address().String()
	}
	data, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return nil, errors.New("making a keystore: encoding JSON") // the cause may hold a key
	}
	data = append(data, '\n')
	_, err = keystore.Parse(data)
	return data, err
}

// main is the key by which an instance is known.
func (o ownKeys) main() keystore.Key {
	switch {
	case len(o.attesters) > 0:
		return o.attesters[0]
	case len(o.publishers) > 0:
		return o.publishers[0]
	}
	return keystore.Key{}
}
