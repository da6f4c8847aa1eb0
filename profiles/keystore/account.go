package keystore

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// Signer says what signs for an account.
type Signer string

// Kinds of signers.
const (
	PrivateKey   Signer = "private key"
	RemoteSigner Signer = "remote signer"
	KeyFile      Signer = "key file"
	Mnemonic     Signer = "mnemonic"
)

// account is one account of a keystore as far as it can be known.
type account struct {
	key     Key // zero unless it is a plain private key
	address Address
	known   bool // address is
	signer  Signer
	url     string // of its remote signer
	bls     bool   // an attester with a BLS key
}

// single checks an account: a private key, an address whose remote signer is
// named elsewhere (remote, its URL; "": it is not), an address with its remote
// signer, or a file. What it finds is added to found if that is not nil.
func single(remote string, found *[]account) checker {
	return func(path string, raw json.RawMessage) error {
		a, err := parseAccount(path, raw, remote)
		if err == nil && found != nil {
			*found = append(*found, a)
		}
		return err
	}
}

func parseAccount(path string, raw json.RawMessage, remote string) (account, error) {
	if s, ok := text(raw); ok {
		return textAccount(path, s, remote)
	}
	o, err := objectAt(path, raw)
	if err != nil {
		return account{}, fmt.Errorf("%s: not an account: a private key, an address, or an object", path)
	}
	if o.has("path") {
		return account{signer: KeyFile}, keyFile(o)
	}
	if err := o.only("address", "remoteSignerUrl", "certPath", "certPass"); err != nil {
		return account{}, err
	}
	if !o.has("address") {
		return account{}, fmt.Errorf("%s: is missing", o.at("address"))
	}
	s, _ := text(o.get("address"))
	a := account{known: true, signer: RemoteSigner}
	a.url, _ = text(o.get("remoteSignerUrl"))
	if a.address, err = accountAddress(s); err != nil {
		return account{}, fmt.Errorf("%s: %w", o.at("address"), err)
	}
	return a, signer(o)
}

// textAccount reads an account that is not an object.
func textAccount(path, s, remote string) (a account, err error) {
	if n := len(digits(s)); n == 2*len(Address{}) {
		if a.address, err = accountAddress(s); err != nil {
			return a, fmt.Errorf("%s: %w", path, err)
		}
		if remote == "" {
			return a, fmt.Errorf("%s: is an address, and no remoteSigner is there to sign for it", path)
		}
		a.known, a.signer, a.url = true, RemoteSigner, remote
		return a, nil
	}
	if !strings.HasPrefix(s, "0x") {
		return a, fmt.Errorf("%s: neither a private key with 0x nor an address", path)
	}
	if a.key, err = ParseKey(s); err != nil {
		return a, fmt.Errorf("%s: %w", path, err)
	}
	if strings.TrimSpace(s) != s {
		return account{}, fmt.Errorf("%s: blanks around a private key", path)
	}
	a.address, a.known, a.signer = a.key.Address(), true, PrivateKey
	return a, nil
}

// accountAddress reads an address as the node does in a keystore: the 0x may
// be missing (foundation/src/eth-address).
func accountAddress(s string) (Address, error) { return ParseAddress("0x" + digits(s)) }

func digits(s string) string { return strings.TrimPrefix(s, "0x") }

// keyFile checks the name of an encrypted key file.
func keyFile(o object) error {
	return first(o.only("path", "password"), o.check("path", anyText), o.check("password", emptyText))
}

// signer checks the fields of a remote signer.
func signer(o object) error {
	if !o.has("remoteSignerUrl") {
		return fmt.Errorf("%s: is missing", o.at("remoteSignerUrl"))
	}
	return first(o.check("remoteSignerUrl", httpURL), o.check("certPath", emptyText), o.check("certPass", emptyText))
}

// signerOf is the URL of the remote signer that an object names for its
// accounts, "" if it names none.
func signerOf(o object) string {
	raw := o.get("remoteSigner")
	if s, ok := text(raw); ok {
		return s
	}
	signer, err := objectAt("", raw)
	if err != nil {
		return ""
	}
	s, _ := text(signer.get("remoteSignerUrl"))
	return s
}

func remoteSigner(path string, raw json.RawMessage) error {
	if _, ok := text(raw); ok {
		return httpURL(path, raw)
	}
	o, err := objectAt(path, raw)
	if err != nil {
		return fmt.Errorf("%s: neither a URL nor an object", path)
	}
	return first(o.only("remoteSignerUrl", "certPath", "certPass"), signer(o))
}

// accounts checks what single does, a list of it, or a mnemonic.
func accounts(remote string, found *[]account) checker { return several(single(remote, found), found) }

// attesters checks what accounts does, where each may also have a BLS key.
func attesters(remote string, found *[]account) checker {
	return several(func(path string, raw json.RawMessage) error {
		o, err := objectAt(path, raw)
		if err != nil || !o.has("eth") {
			return single(remote, found)(path, raw)
		}
		var eth []account
		err = first(o.only("eth", "bls"), o.check("eth", single(remote, &eth)), o.check("bls", blsAccount))
		if err == nil && found != nil {
			eth[0].bls = o.has("bls")
			*found = append(*found, eth...)
		}
		return err
	}, found)
}

func several(one checker, found *[]account) checker {
	return func(path string, raw json.RawMessage) error {
		if len(raw) > 0 && raw[0] == '[' {
			list, err := arrayAt(path, raw)
			if err != nil {
				return err
			}
			for i, raw := range list {
				if err := one(fmt.Sprintf("%s[%d]", path, i), raw); err != nil {
					return err
				}
			}
			return nil
		}
		if o, err := objectAt(path, raw); err == nil && o.has("mnemonic") {
			if found != nil {
				*found = append(*found, account{signer: Mnemonic})
			}
			return mnemonic(o)
		}
		return one(path, raw)
	}
}

func mnemonic(o object) error {
	return first(
		o.only("mnemonic", "addressIndex", "accountIndex", "addressCount", "accountCount"),
		o.check("mnemonic", anyText),
		count(o, "addressIndex", 0), count(o, "accountIndex", 0),
		count(o, "addressCount", 1), count(o, "accountCount", 1),
	)
}

// blsAccount checks a BLS key. It cannot be remote, and its curve is not ours.
func blsAccount(path string, raw json.RawMessage) error {
	if s, ok := text(raw); ok {
		if CheckFeeRecipient(s) != nil { // the same field: BN254
			return fmt.Errorf("%s: not a BLS private key: 0x and 64 hexadecimal digits below the order of the field", path)
		}
		return nil
	}
	o, err := objectAt(path, raw)
	if err != nil || !o.has("path") {
		return fmt.Errorf("%s: neither a BLS private key nor a key file", path)
	}
	return keyFile(o)
}

func prover(remote string, found *[]account) checker {
	return func(path string, raw json.RawMessage) error {
		o, err := objectAt(path, raw)
		if err != nil || !o.has("publisher") && !o.has("id") {
			return single(remote, found)(path, raw)
		}
		if !o.has("publisher") || !o.has("id") {
			return fmt.Errorf("%s: wants both id and publisher", path)
		}
		return first(o.only("id", "publisher"), o.check("id", ethAddress), o.check("publisher", accounts(remote, found)))
	}
}

func ethAddress(path string, raw json.RawMessage) error {
	s, _ := text(raw)
	if _, err := accountAddress(s); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func aztecAddress(path string, raw json.RawMessage) error {
	s, _ := text(raw)
	if err := CheckFeeRecipient("0x" + digits(s)); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func httpURL(path string, raw json.RawMessage) error {
	s, _ := text(raw)
	if u, err := url.Parse(s); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%s: not a URL with http or https", path)
	}
	return nil
}

// first returns the first error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
