package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/aztec-spartan/aztec-spartan/units/atomicfile"
	"github.com/aztec-spartan/aztec-spartan/units/credential"
)

// How the keystore lies on the disk. It is keystore.json, plain, or
// keystore.json.cred, encrypted for this host. Which of the two is a matter of
// the instance, and the same for all its generations: a rollback changes the
// version, and must find the keys of today, never older ones, since an attester
// that was removed may sign elsewhere by now.
//
// The form changes in an order that a crash may interrupt anywhere:
//
//  1. the new form is written beside the old one (saveKeystore), after the old
//     one if the keys change too;
//  2. the units of all generations, and the one in place, are made to name the
//     new form: one line of each (settleKeystore);
//  3. the old form is removed.
//
// Until 3 both forms are there, are written together, and every unit finds its
// keys. loadKeystore takes such an instance for an encrypted one, and the next
// config or keys does the rest. So the encrypted form is written first, and a
// form that has other keys than the one that stays is kept, not removed.

// sealer encrypts for one host, as credential.Tool does: what it has encrypted
// for a name it decrypts for that name alone.
type sealer interface {
	Encrypt(ctx context.Context, name string, key credential.Key, secret []byte) ([]byte, error)
	Decrypt(ctx context.Context, name string, encrypted []byte) ([]byte, error)
	Available(systemd int) error
}

// disk changes files so that each call happens whole or not at all, as
// atomicfile does.
type disk interface {
	Write(path string, data []byte, mode fs.FileMode) error
	Remove(path string) error
}

// wholeFiles is the disk of this machine.
type wholeFiles struct{}

func (wholeFiles) Write(path string, data []byte, mode fs.FileMode) error {
	return atomicfile.Write(path, data, mode)
}
func (wholeFiles) Remove(path string) error { return atomicfile.Remove(path) }

// onDisk is where keystores and units are changed.
func (a *app) onDisk() disk {
	if a.disk != nil {
		return a.disk
	}
	return wholeFiles{}
}

func keystoreName(sealed credential.Key) string {
	if sealed == "" {
		return keystoreFile
	}
	return keystoreFile + sealedSuffix
}

// sealedError says that a file is encrypted and cannot be read here.
type sealedError struct{ err error }

func (e *sealedError) Error() string { return e.err.Error() }
func (e *sealedError) Unwrap() error { return e.err }

// decrypt reads a file that was encrypted for this host under a name. The error
// is a *sealedError.
func (a *app) decrypt(ctx context.Context, name string, data []byte) (secret []byte, key credential.Key, err error) {
	if !a.seals() {
		return nil, "", withCode(exitUnsupported, &sealedError{errNotHere})
	}
	if key, err = credential.KeyOf(data); err == nil {
		secret, err = a.creds().Decrypt(ctx, name, data)
	}
	if err != nil {
		return nil, key, &sealedError{err}
	}
	return secret, key, nil
}

var errNotHere = errors.New("it is encrypted for the host that runs it, and --root is not the running host")

// creds encrypts for this host.
func (a *app) creds() sealer {
	if a.sealer != nil {
		return a.sealer
	}
	return credential.Tool{}
}

// seals reports whether there is a host to encrypt for. A tree under --root is
// for another one, maybe.
func (a *app) seals() bool { return a.live() || a.sealer != nil }

// canSeal reports whether keystores can be encrypted here.
func (a *app) canSeal(ctx context.Context) error {
	if !a.seals() {
		return fmt.Errorf("%w: --root is not the running host", credential.ErrUnsupported)
	}
	v, err := a.systemdVersion(ctx)
	if err != nil {
		return err
	}
	return a.creds().Available(v)
}

func (a *app) loadKeystore(ctx context.Context, name string, s *secrets) error {
	plain, err := os.ReadFile(a.path(instancePath(name, keystoreFile)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading the keystore of %s: %w", name, err)
	}
	s.keystore, s.there = plain, plain != nil
	sealed, err := os.ReadFile(a.path(instancePath(name, keystoreFile+sealedSuffix)))
	switch {
	case err == nil:
		s.both, s.there = plain != nil, true
		return a.unseal(ctx, name, sealed, s)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("reading the keystore of %s: %w", name, err)
	case plain == nil && a.canSeal(ctx) == nil:
		s.seal = credential.Host
	}
	return nil
}

func (a *app) unseal(ctx context.Context, name string, data []byte, s *secrets) error {
	keys, key, err := a.decrypt(ctx, keystoreFile, data)
	if s.sealed = key; err == nil {
		s.keystore, s.seal = keys, key
		return nil
	}
	err = fmt.Errorf("reading the keystore of %s: %w", name, err)
	if errors.Is(err, errNotHere) {
		return err
	}
	lost := instancePath(name, keystoreFile+sealedSuffix)
	if admin := instancePath(name, adminKeyFile+sealedSuffix); exists(a.path(admin)) {
		lost += " " + admin
	}
	return withHint(err, "if this host lost the key it was encrypted with: rm %s, then config or keys add with your own copy", lost)
}

// sealAs sets the form that a flag asks for: a key of systemd-creds(1), or no.
func (a *app) sealAs(ctx context.Context, s *secrets, form string) error {
	if form == "no" {
		s.seal = ""
		return nil
	}
	key, err := credential.ParseKey(form)
	if err != nil {
		return usage(fmt.Errorf("--encrypt-keys: %w, nor no", err))
	}
	if err := a.canSeal(ctx); err != nil {
		err = fmt.Errorf("--encrypt-keys: %w", err)
		if errors.Is(err, credential.ErrUnsupported) {
			return withHint(withCode(exitUnsupported, err), "without it the keystore is a file that only root can read")
		}
		return err
	}
	if key != credential.Host {
		// Whether there is a TPM that systemd can use, it alone knows; and before anything is written.
		if _, err := a.creds().Encrypt(ctx, keystoreFile, key, []byte("trial")); err != nil {
			return withHint(withCode(exitUnsupported, fmt.Errorf("--encrypt-keys=%s: this host's TPM cannot be used: %w", key, err)),
				"it takes a TPM 2.0 (systemd-creds has-tpm2) and its library (tpm2-tools brings it); --encrypt-keys=host uses a key on the disk")
		}
	}
	s.seal = key
	return nil
}

// writeKeystore writes a keystore in one of its forms. All copies are made
// under one name, so that a renamed one can be used.
func (a *app) writeKeystore(ctx context.Context, name, file string, key credential.Key, data []byte) error {
	if key != "" {
		var err error
		if data, err = a.creds().Encrypt(ctx, keystoreFile, key, data); err != nil {
			return withHint(fmt.Errorf("writing the keystore of %s: %w", name, err), "--encrypt-keys=no keeps it as a file that only root can read")
		}
		file += sealedSuffix
	}
	return a.writeSecret(name, file, data)
}

// saveKeystore writes the keystore if it or its form changed. One that is
// replaced is kept: it may be the only copy of its keys.
func (a *app) saveKeystore(ctx context.Context, name string, s secrets) error {
	if !s.rekey && !s.reform() {
		return nil
	}
	if s.rekey && s.old != nil {
		file, err := a.freeName(name, keystoreFile+".old")
		if err != nil {
			return err
		}
		if err := a.writeKeystore(ctx, name, file, s.seal, s.old); err != nil {
			return err
		}
	}
	if s.both {
		if err := a.keepOther(ctx, name, keystoreFile, s); err != nil {
			return err
		}
	}
	forms := []credential.Key{s.seal}
	switch { // the other form too, as long as a unit may name it
	case !s.rekey || !s.moving():
	case s.seal != "":
		// What is encrypted is what is read where both are there: before it, a
		// new plain form would be older than what it stands for.
		forms = append(forms, "")
		if !s.both {
			slices.Reverse(forms) // only the plain one is there yet
		}
	default:
		forms = []credential.Key{s.sealed, ""}
	}
	before, err := os.Stat(a.path(instancePath(name, keystoreName(s.sealed))))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading the keystore of %s: %w", name, err)
	}
	for _, form := range forms {
		if err := a.writeKeystore(ctx, name, keystoreFile, form, s.keystore); err != nil {
			return err
		}
		if before == nil || s.rekey {
			continue
		}
		if err := asOldAs(before, a.path(instancePath(name, keystoreName(form)))); err != nil {
			return fmt.Errorf("writing the keystore of %s: %w", name, err)
		}
	}
	if s.seal != "" && s.seal != s.sealed {
		lost := "once it is set up anew"
		if s.seal != credential.Host {
			lost += " or its TPM is reset"
		}
		a.note("the keystore of %s is encrypted for this host (%s key): no other host can read it, nor this one %s; keep your own copy of the key file; aztec-spartan export %s FILE makes one of all that the instance has",
			name, s.seal, lost, name)
	}
	return nil
}

// freeName is a name in the directory of an instance that no copy has: base,
// base.2 and so on.
func (a *app) freeName(name, base string) (string, error) {
	for n := 1; ; n++ {
		file := base
		if n > 1 {
			file = fmt.Sprintf("%s.%d", base, n)
		}
		taken := false
		for _, suffix := range []string{"", sealedSuffix} {
			_, err := os.Lstat(a.path(instancePath(name, file+suffix)))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return "", fmt.Errorf("keeping the keystore of %s: %w", name, err)
			}
			taken = taken || err == nil
		}
		if !taken {
			return file, nil
		}
	}
}

// keptKeystores are the copies of keystores that were replaced, as far as they
// can be read, and why the others cannot.
func (a *app) keptKeystores(ctx context.Context, name string) (kept [][]byte, errs []error) {
	copies, err := filepath.Glob(a.path(instancePath(name, keystoreFile+".old*")))
	if err != nil {
		errs = append(errs, err)
	}
	for _, path := range copies {
		data, ferr := os.ReadFile(path)
		if ferr == nil && filepath.Ext(path) == sealedSuffix {
			data, _, ferr = a.decrypt(ctx, keystoreFile, data)
		}
		if ferr == nil {
			kept = append(kept, data)
		} else {
			errs = append(errs, fmt.Errorf("reading %s of %s: %w", filepath.Base(path), name, ferr))
		}
	}
	return kept, errs
}
