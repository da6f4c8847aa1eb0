package keystore

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// account is one account of a keystore as far as it can be known.
type account struct {
	key     Key // zero unless it is a plain private key
	address Address
	known   bool // address is
}

// single checks an account: a private key, an address whose remote signer is
// named elsewhere (remote), an address with its remote signer, or a file. What
// it finds is added to found if that is not nil.
func single(remote bool, found *[]account) checker {
	return func(path string, raw json.RawMessage) error {
		a, err := parseAccount(path, raw, remote)
		if err == nil && found != nil {
			*found = append(*found, a)
		}
		return err
	}
}

func parseAccount(path string, raw json.RawMessage, remote bool) (a account, err error) {
	if s, ok := text(raw); ok {
		if len(s) == len("0x")+2*len(Address{}) {
			if err := ethAddress(path, raw); err != nil {
				return a, err
			}
			if !remote {
				return a, fmt.Errorf("%s: is an address, and no remoteSigner is there to sign for it", path)
			}
			a.address, err = ParseAddress(s)
			a.known = true
			return a, err
		}
		if !strings.HasPrefix(s, "0x") {
			return a, fmt.Errorf("%s: neither a private key with 0x nor an address", path)
		}
		if a.key, err = ParseKey(s); err != nil {
			return a, fmt.Errorf("%s: %w", path, err)
		}
		if strings.TrimSpace(s) != s {
			return a, fmt.Errorf("%s: blanks around a private key", path)
		}
		a.address, a.known = a.key.Address(), true
		return a, nil
	}
	o, err := objectAt(path, raw)
	if err != nil {
		return a, fmt.Errorf("%s: not an account: a private key, an address, or an object", path)
	}
	if o.has("path") {
		return a, keyFile(o)
	}
	if err := o.only("address", "remoteSignerUrl", "certPath", "certPass"); err != nil {
		return a, err
	}
	if !o.has("address") {
		return a, fmt.Errorf("%s: is missing", o.at("address"))
	}
	if err := o.check("address", ethAddress); err != nil {
		return a, err
	}
	s, _ := text(o.get("address"))
	a.address, _ = ParseAddress(s)
	a.known = true
	return a, signer(o)
}

// keyFile checks the name of an encrypted key file.
func keyFile(o object) error {
	return first(o.only("path", "password"), o.check("path", anyText), o.check("password", anyText))
}

// signer checks the fields of a remote signer.
func signer(o object) error {
	if !o.has("remoteSignerUrl") {
		return fmt.Errorf("%s: is missing", o.at("remoteSignerUrl"))
	}
	return first(o.check("remoteSignerUrl", httpURL), o.check("certPath", anyText), o.check("certPass", anyText))
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
func accounts(remote bool, found *[]account) checker { return several(single(remote, found), found) }

// attesters checks what accounts does, where each may also have a BLS key.
func attesters(remote bool, found *[]account) checker {
	return several(func(path string, raw json.RawMessage) error {
		o, err := objectAt(path, raw)
		if err != nil || !o.has("eth") {
			return single(remote, found)(path, raw)
		}
		return first(o.only("eth", "bls"), o.check("eth", single(remote, found)), o.check("bls", blsAccount))
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
				*found = append(*found, account{})
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
		o.check("addressIndex", count(0)), o.check("accountIndex", count(0)),
		o.check("addressCount", count(1)), o.check("accountCount", count(1)),
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

func prover(remote bool) checker {
	return func(path string, raw json.RawMessage) error {
		o, err := objectAt(path, raw)
		if err != nil || !o.has("publisher") && !o.has("id") {
			return single(remote, nil)(path, raw)
		}
		if !o.has("publisher") || !o.has("id") {
			return fmt.Errorf("%s: wants both id and publisher", path)
		}
		return first(o.only("id", "publisher"), o.check("id", ethAddress), o.check("publisher", accounts(remote, nil)))
	}
}

func ethAddress(path string, raw json.RawMessage) error {
	s, _ := text(raw)
	if _, err := ParseAddress(s); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func aztecAddress(path string, raw json.RawMessage) error {
	s, _ := text(raw)
	if err := CheckFeeRecipient(s); err != nil {
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
