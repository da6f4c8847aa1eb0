package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
)

// payload is what the node votes for in governance: the one setting that can
// be changed here while it runs.
type payload struct {
	mu      sync.Mutex
	address string // lower case with 0x; "": it was never set, which is not the zero address
}

const (
	payloadVariable = "GOVERNANCE_PROPOSER_PAYLOAD_ADDRESS"
	payloadField    = "governanceProposerPayload"
	invalidParams   = -32701
)

// payload reads the variable. 4.1.2 parses it before most else.
func (c *cli) payload() (*payload, error) {
	value, set := c.env(payloadVariable)
	switch {
	case !set:
		return &payload{}, nil
	case !addressForm.MatchString(value):
		return nil, fatal("Invalid address string: " + value)
	}
	return &payload{address: strings.ToLower(value)}, nil
}

// config is the answer to nodeAdmin_getConfig; the real one has a hundred
// fields.
func (p *payload) config() any {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := map[string]any{"realProofs": false, "minTxsPerBlock": 0}
	if p.address != "" {
		c[payloadField] = p.address
	}
	return c
}

// set is nodeAdmin_setConfig: it takes the payload and ignores what it does not
// know, as the real one does, down to the words in which it refuses.
func (p *payload) set(params []json.RawMessage) any {
	if len(params) == 0 {
		return &rpcError{invalidParams, "Array must contain at least 1 element(s) ()"}
	}
	var change map[string]json.RawMessage
	if json.Unmarshal(params[0], &change) != nil {
		return &rpcError{invalidParams, "Expected object, received string (0)"}
	}
	value, given := change[payloadField]
	if !given {
		return undefined{}
	}
	var address *string
	if json.Unmarshal(value, &address) != nil || address == nil {
		kind := "null"
		if !bytes.Equal(value, null) {
			kind = "number"
		}
		return &rpcError{invalidParams, "Expected string, received " + kind + " (0." + payloadField + ")"}
	}
	bare := "0x" + strings.TrimPrefix(*address, "0x")
	if !addressForm.MatchString(bare) {
		return &rpcError{invalidParams, "Not a valid instance (0." + payloadField + ")"}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.address = strings.ToLower(bare)
	return undefined{}
}
