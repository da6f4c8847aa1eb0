package main

import (
	"fmt"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units/data"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// keptData is data that an earlier version of an instance left, as gc --json
// prints it.
type keptData struct {
	Name       string     `json:"name"` // of the instance
	Generation int        `json:"generation"`
	Version    string     `json:"version,omitempty"`
	Bytes      int64      `json:"bytes"` // on disk; clones share theirs with the data in place
	Until      *time.Time `json:"until,omitempty"`
}

func (d keptData) String() string {
	version := d.Version
	if version == "" {
		version = fmt.Sprintf("generation %d", d.Generation)
	}
	return fmt.Sprintf("data of %s that %s left", d.Name, version)
}

// collectData drops the data that nothing wants any more, or only says which
// they are. Data that a roll under way keeps stay.
func (a *app) collectData(dryRun bool) (removed, stay []keptData, err error) {
	names, err := a.everyName()
	if err != nil {
		return nil, nil, err
	}
	removed, stay = []keptData{}, []keptData{}
	for _, name := range names {
		r, s, err := a.collectDataOf(name, dryRun)
		removed, stay = append(removed, r...), append(stay, s...)
		if err != nil {
			return removed, stay, fmt.Errorf("collecting the data of %s: %w", name, err)
		}
	}
	return removed, stay, nil
}

func (a *app) collectDataOf(name string, dryRun bool) (removed, stay []keptData, err error) {
	d, err := a.openData(name)
	if d == nil || err != nil {
		return nil, nil, err
	}
	defer d.Close()
	sets, err := d.Sets()
	if err != nil || len(sets) == 0 {
		return nil, nil, err
	}
	state, err := a.files().Load(name)
	if err != nil {
		return nil, nil, err
	}
	for _, set := range sets {
		k := described(name, set, state)
		if state.Wants(set.Generation) {
			stay = append(stay, k)
			continue
		}
		if !dryRun {
			if err := d.Drop(set.Generation); err != nil {
				return removed, stay, err
			}
			state.Forget(set.Generation)
		}
		removed = append(removed, k)
	}
	if dryRun || len(removed) == 0 {
		return removed, stay, nil
	}
	return removed, stay, a.files().Save(name, state)
}

func described(name string, set data.Set, state roll.State) keptData {
	k := keptData{Name: name, Generation: set.Generation, Bytes: set.Bytes}
	if g, ok := state.Generation(set.Generation); ok {
		k.Version = g.Version
	}
	for _, kept := range state.Kept {
		if kept.Generation == set.Generation {
			until := time.Now().UTC().Add(kept.Left()).Round(time.Second)
			k.Until = &until
		}
	}
	return k
}

// printData says what became of the data that earlier versions left.
func (a *app) printData(removed, stay []keptData, dryRun bool) {
	verb := "removed"
	if dryRun {
		verb = "would remove"
	}
	for _, k := range stay {
		until := "a roll needs them"
		if k.Until != nil {
			until = "until " + k.Until.Local().Format(time.DateTime)
		}
		a.print("kept %s: %s, %s", k, until, bytesOf(k.Bytes))
	}
	for _, k := range removed {
		a.print("%s %s: %s", verb, k, bytesOf(k.Bytes))
	}
}
