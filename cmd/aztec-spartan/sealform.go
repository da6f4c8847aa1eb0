package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/credential"
)

// keystoreCredential is the keystore as a unit names it.
func keystoreCredential(name string, sealed credential.Key, variable string) units.Credential {
	return units.Credential{Name: keystoreFile, Source: instancePath(name, keystoreName(sealed)), Variable: variable, Encrypted: sealed != ""}
}

// settleKeystore ends a change of form that saveKeystore began: see above.
func (a *app) settleKeystore(ctx context.Context, name string, s secrets) error {
	if !s.moving() {
		return nil
	}
	from := keystoreCredential(name, credential.Host, "").Directive()
	to := keystoreCredential(name, "", "").Directive()
	if s.seal != "" {
		from, to = to, from
	}
	files, err := filepath.Glob(a.path(filepath.Join(stateDir, name, "*", "unit")))
	if err != nil {
		return err
	}
	for _, f := range files {
		if _, err := a.reword(f, from, to, 0o600); err != nil {
			return fmt.Errorf("changing the form of the keystore of %s: %w", name, err)
		}
	}
	if err := a.rewordActive(ctx, name, from, to); err != nil {
		return fmt.Errorf("changing the form of the keystore of %s: %w", name, err)
	}
	return a.dropForm(ctx, name, s)
}

func (a *app) rewordActive(ctx context.Context, name, from, to string) error {
	found, err := a.unitFiles(name)
	if err != nil {
		return err
	}
	for _, f := range found {
		if _, err := a.reword(f, from, to, 0o644); err != nil {
			return err
		}
	}
	// Also if none changed: what was killed between the two left systemd with
	// a unit in memory that names the form that is removed next.
	if len(found) == 0 {
		return nil
	}
	return a.reload(ctx)
}

// reword replaces one line of a unit file.
func (a *app) reword(path, from, to string, mode fs.FileMode) (bool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	changed := bytes.Replace(text, []byte("\n"+from+"\n"), []byte("\n"+to+"\n"), 1)
	if bytes.Equal(changed, text) {
		return false, nil
	}
	was, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	if err := a.onDisk().Write(path, changed, mode); err != nil {
		return false, err
	}
	return true, asOldAs(was, path)
}

// asOldAs gives a file the time of one that has the same to say, so that nobody
// is told that a running node lacks what is in it.
func asOldAs(was fs.FileInfo, path string) error {
	return os.Chtimes(path, time.Time{}, was.ModTime())
}

// dropForm removes the form of the keystore that no unit names any more, and
// brings the copies of older keystores into the other one.
func (a *app) dropForm(ctx context.Context, name string, s secrets) error {
	gone := keystoreFile
	if s.seal == "" {
		gone += sealedSuffix
	}
	copies, err := filepath.Glob(a.path(instancePath(name, keystoreFile+".old*")))
	if err != nil {
		return err
	}
	for _, path := range copies {
		file := filepath.Base(path)
		isSealed := filepath.Ext(file) == sealedSuffix
		if isSealed == (s.seal != "") {
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("reading %s of %s: %w", file, name, err)
		}
		if isSealed {
			file = file[:len(file)-len(sealedSuffix)]
			if data, _, err = a.decrypt(ctx, keystoreFile, data); err != nil {
				a.note("warning: %s of %s stays as it is: %v", filepath.Base(path), name, err)
				continue
			}
		}
		if err := a.writeKeystore(ctx, name, file, s.seal, data); err != nil {
			return err
		}
		if err := a.onDisk().Remove(path); err != nil {
			return err
		}
	}
	if err := a.keepOther(ctx, name, gone, s); err != nil {
		return err
	}
	return a.onDisk().Remove(a.path(instancePath(name, gone)))
}

// keepOther keeps a form of the keystore that is about to go if it has other keys
// than the one that stays, and the one before: of a run that was killed while it changed
// keys and form, it may be the only copy of them.
func (a *app) keepOther(ctx context.Context, name, gone string, s secrets) error {
	data, err := os.ReadFile(a.path(instancePath(name, gone)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && filepath.Ext(gone) == sealedSuffix {
		data, err = a.creds().Decrypt(ctx, keystoreFile, data)
	}
	if err != nil {
		return fmt.Errorf("reading %s of %s: %w", gone, name, err)
	}
	if bytes.Equal(data, s.keystore) || bytes.Equal(data, s.old) {
		return nil
	}
	file, err := a.freeName(name, keystoreFile+".old")
	if err != nil {
		return err
	}
	a.note("a change of the keys of %s was interrupted before: the keystore that it left is kept as %s", name, file)
	return a.writeKeystore(ctx, name, file, s.seal, data)
}
