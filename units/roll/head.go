package roll

import (
	"fmt"
	"time"
)

// Head is how far a node is along its chain, and in looking at L1. What it
// does not say is zero.
type Head struct {
	Block      uint64    `json:"block"` // newest
	Proven     uint64    `json:"proven"`
	Checkpoint uint64    `json:"checkpoint"`
	State      uint64    `json:"state"` // newest block of the world state
	L1         time.Time `json:"l1"`    // of the newest L1 block that it has seen
}

// beyond says what h has that before had not yet; "" for nothing.
func (h Head) beyond(before Head) string {
	for _, n := range []struct {
		name     string
		now, was uint64
	}{
		{"block", h.Block, before.Block},
		{"checkpoint", h.Checkpoint, before.Checkpoint},
		{"world state", h.State, before.State},
		{"proven block", h.Proven, before.Proven},
	} {
		if n.now > n.was {
			return fmt.Sprintf("%s %d -> %d", n.name, n.was, n.now)
		}
	}
	if !before.L1.IsZero() && h.L1.After(before.L1) {
		return fmt.Sprintf("L1 seen up to %s -> %s", before.L1.Format(time.TimeOnly), h.L1.Format(time.TimeOnly))
	}
	return ""
}

// String says where it is.
func (h Head) String() string {
	s := fmt.Sprintf("block %d", h.Block)
	if h.State != 0 && h.State != h.Block {
		s += fmt.Sprintf(", world state %d", h.State)
	}
	return s
}
