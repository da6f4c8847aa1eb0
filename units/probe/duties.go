package probe

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// Duties is how an attester stands on L1, and what a node has seen it do in the
// slots that it looks back on. The attester need not be its own.
type Duties struct {
	Attester string   `json:"attester"`
	Standing Standing `json:"standing,omitempty"` // "": L1 does not tell
	Seen     bool     `json:"seen"`               // the node was asked for the rest
	// Committee says that it was in a committee of these slots. One that was not
	// waits in the queue, or is not in the validator set: the node does not tell.
	Committee          bool       `json:"committee"`
	Slots              int        `json:"slots"` // in which something was expected of it
	LastAttestation    *time.Time `json:"last_attestation,omitempty"`
	LastProposal       *time.Time `json:"last_proposal,omitempty"`
	MissedAttestations int        `json:"missed_attestations"`
	MissedInARow       int        `json:"missed_in_a_row"` // attestations, up to now
	MissedProposals    int        `json:"missed_proposals"`
}

// lastDuty is when a duty was done.
type lastDuty struct {
	Timestamp number `json:"timestamp"` // seconds since 1970
}

func (d *lastDuty) time() *time.Time {
	if d == nil || d.Timestamp.signed <= 0 {
		return nil
	}
	at := time.Unix(d.Timestamp.signed, 0).UTC()
	if at.Year() > 9999 { // cannot be encoded
		return nil
	}
	return &at
}

// missed counts duties that were not done.
type missed struct {
	Count  int `json:"count"`
	Streak int `json:"currentStreak"`
}

// MaxStats bounds an answer of getValidatorsStats, in bytes: for each slot of 24
// epochs (SENTINEL_HISTORY_LENGTH_IN_EPOCHS) it says what each member of the
// committee did, which is 2 MB where they are 48.
const MaxStats = 16 << 20

// Attesters asks a node for the duties of attesters, addresses on L1, in their
// order (getValidatorsStats, stdlib/src/validators/types.ts, from version 1).
// A node without a sentinel says that it knows nothing.
func Attesters(ctx context.Context, client *http.Client, t Target, addresses []string) ([]Duties, error) {
	n, err := newNode(client, t.URL)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Stats map[string]struct {
			TotalSlots         int       `json:"totalSlots"`
			LastAttestation    *lastDuty `json:"lastAttestation"`
			LastProposal       *lastDuty `json:"lastProposal"`
			MissedAttestations missed    `json:"missedAttestations"`
			MissedProposals    missed    `json:"missedProposals"`
		} `json:"stats"`
	}
	n.limit = MaxStats
	prefix := t.Namespace
	if prefix == "" {
		prefix = "node"
	}
	if err := n.call(ctx, prefix+"_getValidatorsStats", &answer); err != nil {
		return nil, err
	}
	list := make([]Duties, 0, len(addresses))
	for _, address := range addresses {
		d := Duties{Attester: address, Seen: true}
		for of, s := range answer.Stats {
			if strings.EqualFold(of, address) {
				d.Committee, d.Slots = true, s.TotalSlots
				d.LastAttestation, d.LastProposal = s.LastAttestation.time(), s.LastProposal.time()
				d.MissedAttestations, d.MissedInARow, d.MissedProposals = s.MissedAttestations.Count, s.MissedAttestations.Streak, s.MissedProposals.Count
			}
		}
		list = append(list, d)
	}
	return list, nil
}
