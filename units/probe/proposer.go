package probe

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units/jsonrpc"
)

// Selectors of functions of the rollup contract (IStaking and
// IValidatorSelection of l1-contracts, in 4.1.2).
const (
	getSlotDuration = "0xc4014c12" // getSlotDuration()
	getProposerAt   = "0xc27f08b5" // getProposerAt(uint256), of a time
)

// slotsAhead is how many slots are looked at: the one that runs, and those that
// a restart of half a minute could miss. From version 5 the proposer of a slot
// builds in the one before.
const slotsAhead = 3

// Proposals reports in which of the slots that run now or next an attester of
// ours is the proposer: 0 for the one that runs; -1 if in none, or if L1 does
// not say. rollup is the contract's address, l1 are URLs of execution nodes,
// asked until one answers. The node itself does not say it (4.1.2, 5.2).
func Proposals(ctx context.Context, client *http.Client, l1 []string, rollup string, ours []string) (slot int, err error) {
	if len(ours) == 0 || !address.MatchString(rollup) {
		return -1, nil
	}
	for _, url := range l1 {
		if slot, err = proposals(ctx, client, url, rollup, ours); err == nil {
			return slot, nil
		}
	}
	return -1, err
}

func proposals(ctx context.Context, client *http.Client, url, rollup string, ours []string) (int, error) {
	l := l1{client, url, rollup}
	now, err := l.time(ctx)
	if err != nil {
		return -1, err
	}
	duration, err := l.number(ctx, getSlotDuration)
	if err != nil {
		return -1, err
	}
	if duration == 0 || duration > 1<<20 {
		return -1, fmt.Errorf("L1 says that a slot has %d s", duration)
	}
	for slot := range slotsAhead {
		at := now + uint64(slot)*duration
		word, err := l.call(ctx, getProposerAt+fmt.Sprintf("%064x", at))
		if err != nil {
			return -1, err
		}
		proposer := "0x" + hex.EncodeToString(word[12:])
		for _, one := range ours {
			if strings.EqualFold(one, proposer) {
				return slot, nil
			}
		}
	}
	return -1, nil
}

// l1 is the rollup contract behind an execution node.
type l1 struct {
	client      *http.Client
	url, rollup string
}

// time is that of the newest block or of the clock, whichever is later, in
// seconds.
func (l l1) time(ctx context.Context) (uint64, error) {
	var block struct {
		Timestamp string `json:"timestamp"`
	}
	if err := l.ask(ctx, "eth_getBlockByNumber", `"latest",false`, &block); err != nil {
		return 0, err
	}
	newest, err := strconv.ParseUint(strings.TrimPrefix(block.Timestamp, "0x"), 16, 63)
	if err != nil {
		return 0, errors.New("the newest block of L1 has no time")
	}
	return max(newest, uint64(max(time.Now().Unix(), 0))), nil
}

func (l l1) number(ctx context.Context, data string) (uint64, error) {
	word, err := l.call(ctx, data)
	if err != nil {
		return 0, err
	}
	n := new(big.Int).SetBytes(word)
	if !n.IsUint64() {
		return 0, errors.New("L1 answers with a number that is too large")
	}
	return n.Uint64(), nil
}

// call is one call of the contract, which returns one word of 32 bytes.
func (l l1) call(ctx context.Context, data string) ([]byte, error) {
	var result string
	if err := l.ask(ctx, "eth_call", fmt.Sprintf(`{"to":"%s","data":"%s"},"latest"`, l.rollup, data), &result); err != nil {
		return nil, err
	}
	word, err := hex.DecodeString(strings.TrimPrefix(result, "0x"))
	if err != nil || len(word) != 32 {
		return nil, errors.New("L1 answers a call with something else than a word: is the rollup on this chain?")
	}
	return word, nil
}

// ask never shows the URL, which may have a key in it.
func (l l1) ask(ctx context.Context, method, params string, result any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	req, err := jsonrpc.NewRequest(ctx, l.url, method, "["+params+"]")
	if err != nil {
		return fmt.Errorf("asking L1: %s is no request", method)
	}
	a, err := jsonrpc.Send(l.client, req, maxBody)
	if err != nil {
		return fmt.Errorf("asking L1: %s", why(err))
	}
	var raw json.RawMessage
	if err := decode(a, &raw); err != nil {
		return fmt.Errorf("asking L1: %s", why(err))
	}
	if err := json.Unmarshal(raw, result); err != nil {
		return fmt.Errorf("asking L1: its answer to %s cannot be read", method)
	}
	return nil
}
