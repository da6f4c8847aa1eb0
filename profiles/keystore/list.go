package keystore

import "slices"

// Entry is one attester of a keystore, with what the node will use for it. It
// holds no secret.
type Entry struct {
	Attester     string   `json:"attester"` // address on L1; "": not known without a password or a derivation
	Signer       Signer   `json:"signer"`
	BLS          bool     `json:"bls"`           // a BLS key is there, which registration wants
	Publishers   []string `json:"publishers"`    // addresses that pay on L1, as far as known
	Coinbase     string   `json:"coinbase"`      // address on L1 for rewards
	FeeRecipient string   `json:"fee_recipient"` // address on Aztec for fees
}

// Entries lists the attesters with the node's defaults filled in: who names no
// publisher or coinbase is that itself (node-keystore/src/keystore_manager.ts).
func (k Keystore) Entries() []Entry {
	list := []Entry{}
	for _, v := range k.validators {
		for _, a := range v.attesters {
			e := Entry{Attester: a.text(), Signer: a.signer, BLS: a.bls, Publishers: []string{}, Coinbase: v.coinbase, FeeRecipient: v.feeRecipient}
			own := k.publishersOf(v)
			if len(v.publishers)+len(k.publishers) == 0 {
				own = []account{a}
			}
			for _, p := range own {
				if p.known {
					e.Publishers = append(e.Publishers, p.text())
				}
			}
			if e.Coinbase == "" {
				e.Coinbase = e.Attester
			}
			list = append(list, e)
		}
	}
	return list
}

// RemoteAccounts are those that one remote signer signs for.
type RemoteAccounts struct {
	URL       string // may hold user info
	Addresses []string
}

// Remotes lists the remote signers, in order, with the accounts of each. A node
// asks them for these when it starts, and does not start without
// (node-keystore/src/keystore_manager.ts, validateSigners).
func (k Keystore) Remotes() []RemoteAccounts {
	var all []account
	for _, v := range k.validators {
		all = append(append(all, v.attesters...), k.publishersOf(v)...)
	}
	var list []RemoteAccounts
	for _, a := range slices.Concat(all, k.prover, k.slasher) {
		if a.signer != RemoteSigner {
			continue
		}
		i := slices.IndexFunc(list, func(r RemoteAccounts) bool { return r.URL == a.url })
		if i < 0 {
			i, list = len(list), append(list, RemoteAccounts{URL: a.url})
		}
		if !slices.Contains(list[i].Addresses, a.text()) {
			list[i].Addresses = append(list[i].Addresses, a.text())
		}
	}
	return list
}

func (a account) text() string {
	if !a.known {
		return ""
	}
	return a.address.String()
}
