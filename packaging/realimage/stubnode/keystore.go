package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// keyFile is the keystore of @aztec/node-keystore 4.1.2 (schemas.ts), where
// unknown keys are errors. What a key may look like (private key, remote
// signer, encrypted file, mnemonic) is not looked into.
type keyFile struct {
	SchemaVersion  int `json:"schemaVersion"`
	Validators     []validator
	Slasher        json.RawMessage
	RemoteSigner   json.RawMessage
	Prover         json.RawMessage
	FundingAccount json.RawMessage
	// The next three are of schema version 2.
	Publisher    json.RawMessage
	Coinbase     string
	FeeRecipient string
}

type validator struct {
	Attester       json.RawMessage
	Coinbase       string
	Publisher      json.RawMessage
	FeeRecipient   string
	RemoteSigner   json.RawMessage
	FundingAccount json.RawMessage
}

// keystore checks the keys of a sequencer: KEY_STORE_DIRECTORY may be a file, a
// directory of .json files, or several of them with commas between.
func (c *cli) keystore() error {
	paths, _ := c.env("KEY_STORE_DIRECTORY")
	if paths == "" {
		if c.hasKeyVariable() {
			return nil
		}
		return fatal("Failed to create key store, a requirement for running a validator")
	}
	for path := range strings.SplitSeq(paths, ",") {
		files, err := keyFiles(strings.TrimSpace(path))
		if err != nil {
			return err
		}
		for _, file := range files {
			if err := checkKeyFile(file); err != nil {
				return fatal(fmt.Sprintf("Failed to load keystore from %s: %v", file, err))
			}
		}
	}
	return nil
}

func keyFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fatal(fmt.Sprintf("Failed to load keystore from %s: File or directory not found", path))
	}
	if err != nil {
		return nil, fatal(fmt.Sprintf("Failed to load keystore from %s: Failed to access path: %v", path, err))
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	files, err := filepath.Glob(filepath.Join(path, "*.json"))
	if err != nil || len(files) == 0 {
		return nil, fatal(fmt.Sprintf("Failed to load keystore from %s: No valid keystore files found", path))
	}
	return files, nil
}

func checkKeyFile(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return fatal(fmt.Sprintf("Unexpected error: %v", err))
	}
	if !json.Valid(b) {
		return fatal("Invalid JSON format")
	}
	var k keyFile
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	err = d.Decode(&k)
	switch {
	case err != nil:
	case k.SchemaVersion != 1 && k.SchemaVersion != 2:
		err = errors.New("schemaVersion must be 1 or 2")
	case k.SchemaVersion == 1 && (k.Publisher != nil || k.Coinbase != "" || k.FeeRecipient != ""):
		err = errors.New("unrecognized key(s) in object (root)")
	case k.Validators == nil && k.Prover == nil:
		err = fatal("Keystore must have at least validators or prover configuration (root)")
	default:
		for _, v := range k.Validators {
			if v.Attester == nil || v.FeeRecipient == "" && k.FeeRecipient == "" {
				err = fatal("Required (validators)")
			}
		}
	}
	if err != nil {
		return fatal(fmt.Sprintf("Schema validation failed: %v", err))
	}
	return nil
}
