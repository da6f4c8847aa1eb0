package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/profiles/keystore"
)

// changeKeys brings the keystore in line with the flags and the settings.
func (a *app) changeKeys(ctx context.Context, catalog profiles.Catalog, p *configPlan, f configFlags) error {
	role, err := catalog.Role(p.inst.Role)
	if err != nil {
		return usage(err)
	}
	name, sec := p.inst.Name, &p.sec
	fail := func(err error) error { return usage(fmt.Errorf("configuring %s: %w", name, err)) }
	if f.changed("p2p-id-private-key") && !role.P2P() {
		return fail(fmt.Errorf("--p2p-id-private-key: a %s has no peers", role.Name))
	}
	if err := a.givenP2PKey(sec, f); err != nil {
		return err
	}
	if !role.Keys {
		if f.keys() > 0 || f.publisher() {
			return withHint(fail(fmt.Errorf("a %s signs nothing and needs no key", role.Name)), "leave out --key-file")
		}
		return a.sealAdminKey(ctx, role, p, f)
	}
	given, any, err := a.givenKeys(role, f)
	if err != nil {
		return err
	}
	old := p.old
	if f.from != "" { // its keystore was made with the settings of that one
		source, err := a.loadInstance(f.from)
		if err != nil {
			return err
		}
		old = &source
	}
	switch {
	case any && sec.keystore == nil && !role.Prover && len(given.Attesters) == 0:
		return withHint(fail(errors.New("its key is missing")), "--publisher-key-file is beside --key-file, which has the attester's")
	case any:
		was, now, err := sec.setKeys(given, old, p.inst)
		if err != nil {
			if p.old == nil { // keys knows only instances that are there
				return withHint(fail(err), "first without a key, and then: aztec-spartan keys %s add --keystore FILE --replace", name)
			}
			return withHint(fail(err), "aztec-spartan keys %s add adds to it, and --keystore FILE --replace changes it", name)
		}
		if p.old != nil && was != "" && was != now {
			a.note("key: %s -> %s; the old one is kept beside the new one", was, now)
		}
	case sec.keystore == nil:
		return withHint(fail(errors.New("its key is missing")), "--key-file FILE, or --key-file - for standard input")
	case old != nil && (old.Coinbase != p.inst.Coinbase || old.FeeRecipient != p.inst.FeeRecipient || role.Prover && old.Prover.ID != p.inst.Prover.ID):
		if err := sec.setRecipients(old, p.inst); err != nil {
			if p.old == nil {
				return withHint(fail(err), "first without --coinbase, --fee-recipient and --prover-id, and then, with a copy that has others: aztec-spartan keys %s add --keystore FILE --replace", name)
			}
			return withHint(fail(err), "change your own copy, then: aztec-spartan keys %s add --keystore FILE --replace", name)
		}
	}
	if p.old == nil {
		addresses, err := sec.addresses()
		if err != nil {
			return fail(err)
		}
		for _, address := range addresses {
			a.note("attester: %s", address)
		}
	}
	if f.changed("encrypt-keys") {
		if err := a.sealAs(ctx, sec, f.encryptKeys); err != nil {
			return fmt.Errorf("configuring %s: %w", name, err)
		}
	}
	return nil
}

// givenKeys are the keys that the flags give. A prover has one, its
// publisher's, by either flag.
func (a *app) givenKeys(role profiles.Role, f configFlags) (given keystore.Plain, any bool, err error) {
	key, main, err := a.givenKey(f)
	if err != nil {
		return given, false, err
	}
	var publisher keystore.Key
	if f.publisher() {
		if f.publisherKeyFile == "-" && f.keyFile == "-" {
			return given, false, usage(errors.New("--key-file and --publisher-key-file cannot both be standard input"))
		}
		if publisher, _, err = a.givenKey(configFlags{keyFile: f.publisherKeyFile, keyEnv: f.publisherKeyEnv}); err != nil {
			return given, false, err
		}
	}
	switch {
	case role.Prover && main && !publisher.IsZero():
		return given, false, usage(errors.New("a prover has one key: --key-file and --publisher-key-file exclude each other"))
	case role.Prover && main:
		publisher = key
	case main:
		given.Attesters = []keystore.Key{key}
	}
	if !publisher.IsZero() {
		given.Publishers = []keystore.Key{publisher}
	}
	return given, main || !publisher.IsZero(), nil
}
