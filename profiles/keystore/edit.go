package keystore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Errors of Remove.
var (
	ErrNoAttester   = errors.New("it has no such attester")
	ErrLastAttester = errors.New("it would be left without any attester, and a node does not start without")
)

// Remote returns a keystore with one attester that a remote signer signs for.
// Of o the keys are not used.
func Remote(address Address, url string, o Options) ([]byte, error) {
	if o.FeeRecipient == "" {
		o.FeeRecipient = nobody
	}
	v := object{fields: map[string]json.RawMessage{}}
	signer := object{fields: map[string]json.RawMessage{}}
	signer.set("address", quoted(address.String()))
	signer.set("remoteSignerUrl", quoted(url))
	v.set("attester", signer.encode())
	if o.Coinbase != "" {
		v.set("coinbase", quoted(o.Coinbase))
	}
	v.set("feeRecipient", quoted(o.FeeRecipient))
	root := object{fields: map[string]json.RawMessage{}}
	root.set("schemaVersion", json.RawMessage(fmt.Sprint(schemaWritten)))
	root.set("validators", list([]object{v}))
	return checked(root, "making a keystore")
}

// anySigner stands for a remote signer that is named elsewhere in the file.
const anySigner = "any"

// shared are fields of the file that hold for validators which do not have
// them.
var shared = []string{"publisher", "coinbase", "feeRecipient", "remoteSigner", "fundingAccount"}

// Merge returns data with the validators of more, and with its prover and
// slasher if data has none. What more says for all of its validators is
// written to each of them; for what neither says, data's own values hold. An
// attester that is in both, and two provers, are errors.
func Merge(data, more []byte) ([]byte, error) {
	into, err := rootOf(data)
	if err != nil {
		return nil, err
	}
	from, err := rootOf(more)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"prover", "slasher"} {
		switch {
		case from.has(name) && into.has(name):
			return nil, fmt.Errorf("merging keystores: %s: is in both", name)
		case from.has(name):
			into.set(name, from.get(name))
		}
	}
	all, err := validatorsOf(into)
	if err != nil {
		return nil, fmt.Errorf("merging keystores: %w", err)
	}
	added, err := validatorsOf(from)
	if err != nil {
		return nil, fmt.Errorf("merging keystores: %w", err)
	}
	for _, v := range added {
		for _, name := range shared {
			if from.has(name) && !v.has(name) {
				v.set(name, from.get(name))
			}
		}
		all = append(all, v)
	}
	if len(all) > 0 {
		into.set("validators", list(all))
	}
	return checked(into, "merging keystores")
}

// Remove returns data without an attester. A validator that has no other goes
// with it.
func Remove(data []byte, attester Address) ([]byte, error) {
	root, err := rootOf(data)
	if err != nil {
		return nil, err
	}
	validators, err := validatorsOf(root)
	if err != nil {
		return nil, fmt.Errorf("removing from a keystore: %w", err)
	}
	var left []object
	removed := false
	for _, v := range validators {
		rest, found := without(v.get("attester"), attester)
		removed = removed || found
		if rest == nil {
			continue
		}
		v.set("attester", rest)
		left = append(left, v)
	}
	switch {
	case !removed:
		return nil, fmt.Errorf("removing %s from a keystore: %w", attester, ErrNoAttester)
	case len(left) == 0 && !root.has("prover"):
		return nil, fmt.Errorf("removing %s from a keystore: %w", attester, ErrLastAttester)
	}
	root.set("validators", list(left))
	return checked(root, "removing from a keystore")
}

// without returns the attesters of a validator but one; nil: none is left.
func without(raw json.RawMessage, attester Address) (rest json.RawMessage, found bool) {
	var many, left []json.RawMessage
	if json.Unmarshal(raw, &many) != nil {
		many = []json.RawMessage{raw}
	}
	for _, raw := range many {
		var accounts []account
		// Whether something signs for an address is not the question here.
		if attesters(anySigner, &accounts)("", raw) == nil && len(accounts) == 1 && accounts[0].known && accounts[0].address == attester {
			found = true
			continue
		}
		left = append(left, raw)
	}
	switch {
	case !found:
		return raw, false
	case len(left) == 0:
		return nil, true
	}
	return array(left), true
}

// validatorsOf returns the validators of a keystore that Parse accepts.
func validatorsOf(root object) ([]object, error) {
	if !root.has("validators") {
		return nil, nil
	}
	var raws []json.RawMessage
	if err := json.Unmarshal(root.get("validators"), &raws); err != nil {
		return nil, errors.New("validators: is not a list")
	}
	var all []object
	for i, raw := range raws {
		v, err := objectAt(fmt.Sprintf("validators[%d]", i), raw)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

func list(objects []object) json.RawMessage {
	var raws []json.RawMessage
	for _, o := range objects {
		raws = append(raws, o.encode())
	}
	return array(raws)
}

func array(items []json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	b.WriteByte('[')
	for i, item := range items {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(item)
	}
	b.WriteByte(']')
	return b.Bytes()
}

func rootOf(data []byte) (object, error) {
	if _, err := Parse(data); err != nil {
		return object{}, err
	}
	return objectAt(rootPath, data)
}

// checked encodes a keystore that was changed, as it will have to pass.
func checked(root object, doing string) ([]byte, error) {
	var b bytes.Buffer
	if err := json.Indent(&b, root.encode(), "", "  "); err != nil {
		return nil, fmt.Errorf("%s: encoding JSON", doing) // the cause may hold a key
	}
	b.WriteByte('\n')
	if _, err := parse(b.Bytes()); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return b.Bytes(), nil
}
