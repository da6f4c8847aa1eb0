package probe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Admin is the admin API of one node, of which it has what changes a node that
// runs (AztecNodeAdminApiSchema of @aztec/stdlib, interfaces/aztec-node-admin).
type Admin struct {
	node      *node
	namespace string
}

// NewAdmin returns the admin API at a URL. The namespace is that of the node's
// RPC, see Target; the key is what the node has the hash of.
func NewAdmin(client *http.Client, url, namespace, key string) (*Admin, error) {
	n, err := newNode(client, url)
	if err != nil {
		return nil, err
	}
	n.key = key
	return &Admin{n, namespace + "Admin"}, nil
}

// ZeroAddress as a payload is none (isZero in CheckpointVoter of
// @aztec/sequencer-client, 4.1.2).
const ZeroAddress = "0x0000000000000000000000000000000000000000"

// Payload asks what the node votes for in governance: an address in lower case,
// or "" for nothing.
func (a *Admin) Payload(ctx context.Context) (string, error) {
	var config struct {
		Payload *string `json:"governanceProposerPayload"`
	}
	if err := a.node.call(ctx, a.namespace+"_getConfig", &config); err != nil {
		return "", fmt.Errorf("asking the admin API on %s: %s", a.node.base.Host, why(err))
	}
	if config.Payload == nil || strings.EqualFold(*config.Payload, ZeroAddress) {
		return "", nil
	}
	payload := strings.ToLower(*config.Payload)
	if !address.MatchString(payload) {
		return "", fmt.Errorf("asking the admin API on %s: its payload is no address", a.node.base.Host)
	}
	return payload, nil
}

// SetPayload changes what the node votes for, until its next start, "" for
// nothing. A version that does not know the field takes it and says nothing, so
// the node is asked afterwards.
func (a *Admin) SetPayload(ctx context.Context, payload string) error {
	payload = strings.ToLower(payload)
	to := payload
	if to == "" {
		to = ZeroAddress
	}
	if !address.MatchString(to) {
		return fmt.Errorf("changing the payload: %q is no address", payload)
	}
	var nothing any
	_, err := a.node.callWith(ctx, a.namespace+"_setConfig", `[{"governanceProposerPayload":"`+to+`"}]`, &nothing)
	if err != nil && !errors.Is(err, errNoResult) {
		return fmt.Errorf("asking the admin API on %s: %s", a.node.base.Host, why(err))
	}
	now, err := a.Payload(ctx)
	if err == nil && now != strings.TrimPrefix(to, ZeroAddress) {
		err = fmt.Errorf("asking the admin API on %s: it answered, and did not change its payload", a.node.base.Host)
	}
	return err
}
