package keystore

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

func (a account) text() string {
	if !a.known {
		return ""
	}
	return a.address.String()
}
