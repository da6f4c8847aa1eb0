// Package credential encrypts secrets so that they can be read on this host
// only, by systemd when it starts a service (systemd.exec(5),
// LoadCredentialEncrypted=) and by root (systemd-creds(1)).
//
// What is encrypted is bound to the host: to /var/lib/systemd/credential.secret,
// to its TPM, or to both. A copy of the encrypted file is of no use elsewhere,
// nor after a new installation. Whoever encrypts has to say so.
package credential

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Key is what a secret is bound to, as systemd-creds(1) names it
// (--with-key=).
type Key string

// Keys. A TPM may refuse after a change of firmware; the host's own key does
// not, but lies on the disk.
const (
	Host     Key = "host"
	TPM2     Key = "tpm2"
	HostTPM2 Key = "host+tpm2"
)

// words are what a key is to who has lost it.
var words = map[Key]string{
	Host:     "the key of a host",
	TPM2:     "the TPM of a host",
	HostTPM2: "the key of a host and its TPM",
}

// ParseKey reads the name of a key.
func ParseKey(s string) (Key, error) {
	switch k := Key(s); k {
	case Host, TPM2, HostTPM2:
		return k, nil
	}
	return "", fmt.Errorf("key %q: none of %s, %s, %s", s, Host, TPM2, HostTPM2)
}

// ErrUnsupported says that this host cannot encrypt credentials.
var ErrUnsupported = errors.New("credentials cannot be encrypted on this host")

// minSystemd has LoadCredentialEncrypted= and systemd-creds (NEWS of 250).
const minSystemd = 250

// limit is ample for a hash and a cipher, and for a TPM that is slow.
const limit = time.Minute

// Tool is systemd-creds(1).
type Tool struct {
	Program string // "": systemd-creds
}

func (t Tool) program() string {
	if t.Program == "" {
		return "systemd-creds"
	}
	return t.Program
}

// Available reports whether the given major version of systemd and its tool
// can encrypt; if not, with ErrUnsupported in the error's chain.
func (t Tool) Available(systemd int) error {
	if systemd < minSystemd {
		return fmt.Errorf("%w: systemd %d is older than %d", ErrUnsupported, systemd, minSystemd)
	}
	if _, err := exec.LookPath(t.program()); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return nil
}

// Encrypt binds a secret to this host. Only a credential of the given name can
// be made of it.
func (t Tool) Encrypt(ctx context.Context, name string, key Key, secret []byte) ([]byte, error) {
	out, err := t.run(ctx, secret, "encrypt", "--with-key="+string(key), "--name="+name, "-", "-")
	if err != nil {
		return nil, fmt.Errorf("encrypting %s: %w", name, err)
	}
	return out, nil
}

// Decrypt is the opposite of Encrypt.
func (t Tool) Decrypt(ctx context.Context, name string, encrypted []byte) ([]byte, error) {
	// systemd would take this one too, and anybody can make one.
	key, err := KeyOf(encrypted)
	if err != nil {
		return nil, fmt.Errorf("decrypting %s: %w", name, err)
	}
	out, err := t.run(ctx, encrypted, "decrypt", "--name="+name, "-", "-")
	if err != nil {
		return nil, fmt.Errorf("decrypting %s, which is encrypted with %s: %w", name, words[key], err)
	}
	return out, nil
}

// run passes secrets through pipes: argv is for everybody.
func (t Tool) run(ctx context.Context, in []byte, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var out, said bytes.Buffer
	cmd := exec.CommandContext(ctx, t.program(), args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &said
	// Where a TPM refuses, its library says so once for each of its layers, and systemd-creds in words (tpm2-tss, doc/logging.md).
	cmd.Env = append(os.Environ(), "TSS2_LOG=all+none")
	err := cmd.Run()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		text := strings.Join(strings.Fields(said.String()), " ")
		if text == "" {
			return nil, fmt.Errorf("%s: %w", t.program(), err)
		}
		return nil, fmt.Errorf("%s: %w: %s", t.program(), err, text)
	}
	return out.Bytes(), nil
}

// ErrNotEncrypted says that a file is no encrypted credential, or one that is
// encrypted with no key at all.
var ErrNotEncrypted = errors.New("it is not encrypted with a key of this host")

// keyIDs are the first 16 bytes of an encrypted credential
// (src/shared/creds-util.h of systemd). Those with a public key are made by an
// option that is not used here, and are read all the same.
var keyIDs = map[string]Key{
	"5a1c6a86df9d4096b1d5a65e0862f19a": Host,
	"0c7cc07b117645919c4b0bea08bc20fe": TPM2,
	"faf7eb9341e3412ca1a436f95a29362f": TPM2,
	"93a894094874449090caf2fc93cab553": HostTPM2,
	"af4950a849134eb1a73846304ff30c05": HostTPM2,
}

// KeyOf tells what an encrypted credential is bound to.
func KeyOf(encrypted []byte) (Key, error) {
	text := strings.Join(strings.Fields(string(encrypted[:min(len(encrypted), 64)])), "")
	if len(text) < 24 {
		return "", ErrNotEncrypted
	}
	raw, err := base64.StdEncoding.DecodeString(text[:24])
	if err != nil {
		return "", ErrNotEncrypted
	}
	key, ok := keyIDs[hex.EncodeToString(raw[:16])]
	if !ok {
		return "", ErrNotEncrypted
	}
	return key, nil
}
