package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aztec-spartan/aztec-spartan/extract"
	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// imageNeeds are the reasons for which images may not be removed, by id.
type imageNeeds map[string][]string

func (n imageNeeds) add(id, format string, args ...any) {
	reason := fmt.Sprintf(format, args...)
	if !slices.Contains(n[id], reason) {
		n[id] = append(n[id], reason)
	}
}

// of are the reasons for which an image stays; none: gc removes it.
func (n imageNeeds) of(img *extract.Image) []string {
	reasons := append([]string{}, n[img.ID]...)
	if img.Pinned() {
		reasons = append(reasons, "pinned")
	}
	return reasons
}

// needs finds what the host needs images for. An error means that there may be
// needs that were not found.
func (a *app) needs() (imageNeeds, error) {
	n := imageNeeds{}
	active, err := a.unitNeeds(n)
	if err != nil {
		return nil, err
	}
	names, err := a.everyName()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := a.instanceNeeds(n, name, active[name]); err != nil {
			return nil, err
		}
	}
	return n, a.processNeeds(n)
}

// everyName lists the instances that have settings or a state. One of the two
// may have been lost.
func (a *app) everyName() ([]string, error) {
	names, err := a.instanceNames()
	if err != nil {
		return nil, err
	}
	found, err := os.ReadDir(a.path(stateDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listing instances: %w", err)
	}
	for _, f := range found {
		if profiles.ValidName(f.Name()) == nil {
			names = append(names, f.Name())
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// lockNames lists the instances that there are, and those that another run may
// be making right now: it holds a lock of that name.
func (a *app) lockNames() ([]string, error) {
	names, err := a.everyName()
	if err != nil {
		return nil, err
	}
	locks, err := filepath.Glob(filepath.Join(a.path(lockDir), "*.lock"))
	if err != nil {
		return nil, err
	}
	for _, path := range locks {
		name := strings.TrimSuffix(filepath.Base(path), ".lock")
		if profiles.ValidName(name) == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

var imageID = regexp.MustCompile(`sha256-[0-9a-f]{64}`)

// unitNeeds reads the units that are in place, and returns what they say by
// instance. Those of others that name an image count too.
func (a *app) unitNeeds(n imageNeeds) (map[string]units.Meta, error) {
	paths, err := a.unitFiles("*")
	if err != nil {
		return nil, err
	}
	active := map[string]units.Meta{}
	for _, path := range paths {
		unit := filepath.Base(path)
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		named := imageID.FindAll(text, -1)
		if !bytes.Contains(text, []byte("[X-AztecSpartan]")) {
			for _, id := range named {
				n.add(string(id), "%s names it", unit)
			}
			continue
		}
		meta, err := units.ParseMeta(text)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", unit, err)
		}
		if len(named) == 0 || meta.Instance == "" {
			return nil, fmt.Errorf("reading %s: it names no image", unit)
		}
		for _, id := range named {
			n.add(string(id), "%s runs it", meta.Instance)
		}
		active[meta.Instance] = meta
	}
	return active, nil
}

// instanceNeeds adds what an instance could run next.
func (a *app) instanceNeeds(n imageNeeds, name string, active units.Meta) error {
	state, err := a.files().Load(name)
	if err != nil {
		return err
	}
	if g, ok := state.Generation(state.Previous); ok {
		if g.Image != active.Image {
			n.add(g.Image, "previous of %s", name)
		}
	} else if state.Previous != 0 {
		return fmt.Errorf("reading the state of %s: its previous generation %d is not in it", name, state.Previous)
	}
	if in := state.Intent; in != nil {
		from, ok1 := state.Generation(in.From)
		to, ok2 := state.Generation(in.To)
		if !ok1 || !ok2 {
			return fmt.Errorf("reading the state of %s: its roll from generation %d to %d is to one that is not in it", name, in.From, in.To)
		}
		n.add(from.Image, "%s is rolling from it", name)
		n.add(to.Image, "%s is rolling to it", name)
	}
	inst, err := a.loadInstance(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := a.keepNeeds(n, inst, state, active); err != nil {
		return err
	}
	if err := a.updateNeeds(n, inst, state, active); err != nil {
		return err
	}
	if active.Image != "" && active.Reference == inst.Image {
		return nil
	}
	// What its next start or config would find here.
	img, err := a.couldBeNeeded(inst.Image)
	if img != nil {
		n.add(img.ID, "%s is configured for it", name)
	}
	return err
}

// couldBeNeeded is an image that is named, nil if it is not here. Images that
// cannot be read are never removed, so they are no error.
func (a *app) couldBeNeeded(ref string) (*extract.Image, error) {
	img, err := a.here(ref)
	switch {
	case err == nil:
		return img, nil
	case errors.Is(err, extract.ErrSchema), errors.Is(err, extract.ErrReference):
		return nil, err
	}
	return nil, nil
}

// lookedLately is for how long an unattended look has a say in what is needed:
// looks are an hour apart, unless somebody switched them off.
const lookedLately = 24 * time.Hour

// updateNeeds adds what the last unattended look wanted to install and was kept
// from, as by an L1 that was away or a window that closed while it was fetched,
// or what somebody fetched ahead of its time. Else each look would remove it, and
// the next one fetch it.
func (a *app) updateNeeds(n imageNeeds, inst profiles.Instance, state roll.State, active units.Meta) error {
	u, known := a.updateSeen(inst.Name)
	if !known || u.Newest == "" || active.Reference == "" || time.Since(u.Looked) > lookedLately {
		return nil
	}
	ref, err := a.referenceOf(active, u.Newest)
	if err != nil {
		return fmt.Errorf("looking for the update of %s to %s: %w", inst.Name, u.Newest, err)
	}
	img, err := a.couldBeNeeded(ref)
	if img == nil || img.ID == active.Image {
		return err
	}
	if _, bad := state.Skips(img.Digest); !bad {
		n.add(img.ID, "%s is to be updated to it", inst.Name)
	}
	return nil
}

// keepNeeds adds the newest versions that an instance has run, as many as its
// policy keeps, the one that runs and the previous one among them.
func (a *app) keepNeeds(n imageNeeds, inst profiles.Instance, state roll.State, active units.Meta) error {
	u, err := a.updateSettings(inst)
	if err != nil {
		return err
	}
	kept := []string{active.Image}
	if g, ok := state.Generation(state.Previous); ok && g.Image != active.Image {
		kept = append(kept, g.Image)
	}
	for _, g := range slices.Backward(state.Generations) {
		if len(kept) >= u.Keep {
			break
		}
		if _, bad := state.Skips(g.Digest); !bad && !slices.Contains(kept, g.Image) {
			kept = append(kept, g.Image)
			n.add(g.Image, "one of the last %d versions of %s", u.Keep, inst.Name)
		}
	}
	return nil
}
