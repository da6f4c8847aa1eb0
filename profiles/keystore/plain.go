package keystore

import "errors"

// Plain are the private keys of a keystore that needs nothing else to sign:
// those of validators that share publishers, or those of a prover.
type Plain struct {
	Attesters  []Key
	Publishers []Key // of all validators, or the prover's; none: each attester for itself
}

// ErrNotPlain is of a keystore that has accounts which Plain cannot hold.
var ErrNotPlain = errors.New("it holds something else than plain private keys")

// Main is the key by which whoever has the keystore is known; zero if there is
// none.
func (p Plain) Main() Key {
	switch {
	case len(p.Attesters) > 0:
		return p.Attesters[0]
	case len(p.Publishers) > 0:
		return p.Publishers[0]
	}
	return Key{}
}

// ParsePlain reads the keys of a keystore file: a node older than keystores
// could use no others. No error holds anything of one.
func ParsePlain(data []byte) (p Plain, err error) {
	k, err := Parse(data)
	if err != nil {
		return p, err
	}
	if k.Prover {
		if p.Publishers, err = plain(k.prover); len(k.validators) > 0 {
			err = ErrNotPlain
		}
		return p, err
	}
	for _, v := range k.validators {
		attesters, err := plain(v.attesters)
		if err != nil {
			return Plain{}, err
		}
		publishers, err := plain(k.publishersOf(v))
		if err != nil {
			return Plain{}, err
		}
		p.Attesters = append(p.Attesters, attesters...)
		if len(publishers) > 1 || !publishers[0].Equal(attesters[0]) {
			p.Publishers = publishers
		}
	}
	return p, nil
}

// plain are the keys of accounts, at least one.
func plain(accounts []account) ([]Key, error) {
	var keys []Key
	for _, a := range accounts {
		if a.key.IsZero() {
			return nil, ErrNotPlain
		}
		keys = append(keys, a.key)
	}
	if len(keys) == 0 {
		return nil, ErrNotPlain
	}
	return keys, nil
}
