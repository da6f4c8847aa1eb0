package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/doctor"
	"github.com/aztec-spartan/aztec-spartan/units/probe"
)

// usedElsewhere reports that keys are in use: a publisher has sent transactions,
// or an attester has signed since the bundle was made.
func usedElsewhere(ctx context.Context, inst profiles.Instance, t profiles.Tenant, since time.Time, was, now map[string]uint64) error {
	for address, n := range was {
		if is, known := now[address]; known && is > n {
			return fmt.Errorf("its publisher %s has sent %d transactions on L1 meanwhile", address, is-n)
		}
	}
	if inst.Bootnode == "" {
		return nil
	}
	for _, attester := range t.Attesters {
		if at := lastSigned(ctx, inst.Bootnode, attester.String()); at.After(since) {
			return fmt.Errorf("its attester %s has signed on %s, after it was exported", attester, at.Local().Format(time.DateTime))
		}
	}
	return nil
}

// nonces are how many transactions the publishers of an instance have sent on
// L1, as far as it answers.
func nonces(ctx context.Context, inst profiles.Instance, t profiles.Tenant) map[string]uint64 {
	l1 := doctor.L1{Client: doctor.Client(), URLs: inst.L1.RPC}
	found := map[string]uint64{}
	for _, p := range t.Publishers {
		if n, err := l1.Nonce(ctx, p.String()); err == nil {
			found[p.String()] = n
		}
	}
	return found
}

// lastSigned is when a node of the network saw an attester sign; zero if it
// does not say (getValidatorsStats; nodes that run no sentinel know nothing).
func lastSigned(ctx context.Context, node, attester string) time.Time {
	var answer struct {
		Result struct {
			Stats map[string]struct {
				Last struct {
					Timestamp json.Number `json:"timestamp"`
				} `json:"lastAttestation"`
			} `json:"stats"`
		} `json:"result"`
	}
	for _, method := range []string{"aztec_getValidatorsStats", "node_getValidatorsStats"} {
		data, err := callNode(ctx, node, method, probe.MaxStats)
		if err != nil || json.Unmarshal(data, &answer) != nil || answer.Result.Stats == nil {
			continue
		}
		for address, s := range answer.Result.Stats {
			seconds, err := s.Last.Timestamp.Int64()
			if err == nil && seconds > 0 && strings.EqualFold(address, attester) {
				return time.Unix(seconds, 0)
			}
		}
		break
	}
	return time.Time{}
}
