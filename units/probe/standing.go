package probe

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// Standing is what the rollup contract says of an attester (AttesterStatus of
// @aztec/ethereum, contracts/rollup, in 4.1.2).
type Standing string

// The standings.
const (
	NotInSet   Standing = "none"       // it was never added, or waits in the queue, or has left
	Validating Standing = "validating" // it is in the validator set
	Zombie     Standing = "zombie"     // it is not any more, and its stake is still there: it was slashed below the minimum
	Exiting    Standing = "exiting"    // it is leaving
)

// More selectors of functions of the rollup contract.
const (
	getStatus            = "0x30ccebb5" // getStatus(address)
	getPendingCheckpoint = "0x9891be8e" // getPendingCheckpointNumber(), from version 4
)

// PublishedCheckpoint asks L1 for the newest checkpoint that was published to a
// rollup, whose contract's address it is: what a node that is in sync has, too.
// l1 are URLs of execution nodes, asked until one answers.
func PublishedCheckpoint(ctx context.Context, client *http.Client, l1s []string, rollup string) (number uint64, err error) {
	err = fmt.Errorf("%s is no address of a rollup", clip(rollup))
	if !address.MatchString(rollup) {
		return 0, err
	}
	for _, url := range l1s {
		if number, err = (l1{client, url, rollup}).number(ctx, getPendingCheckpoint); err == nil {
			return number, nil
		}
	}
	return 0, err
}

// Standings asks L1 how attesters stand, in their order. rollup is the
// contract's address, l1 are URLs of execution nodes, asked until one answers.
// None are known where no rollup is.
func Standings(ctx context.Context, client *http.Client, l1 []string, rollup string, attesters []string) (list []Standing, err error) {
	if !address.MatchString(rollup) {
		return nil, nil
	}
	for _, url := range l1 {
		if list, err = standings(ctx, client, url, rollup, attesters); err == nil {
			return list, nil
		}
	}
	return nil, err
}

// askedAtOnce bounds what one execution node is asked at the same time.
const askedAtOnce = 8

func standings(ctx context.Context, client *http.Client, url, rollup string, attesters []string) ([]Standing, error) {
	l := l1{client, url, rollup}
	list, errs := make([]Standing, len(attesters)), make([]error, len(attesters))
	var asking sync.WaitGroup
	slots := make(chan struct{}, askedAtOnce)
	for i, attester := range attesters {
		slots <- struct{}{}
		asking.Go(func() {
			defer func() { <-slots }()
			list[i], errs[i] = l.standing(ctx, attester)
		})
	}
	asking.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (l l1) standing(ctx context.Context, attester string) (Standing, error) {
	if !address.MatchString(attester) {
		return "", fmt.Errorf("%s is no address", clip(attester))
	}
	n, err := l.number(ctx, getStatus+strings.Repeat("0", 24)+strings.ToLower(attester[2:]))
	if err != nil {
		return "", err
	}
	known := []Standing{NotInSet, Validating, Zombie, Exiting}
	if n >= uint64(len(known)) {
		return "", fmt.Errorf("L1 says that the status of an attester is %d", n)
	}
	return known[n], nil
}
