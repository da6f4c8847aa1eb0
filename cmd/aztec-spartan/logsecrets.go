package main

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/aztec-spartan/aztec-spartan/profiles/keystore"
	"github.com/aztec-spartan/aztec-spartan/profiles/redact"
)

// journalSecrets are the known secrets of instances, for taking them out of
// what their nodes wrote. By form alone they cannot be found there: 64 digits
// in a journal are mostly hashes, that people look for. A secret that cannot be
// read is said, and the journal is shown: it is needed most where something is
// broken.
func (a *app) journalSecrets(ctx context.Context, names []string) redact.Words {
	var words []string
	for _, name := range names {
		found, errs := a.instanceSecrets(ctx, name)
		if len(errs) > 0 {
			a.note("warning: what is secret of %s cannot be read, and would be shown if the node wrote it: %v", name, errs[0])
		}
		words = append(words, found...)
	}
	return redact.NewWords(words)
}

// instanceSecrets returns what could be read, and why the rest could not.
func (a *app) instanceSecrets(ctx context.Context, name string) (words []string, errs []error) {
	var s secrets
	errs = append(errs, a.loadKeystore(ctx, name, &s), a.loadP2PKey(name, &s))
	// What it had before, its journal may still hold.
	kept, lost := a.keptKeystores(ctx, name)
	errs = append(errs, lost...)
	for _, data := range append(kept, s.keystore) {
		for _, secret := range keystore.Secrets(data) {
			words = append(words, secretWords(secret, true)...)
		}
	}
	own, err := a.ownP2PKeys(name)
	errs = append(errs, err)
	for _, key := range append(own, s.p2pKey) {
		words = append(words, secretWords(key, true)...)
		words = append(words, secretWords(strings.TrimPrefix(key, secp256k1Key), true)...)
	}
	admin, err := a.readAdminKey(ctx, name)
	errs = append(errs, err)
	words = append(words, secretWords(admin.text, true)...)

	inst, err := a.loadInstance(name)
	errs = append(errs, err)
	for _, list := range [][]string{inst.L1.RPC, inst.L1.Consensus, inst.Prover.Nodes, {inst.Prover.Broker, inst.Bootnode}} {
		for _, u := range list {
			words = append(words, secretWords(u, false)...)
		}
	}
	catalog, err := a.catalog()
	errs = append(errs, err)
	for _, name := range slices.Sorted(maps.Keys(inst.Env)) {
		words = append(words, secretWords(inst.Env[name], catalog.Secret(name))...)
	}
	local, err := a.localEnv(name)
	errs = append(errs, err)
	for _, v := range local {
		words = append(words, secretWords(v.Value, catalog.Secret(v.Name))...)
	}
	return words, slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}

// shortestSecret keeps a password of a few letters from spoiling every line.
const shortestSecret = 6

// secretWords are the forms in which a value could be in a line: a list part by
// part, a key in either case. If it is no secret itself, what in its URLs is.
func secretWords(value string, secret bool) []string {
	var words []string
	for _, part := range append(strings.Split(value, ","), value) {
		part = strings.TrimSpace(part)
		words = append(words, redact.URLWords(part)...)
		if secret && !strings.Contains(part, "://") && len(part) >= shortestSecret {
			bare := strings.TrimPrefix(part, "0x")
			words = append(words, part, strings.ToLower(bare), strings.ToUpper(bare))
		}
	}
	return words
}
