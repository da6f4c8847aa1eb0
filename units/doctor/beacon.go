package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// custodyNeeded is how many of the 128 groups of columns a beacon node must keep
// to have whole blobs since Fusaka: half of them can be made whole again
// (consensus-specs, fulu/das-core.md).
const custodyNeeded = 64

func (e exam) beacon(ctx context.Context) []Finding {
	var list []Finding
	var hard []bool
	for _, url := range e.Beacon {
		f, wrong := e.consensus(ctx, url)
		list, hard = append(list, f), append(hard, wrong)
	}
	return sources(list, hard)
}

// consensus examines one beacon node over its API (ethereum/beacon-APIs).
func (e exam) consensus(ctx context.Context, url string) (f Finding, hard bool) {
	at, do := where(url), e.config("--l1-consensus-host-url URL")
	var sync struct {
		Syncing  bool   `json:"is_syncing"`
		Distance string `json:"sync_distance"`
		Offline  bool   `json:"el_offline"`
	}
	if err := e.get(ctx, url, "/eth/v1/node/syncing", &sync); err != nil {
		return fail(do, "%s: %v", at, err), false
	}
	var spec struct {
		Chain string `json:"DEPOSIT_CHAIN_ID"`
	}
	// Not all providers have it.
	if e.get(ctx, url, "/eth/v1/config/spec", &spec) == nil && spec.Chain != "" && e.ChainID != 0 && spec.Chain != strconv.FormatUint(e.ChainID, 10) {
		return fail(do, "%s is on chain %s, and the network is on %d", at, clip(spec.Chain), e.ChainID), true
	}
	switch {
	case sync.Syncing:
		return fail("wait until it has synced, or "+do, "%s is syncing, %s slots behind", at, clip(sync.Distance)), false
	case sync.Offline:
		return fail("start its execution node, or "+do, "%s has lost its execution node", at), false
	}
	if err := e.blobs(ctx, url); err != nil {
		return fail("run it as a supernode or semi-supernode (Lighthouse and Prysm: --supernode), or "+do,
			"%s does not serve blobs: %v", at, err), false
	}
	return ok("%s is synced and serves blobs", at), false
}

// blobs asks for those of two blocks, one just made and one that is final. A
// block without blobs is answered by everyone, so it is also asked how much the
// node keeps.
func (e exam) blobs(ctx context.Context, url string) error {
	for _, block := range []string{"head", "finalized"} {
		// The older way went with Fusaka, and some have only it.
		err := e.get(ctx, url, "/eth/v1/beacon/blobs/"+block, nil)
		if err != nil {
			if old := e.get(ctx, url, "/eth/v1/beacon/blob_sidecars/"+block, nil); old == nil {
				err = nil
			}
		}
		// Nothing is final yet on a chain that is young.
		if code, said := errors.AsType[httpError](err); said && int(code) == http.StatusNotFound && block == "finalized" {
			continue
		}
		if err != nil {
			return fmt.Errorf("asked for those of the %s block, %w", block, err)
		}
	}
	var identity struct {
		Metadata struct {
			Custody string `json:"custody_group_count"`
		} `json:"metadata"`
	}
	if e.get(ctx, url, "/eth/v1/node/identity", &identity) != nil {
		return nil // providers hide who they are
	}
	if kept, err := strconv.Atoi(identity.Metadata.Custody); err == nil && kept < custodyNeeded {
		return fmt.Errorf("it keeps %d of 128 groups of columns, and whole blobs need %d", kept, custodyNeeded)
	}
	return nil
}
