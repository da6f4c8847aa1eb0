package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/profiles/envfile"
	"github.com/aztec-spartan/aztec-spartan/profiles/keystore"
	"github.com/aztec-spartan/aztec-spartan/units/atomicfile"
	"github.com/aztec-spartan/aztec-spartan/units/credential"
)

// Files of secrets in the directory of an instance.
const (
	keystoreFile  = "keystore.json"
	sealedSuffix  = ".cred" // of a file that is encrypted for this host
	secretEnvFile = "secrets.env"
	adminKeyFile  = "admin-api-key"
)

// secrets are what an instance has that nobody but root may read. They are
// files of their own beside instance.toml and never part of a generation.
type secrets struct {
	keystore []byte // keystore.json; nil: none
	admin    adminKey
	p2pKey   string // of the node among its peers, hex; "": the node makes its own

	seal   credential.Key // what the keystore is to be encrypted with; "": it is kept plain
	sealed credential.Key // what it is encrypted with on disk
	there  bool           // it is on disk
	both   bool           // in both forms; see settleKeystore

	old    []byte // the keystore on disk, if keystore differs from it
	rekey  bool   // keystore is not on disk yet
	newP2P bool   // p2pKey is not on disk yet
}

// changed reports whether a node that runs has other secrets than its next
// start would give it.
func (s secrets) changed() bool { return s.rekey || s.admin.fresh || s.newP2P }

// reform reports whether the keystore is to take another form on disk.
func (s secrets) reform() bool { return s.keystore != nil && s.seal != s.sealed }

// moving reports whether units may name another file than they should.
func (s secrets) moving() bool {
	return s.both || s.there && s.keystore != nil && (s.seal == "") != (s.sealed == "")
}

// loadSecrets reads the secrets of an instance, all that a generation needs.
func (a *app) loadSecrets(ctx context.Context, name string) (secrets, error) {
	s, err := a.loadKeys(ctx, name)
	if err != nil {
		return s, err
	}
	return s, a.loadAdminKey(ctx, name, &s)
}

// loadKeys reads the keys of an instance: what it signs with, and who it is to
// its peers. One without a keystore will have it encrypted, where that can be
// done.
func (a *app) loadKeys(ctx context.Context, name string) (s secrets, err error) {
	if err := a.loadKeystore(ctx, name, &s); err != nil {
		return s, err
	}
	return s, a.loadP2PKey(name, &s)
}

// errOwnKeystore protects what this program did not write: several validators,
// remote signers, publishers.
var errOwnKeystore = errors.New("its keystore was not made by config, which would lose what is in it")

// ours returns the keys of the keystore if config made it, with the settings
// of old.
func (s secrets) ours(old *profiles.Instance) (keystore.Plain, error) {
	own, err := keystore.ParsePlain(s.keystore)
	if err != nil || old == nil {
		return own, errOwnKeystore
	}
	if data, err := made(own, *old); err != nil || !bytes.Equal(data, s.keystore) {
		return own, errOwnKeystore
	}
	return own, nil
}

// mainAddress is that of the key by which an instance is known, if config made
// its keystore; else "".
func (s secrets) mainAddress(old *profiles.Instance) string {
	if s.keystore == nil {
		return ""
	}
	own, err := s.ours(old)
	if err != nil || len(own.Attesters) > 1 {
		return ""
	}
	return own.Main().Address().String()
}

// setKeys makes what is given the keys of the instance, beside those that it
// has and that are not given, and returns the main address before and after.
func (s *secrets) setKeys(given keystore.Plain, old *profiles.Instance, inst profiles.Instance) (was, now string, err error) {
	own := given
	if data, err := made(given, inst); err == nil && bytes.Equal(data, s.keystore) {
		main := given.Main().Address().String() // the same again, as after remove
		return main, main, nil
	}
	if s.keystore != nil {
		had, err := s.ours(old)
		if err != nil {
			return "", "", err
		}
		was = had.Main().Address().String()
		if len(own.Attesters) == 0 {
			own.Attesters = had.Attesters
		}
		if len(own.Publishers) == 0 {
			own.Publishers = had.Publishers
		}
	}
	data, err := made(own, inst)
	if err == nil {
		s.replace(data)
	}
	return was, own.Main().Address().String(), err
}

// made returns the keystore that config makes of keys for an instance.
func made(own keystore.Plain, inst profiles.Instance) ([]byte, error) {
	if len(own.Attesters) > 0 {
		return keystore.New(own.Attesters, keystore.Options{Publishers: own.Publishers, Coinbase: inst.Coinbase, FeeRecipient: inst.FeeRecipient})
	}
	return keystore.NewProver(own.Publishers, inst.Prover.ID)
}

// setRecipients rewrites the keystore after its coinbase or fee recipient, or
// who earns for proofs, was changed.
func (s *secrets) setRecipients(old *profiles.Instance, inst profiles.Instance) error {
	own, err := s.ours(old)
	if err != nil {
		return err
	}
	data, err := made(own, inst)
	if err == nil {
		s.replace(data)
	}
	return err
}

// replace may be called several times before one is written: what is kept is
// the one on disk.
func (s *secrets) replace(data []byte) {
	if bytes.Equal(data, s.keystore) {
		return
	}
	if !s.rekey {
		s.old = s.keystore
	}
	s.keystore, s.rekey = data, true
}

// addresses are the attesters' of the keystore, as far as they are known.
func (s secrets) addresses() ([]keystore.Address, error) {
	if s.keystore == nil {
		return nil, nil
	}
	k, err := keystore.Parse(s.keystore)
	return k.Addresses(), err
}

// env is the environment file of secrets for versions that know no keystore.
func (s secrets) env(names []string) ([]byte, error) {
	var own keystore.Plain
	if s.keystore != nil {
		var err error
		if own, err = keystore.ParsePlain(s.keystore); err != nil {
			return nil, fmt.Errorf("reading the keystore: %w", err)
		}
		if len(own.Attesters) > 1 {
			return nil, errors.New("reading the keystore: versions before 2.0 attest with one key, and it has several")
		}
		if len(own.Publishers) > 1 {
			return nil, errors.New("reading the keystore: versions before 2.0 publish with one key, and it has several")
		}
	}
	var vars []envfile.Var
	for _, name := range names {
		value := ""
		switch {
		case name == p2pKeyVariable:
			value = s.p2pKey
		case len(own.Publishers) > 0 && name != "VALIDATOR_PRIVATE_KEY":
			value = own.Publishers[0].Reveal()
		case s.keystore != nil:
			value = own.Main().Reveal()
		}
		if value != "" { // an empty assignment is not the same as none to the node
			vars = append(vars, envfile.Var{Name: name, Value: value})
		}
	}
	return envfile.Encode(vars, "Secrets. Generated by aztec-spartan from the keystore.")
}

// saveSecrets writes those that changed, readable by root only. env is the
// environment file of versions before keystores, nil if the version in place
// is not one of them.
func (a *app) saveSecrets(ctx context.Context, name string, s secrets, env []byte) error {
	if s.rekey && env == nil {
		if err := a.renewSecretEnv(name, s); err != nil {
			return err
		}
	}
	if env != nil {
		if err := a.writeSecret(name, secretEnvFile, env); err != nil {
			return err
		}
	}
	if err := a.saveAdminKey(ctx, name, s); err != nil {
		return err
	}
	if s.newP2P {
		if err := a.writeSecret(name, p2pKeyFile, []byte(s.p2pKey)); err != nil {
			return err
		}
	}
	if err := a.saveKeystore(ctx, name, s); err != nil {
		return err
	}
	return a.settleKeystore(ctx, name, s)
}

func (a *app) writeSecret(name, file string, data []byte) error {
	return a.onDisk().Write(a.path(instancePath(name, file)), data, 0o600)
}

// renewSecretEnv keeps an environment file, which an older generation reads,
// from bringing a key back that was replaced: at worst there is none, and the
// node of that generation does not start.
func (a *app) renewSecretEnv(name string, s secrets) error {
	path := a.path(instancePath(name, secretEnvFile))
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the secrets of %s: %w", name, err)
	}
	file, err := envfile.Parse(data)
	if err != nil {
		return atomicfile.Remove(path)
	}
	var names []string
	for _, v := range file.Vars {
		names = append(names, v.Name)
	}
	env, err := s.env(names)
	if err != nil {
		a.note("warning: versions before 2.0 cannot use this keystore: going back to one needs a plain private key")
		return atomicfile.Remove(path)
	}
	return a.writeSecret(name, secretEnvFile, env)
}
