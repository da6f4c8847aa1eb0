package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/jsonrpc"
)

const (
	bootnodeTimeout = 10 * time.Second
	maxNodeInfo     = 1 << 20 // bytes; an answer has below 10 kB
)

// nodeInfo asks a node what network it is on: node_getNodeInfo, which from 5
// on is an alias of aztec_getNodeInfo (stdlib's register_node_rpc_handlers.ts).
// Nothing of the answer is taken before all of it is judged.
func nodeInfo(ctx context.Context, bootnode string) (profiles.NodeInfo, error) {
	fail := func(err error) (profiles.NodeInfo, error) {
		err = fmt.Errorf("asking the bootnode %s: %w", profiles.RedactURL(bootnode), err)
		return profiles.NodeInfo{}, withHint(err, "is it the RPC of a node of that network? without --bootnode-url: --l1-chain-id, and --set REGISTRY_CONTRACT_ADDRESS=0x...")
	}
	if err := profiles.ValidURL(bootnode); err != nil {
		return profiles.NodeInfo{}, usage(fmt.Errorf("--bootnode-url: %w", err))
	}
	answer, err := callNode(ctx, bootnode, "node_getNodeInfo", maxNodeInfo)
	if err != nil {
		return fail(err)
	}
	info, err := profiles.ParseNodeInfo(answer)
	if err != nil {
		return fail(err)
	}
	return info, nil
}

// callNode calls a method without parameters of a node of the network, and
// returns the whole answer, cut after a byte more than limit. No error has
// anything of the URL in it.
func callNode(ctx context.Context, node, method string, limit int) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, bootnodeTimeout)
	defer cancel()
	req, err := jsonrpc.NewRequest(ctx, node, method, "[]")
	if err != nil {
		return nil, errors.New("it is no URL of a node") // err quotes the URL
	}
	a, err := jsonrpc.Send(http.DefaultClient, req, limit)
	if u, ok := errors.AsType[*url.Error](err); ok {
		return nil, u.Err
	}
	if a.Status != 0 && a.Status != http.StatusOK {
		return nil, fmt.Errorf("it answers %d", a.Status)
	}
	if _, long := errors.AsType[jsonrpc.LongError](err); long {
		err = nil
	}
	return a.Body, err
}
