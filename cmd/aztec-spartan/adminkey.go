package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/credential"
)

// How the key of a node's admin API lies on the disk: admin-api-key, plain, or
// admin-api-key.cred, encrypted for this host. It has the form that the keystore
// has, and, where there is none, the encrypted one wherever that can be made.
//
// The key is made here and the node is given only its hash, so no unit names
// either file, and the form changes in two steps: the new one is written, the
// other one is removed. Where both are there the plain one holds: a change to the
// encrypted form removes it last, and a program from before that form wrote it.
//
// It needs no copy. Who removes one that cannot be decrypted has config make
// another one, which the node knows from its next start on.

// adminKey is that key, and how it lies.
type adminKey struct {
	text   string         // hex; "": not known
	want   credential.Key // what to encrypt it with where there is no keystore
	sealed credential.Key // what it is encrypted with on disk; "": it is plain
	both   bool           // it is there in both forms
	fresh  bool           // it is not on disk yet
}

// hash is what the node is given; "" for a key that is not known.
func (k adminKey) hash() string {
	if k.text == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(k.text))
	return hex.EncodeToString(sum[:])
}

// adminForm is how the key of the admin API is to lie on the disk.
func (s secrets) adminForm() credential.Key {
	if s.keystore != nil {
		return s.seal
	}
	return s.admin.want
}

// movesAdmin reports whether that key is to be written: it is new, or lies in
// another form than it is to.
func (s secrets) movesAdmin() bool {
	return s.admin.text != "" && (s.admin.fresh || s.admin.both || s.admin.sealed != s.adminForm())
}

func adminKeyName(sealed credential.Key) string {
	if sealed == "" {
		return adminKeyFile
	}
	return adminKeyFile + sealedSuffix
}

// loadAdminKey reads the key of the admin API. An instance without one gets a
// new one, so that its node never makes one itself and prints it.
func (a *app) loadAdminKey(ctx context.Context, name string, s *secrets) error {
	var err error
	if s.admin, err = a.readAdminKey(ctx, name); err != nil {
		return err
	}
	if s.admin.text == "" {
		s.admin = adminKey{text: randomHex(32), fresh: true}
	}
	s.admin.want = s.admin.sealed
	if s.admin.sealed == "" && s.keystore == nil && a.canSeal(ctx) == nil {
		s.admin.want = credential.Host
	}
	return nil
}

// readAdminKey reads the key of the admin API; its text is "" if there is none.
func (a *app) readAdminKey(ctx context.Context, name string) (k adminKey, err error) {
	fail := func(err error) (adminKey, error) {
		return adminKey{}, fmt.Errorf("reading the admin API key of %s: %w", name, err)
	}
	plain, perr := os.ReadFile(a.path(instancePath(name, adminKeyFile)))
	if perr != nil && !errors.Is(perr, fs.ErrNotExist) {
		return fail(perr)
	}
	sealed, err := os.ReadFile(a.path(instancePath(name, adminKeyFile+sealedSuffix)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fail(err)
	}
	switch {
	case perr == nil:
		k.text, k.both = strings.TrimSpace(string(plain)), err == nil
	case err != nil:
		return k, nil
	default:
		var data []byte
		if data, k.sealed, err = a.decrypt(ctx, adminKeyFile, sealed); err != nil {
			_, err := fail(err)
			if errors.Is(err, errNotHere) {
				return k, err
			}
			return k, withHint(err, "if this host lost the key it was encrypted with: rm %s, then aztec-spartan config %s makes another one", instancePath(name, adminKeyFile+sealedSuffix), name)
		}
		k.text = strings.TrimSpace(string(data))
	}
	if k.text == "" {
		_, err := fail(errors.New("it is empty"))
		return k, withHint(err, "rm %s, then aztec-spartan config %s makes another one", instancePath(name, adminKeyName(k.sealed)), name)
	}
	return k, nil
}

// saveAdminKey writes the key of the admin API in the form that it is to have.
// Where it cannot be encrypted it is a file that only root can read, with a
// warning: a node that cannot be configured would be worse.
func (a *app) saveAdminKey(ctx context.Context, name string, s secrets) error {
	if !s.movesAdmin() {
		return nil
	}
	form, data := s.adminForm(), []byte(s.admin.text+"\n")
	if form != "" {
		sealed, err := a.creds().Encrypt(ctx, adminKeyFile, form, data)
		switch {
		case err == nil:
			data = sealed
		case !s.admin.fresh:
			a.note("warning: the admin API key of %s stays as it is on the disk: %v", name, err)
			return nil
		default:
			a.note("warning: the admin API key of %s is a file that only root can read: %v", name, err)
			form = ""
		}
	}
	if err := a.writeSecret(name, adminKeyName(form), data); err != nil {
		return fmt.Errorf("writing the admin API key of %s: %w", name, err)
	}
	if form != "" && !s.admin.fresh && s.admin.sealed != form {
		a.note("the admin API key of %s is encrypted for this host now (%s key); it needs no copy: config makes another one", name, form)
	}
	other := adminKeyFile
	if form == "" {
		other += sealedSuffix
	}
	if !exists(a.path(instancePath(name, other))) {
		return nil
	}
	if err := a.onDisk().Remove(a.path(instancePath(name, other))); err != nil {
		return fmt.Errorf("removing %s of %s: %w", other, name, err)
	}
	return nil
}

// sealAdminKey takes the form that --encrypt-keys asks for where there is no
// keystore.
func (a *app) sealAdminKey(ctx context.Context, role profiles.Role, p *configPlan, f configFlags) error {
	if !f.changed("encrypt-keys") {
		return nil
	}
	fail := func(err error) error { return fmt.Errorf("configuring %s: %w", p.inst.Name, err) }
	if f.encryptKeys == "no" {
		return withHint(usage(fail(fmt.Errorf("--encrypt-keys=no: a %s has no keystore", role.Name))), "leave it out; the key of its admin API is encrypted where that can be done")
	}
	form := secrets{}
	if err := a.sealAs(ctx, &form, f.encryptKeys); err != nil {
		return fail(err)
	}
	p.sec.admin.want = form.seal
	return nil
}
