package main

import (
	"encoding/json"
	"errors"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/profiles/keystore"
)

// ownKeys are the private keys of a keystore that has nothing else in it: those
// of validators with one publisher, or that of a prover.
type ownKeys struct {
	attesters []keystore.Key
	publisher keystore.Key // of all validators, or the prover's; zero: each attester for itself
}

// proverFile is the keystore of a prover node
// (node-keystore/src/schemas.ts): who earns, and who pays.
type proverFile struct {
	SchemaVersion int `json:"schemaVersion"`
	Prover        struct {
		ID        string `json:"id"`
		Publisher string `json:"publisher"`
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
			Publisher string `json:"publisher"`
		} `json:"validators"`
	}
	if json.Unmarshal(data, &file) != nil {
		return ownKeys{}, errNotPlain
	}
	if k.Prover {
		key, err := keystore.ParseKey(file.Prover.Publisher)
		if err != nil || len(file.Validators) > 0 {
			return ownKeys{}, errNotPlain
		}
		return ownKeys{publisher: key}, nil
	}
	var own ownKeys
	if own.attesters, err = keystore.Keys(data); err != nil {
		return ownKeys{}, err
	}
	for i, v := range file.Validators {
		key, err := keystore.ParseKey(v.Publisher)
		if err != nil || i >= len(own.attesters) {
			return ownKeys{}, errNotPlain
		}
		if !key.Equal(own.attesters[i]) {
			own.publisher = key
		}
	}
	return own, nil
}

// made returns the keystore that config makes of keys for an instance.
func made(own ownKeys, inst profiles.Instance) ([]byte, error) {
	if len(own.attesters) > 0 {
		return keystore.New(own.attesters, keystore.Options{Publisher: own.publisher, Coinbase: inst.Coinbase, FeeRecipient: inst.FeeRecipient})
	}
	file := proverFile{SchemaVersion: 1}
	file.Prover.ID, file.Prover.Publisher = inst.Prover.ID, own.publisher.Reveal()
	if file.Prover.ID == "" {
		file.Prover.ID = own.publisher.Address().String()
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
	if len(o.attesters) > 0 {
		return o.attesters[0]
	}
	return o.publisher
}
