package keystore

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
)

// maxSize is what systemd takes as credentials of one unit, in bytes
// (systemd.exec(5), LoadCredential=).
const maxSize = 1 << 20

// Keystore is what a keystore file says, without its secrets.
type Keystore struct {
	SchemaVersion int
	Prover        bool // it has a prover's accounts
	attesters     []account
	validators    []validatorAccounts
	publishers    []account // of all validators that name none
	prover        []account // that send its transactions
	slasher       []account
}

// validatorAccounts are the accounts of an entry of validators.
type validatorAccounts struct {
	attesters, publishers  []account
	coinbase, feeRecipient string
}

// Addresses returns the attesters' accounts, in order. Those in files of their
// own or behind a mnemonic are not among them: their addresses take a password
// or a derivation.
func (k Keystore) Addresses() []Address {
	var list []Address
	for _, a := range k.attesters {
		if a.known {
			list = append(list, a.address)
		}
	}
	return list
}

// Publishers returns the accounts that pay for transactions on L1, each once, in
// order, the prover's too; as far as they are known, like Addresses.
func (k Keystore) Publishers() []Address {
	all := slices.Clone(k.prover)
	for _, v := range k.validators {
		all = append(all, k.publishersOf(v)...)
	}
	var list []Address
	for _, p := range all {
		if p.known && !slices.Contains(list, p.address) {
			list = append(list, p.address)
		}
	}
	return list
}

// publishersOf are those of a validator, or the file's; who names none pays
// with its attesters (node-keystore/src/keystore_manager.ts).
func (k Keystore) publishersOf(v validatorAccounts) []account {
	switch {
	case len(v.publishers) > 0:
		return v.publishers
	case len(k.publishers) > 0:
		return k.publishers
	}
	return v.attesters
}

// Parse reads a keystore file of schema version 1 or 2 and checks all that
// makes a node refuse it at its start. It does not look into files that the
// keystore names. No error contains anything of a value.
func Parse(data []byte) (Keystore, error) {
	k, err := parse(data)
	if err != nil {
		return Keystore{}, fmt.Errorf("parsing a keystore: %w", err)
	}
	return k, nil
}

func parse(data []byte) (k Keystore, err error) {
	if len(data) > maxSize {
		return k, fmt.Errorf("larger than %d bytes", maxSize)
	}
	if err := recognized(data); err != nil {
		return k, err
	}
	root, err := objectAt(rootPath, data)
	if err != nil {
		return k, err
	}
	if err := json.Unmarshal(root.get("schemaVersion"), &k.SchemaVersion); err != nil || k.SchemaVersion != 1 && k.SchemaVersion != 2 {
		return k, errors.New("schemaVersion: must be 1 or 2")
	}
	allowed := []string{"schemaVersion", "validators", "slasher", "remoteSigner", "prover", "fundingAccount"}
	if k.SchemaVersion == 2 {
		allowed = append(allowed, "publisher", "coinbase", "feeRecipient")
	}
	if err := root.only(allowed...); err != nil {
		return k, err
	}
	if !root.has("validators") && !root.has("prover") {
		return k, errors.New("neither validators nor prover is there")
	}
	remote := signerOf(root)
	checks := []error{
		root.check("remoteSigner", remoteSigner),
		root.check("slasher", accounts(remote, &k.slasher)),
		root.check("fundingAccount", single(remote, nil)),
		root.check("prover", prover(remote, &k.prover)),
		root.check("publisher", accounts(remote, &k.publishers)),
		root.check("coinbase", ethAddress),
		root.check("feeRecipient", aztecAddress),
	}
	for _, err := range checks {
		if err != nil {
			return k, err
		}
	}
	k.Prover = root.has("prover")
	if !root.has("validators") || k.Prover && string(compact(root.get("validators"))) == "[]" {
		return k, nil
	}
	list, err := arrayAt("validators", root.get("validators"))
	if err != nil {
		return k, err
	}
	for i, raw := range list {
		if err := k.validator(fmt.Sprintf("validators[%d]", i), raw, root); err != nil {
			return k, err
		}
	}
	return k, k.distinct()
}

func (k *Keystore) validator(path string, raw json.RawMessage, root object) error {
	v, err := objectAt(path, raw)
	if err != nil {
		return err
	}
	if err := v.only("attester", "coinbase", "publisher", "feeRecipient", "remoteSigner", "fundingAccount"); err != nil {
		return err
	}
	if !v.has("attester") {
		return fmt.Errorf("%s.attester: is missing", path)
	}
	if !v.has("feeRecipient") && !root.has("feeRecipient") {
		return fmt.Errorf("%s.feeRecipient: is missing", path)
	}
	remote := cmp.Or(signerOf(v), signerOf(root))
	var found validatorAccounts
	checks := []error{
		v.check("remoteSigner", remoteSigner),
		v.check("attester", attesters(remote, &found.attesters)),
		v.check("coinbase", ethAddress),
		v.check("publisher", accounts(remote, &found.publishers)),
		v.check("feeRecipient", aztecAddress),
		v.check("fundingAccount", single(remote, nil)),
	}
	for _, err := range checks {
		if err != nil {
			return err
		}
	}
	found.coinbase, found.feeRecipient = either(v, root, "coinbase"), either(v, root, "feeRecipient")
	k.validators = append(k.validators, found)
	k.attesters = append(k.attesters, found.attesters...)
	return nil
}

// either is a field of a validator, else that of the file (schema version 2).
func either(v, root object, name string) string {
	s, ok := text(v.get(name))
	if !ok {
		s, _ = text(root.get(name))
	}
	return s
}

// distinct refuses an attester that is there twice, as the node does.
func (k *Keystore) distinct() error {
	seen := map[Address]bool{}
	for _, a := range k.attesters {
		if a.known && seen[a.address] {
			return fmt.Errorf("attester %s is there twice", a.address)
		}
		seen[a.address] = a.known
	}
	return nil
}

// showable are the keys of objects that an error may name: others could be a
// secret that slipped to the left of its colon.
var showable = regexp.MustCompile(`^[A-Za-z_]{1,32}$`)
