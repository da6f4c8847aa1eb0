package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/profiles/keystore"
	"github.com/aztec-spartan/aztec-spartan/profiles/redact"
	"github.com/aztec-spartan/aztec-spartan/units/doctor"
	"github.com/aztec-spartan/aztec-spartan/units/journal"
	"github.com/aztec-spartan/aztec-spartan/units/probe"
)

const (
	// detailBudget bounds all questions together. What is not answered by then is
	// said not to be known.
	detailBudget = 5 * time.Second
	// errorWindow is how far back the last error is looked for.
	errorWindow = "24 hours ago"
)

// details asks what takes longer, all at once.
func (a *app) details(ctx context.Context, s status) (d details) {
	ctx, cancel := context.WithTimeout(ctx, detailBudget)
	defer cancel()
	var mu sync.Mutex
	lacks := func(what string, err error) {
		mu.Lock()
		defer mu.Unlock()
		d.Unknown = append(d.Unknown, what+": "+redact.Text(err.Error()))
	}
	inst, err := a.loadInstance(s.Name)
	if err != nil {
		lacks("settings", err)
		return d
	}
	l1 := doctor.L1{Client: doctor.Client(), URLs: inst.L1.RPC}
	var questions sync.WaitGroup
	questions.Go(func() {
		if d.LastError, err = a.lastError(ctx, s); err != nil {
			lacks("last error", err)
		}
	})
	if len(inst.L1.RPC) > 0 {
		questions.Go(func() {
			state, err := l1Now(ctx, l1, s.Node)
			if d.L1 = state; err != nil {
				lacks("L1", err)
			}
		})
	}
	if attesters, publishers, err := a.accounts(ctx, inst); err != nil {
		lacks("keys", err)
	} else {
		questions.Go(func() {
			if d.Publishers, err = balances(ctx, l1, publishers); err != nil {
				lacks("ETH of publishers", err)
			}
		})
		questions.Go(func() { d.Attesters = a.duties(ctx, inst, s, attesters, lacks) })
	}
	questions.Wait()
	return d
}

// accounts are the addresses of a keystore, of the roles that have one.
func (a *app) accounts(ctx context.Context, inst profiles.Instance) (attesters, publishers []keystore.Address, err error) {
	catalog, err := a.catalog()
	if err != nil {
		return nil, nil, err
	}
	if role, err := catalog.Role(inst.Role); err != nil || !role.Keys {
		return nil, nil, err
	}
	var sec secrets
	if err := a.loadKeystore(ctx, inst.Name, &sec); err != nil || sec.keystore == nil {
		return nil, nil, err
	}
	k, err := keystore.Parse(sec.keystore)
	return k.Addresses(), k.Publishers(), err
}

// duties asks the node, if it answered before, what attesters did, and L1
// whether they are in the validator set of its rollup.
func (a *app) duties(ctx context.Context, inst profiles.Instance, s status, attesters []keystore.Address, lacks func(string, error)) []probe.Duties {
	if len(attesters) == 0 || s.Node == nil || s.Node.NodeVersion == "" {
		return nil
	}
	meta, err := a.files().Active(s.Unit)
	if err != nil {
		lacks("attesters", err)
		return nil
	}
	var list []string
	for _, address := range attesters {
		list = append(list, address.String())
	}
	var standings []probe.Standing
	var asking sync.WaitGroup
	asking.Go(func() {
		var err error
		if standings, err = probe.Standings(ctx, probe.Client(), inst.L1.RPC, s.Node.RollupAddress, list); err != nil {
			lacks("validator set", err)
		}
	})
	duties, err := probe.Attesters(ctx, probe.Client(), probeTarget(meta), list)
	asking.Wait()
	if err != nil {
		lacks("attestations", err)
		for _, address := range list {
			duties = append(duties, probe.Duties{Attester: address})
		}
	}
	for i, standing := range standings {
		duties[i].Standing = standing
	}
	return duties
}

func l1Now(ctx context.Context, l1 doctor.L1, node *probe.Report) (*l1State, error) {
	number, at, err := l1.Newest(ctx)
	if err != nil {
		return nil, err
	}
	state := &l1State{Block: number, Time: at}
	if node != nil && node.SyncedL1 != nil {
		behind := int64(max(0, at.Sub(*node.SyncedL1)).Seconds())
		state.BehindSeconds = &behind
	}
	if node != nil && node.RollupAddress != "" {
		// Older rollups have no such function, and their nodes no checkpoints.
		if n, err := probe.PublishedCheckpoint(ctx, l1.Client, l1.URLs, node.RollupAddress); err == nil {
			state.Checkpoint = &n
		}
	}
	return state, nil
}

// balances are in the order of the addresses. An address is shown even if its
// balance is not known; the error is the last one.
func balances(ctx context.Context, l1 doctor.L1, addresses []keystore.Address) ([]publisher, error) {
	if len(addresses) == 0 {
		return nil, nil
	}
	list, errs := make([]publisher, len(addresses)), make([]error, len(addresses))
	var asking sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i, address := range addresses {
		list[i].Address = address.String()
		slots <- struct{}{}
		asking.Go(func() {
			defer func() { <-slots }()
			wei, err := l1.Balance(ctx, address.String())
			if errs[i] = err; err == nil {
				list[i].Wei, list[i].ETH = wei.String(), doctor.Ether(wei)
			}
		})
	}
	asking.Wait()
	for _, err := range errs {
		if err != nil {
			return list, err
		}
	}
	return list, nil
}

// errorLines is how many lines of errors are read, of which the last may belong
// to a stack.
const errorLines = 100

// lastError is the first line of the last error that the journal has of the node
// or of systemd about it; nil if there is none of the last day.
func (a *app) lastError(ctx context.Context, s status) (*errorLine, error) {
	hidden := a.journalSecrets(ctx, []string{s.Name})
	var last *errorLine
	q := journal.Query{Units: []string{s.Unit}, Level: journal.Error, Lines: errorLines, Since: errorWindow}
	err := journal.Read(ctx, q, func(e journal.Entry) error {
		if last != nil && !journal.Begins(e) {
			return nil
		}
		last = &errorLine{e.Time.UTC(), firstLine(journal.Plain(hidden.Text(e.Message)))}
		return nil
	})
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("the journal of the last day was not read within %s", detailBudget)
	}
	return last, err
}

// maxErrorLine bounds what is shown of an error, in letters.
const maxErrorLine = 300

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	if r := []rune(s); len(r) > maxErrorLine {
		return string(r[:maxErrorLine]) + "..."
	}
	return s
}
