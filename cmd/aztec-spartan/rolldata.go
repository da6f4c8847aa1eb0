package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/data"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// dataConfig is the part of [update] that is about data.
type dataConfig struct {
	CopyLimit   size     `toml:"copy_limit"`   // stores that are larger are not copied; clones are not limited
	CopyTime    duration `toml:"copy_time"`    // that a copy may take, while the node is stopped
	WithoutCopy string   `toml:"without_copy"` // what an unattended update does where data cannot be kept
	KeepData    duration `toml:"keep_data"`    // after a success
}

// What WithoutCopy may say.
const (
	withoutCopyStop = "stop"
	withoutCopyGo   = "go"
)

// defaultDataConfig leaves most of an epoch (38 min on mainnet) to the gate.
func defaultDataConfig() dataConfig {
	return dataConfig{64 << 30, duration{5 * time.Minute}, withoutCopyStop, duration{24 * time.Hour}}
}

func (c dataConfig) check() error {
	if c.WithoutCopy != withoutCopyStop && c.WithoutCopy != withoutCopyGo {
		return fmt.Errorf("update.without_copy: %q is neither stop nor go", c.WithoutCopy)
	}
	return nil
}

// dataPath is where the data of an instance are found now. Those on another disk
// are bound to their place when the node starts, which is after the recovery
// at boot. An error says that they are away.
func (a *app) dataPath(name string) (string, error) {
	place := a.path(filepath.Join(dataRoot, name))
	text, err := os.ReadFile(a.path(mountPath(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return place, nil
	}
	if err != nil {
		return "", fmt.Errorf("looking for the data of %s: %w", name, err)
	}
	candidates := []string{place}
	if dir := mountedDir(text); dir != "" {
		candidates = append(candidates, a.path(dir))
	}
	for _, dir := range candidates {
		if exists(filepath.Join(dir, dataMarker(name))) {
			return dir, nil
		}
	}
	return "", fmt.Errorf("looking for the data of %s: they are not in %s: is their disk mounted?", name, candidates[len(candidates)-1])
}

// openData opens the data of an instance; nil if there are none.
func (a *app) openData(name string) (*data.Dir, error) {
	path, err := a.dataPath(name)
	if err != nil {
		return nil, err
	}
	d, err := data.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return d, err
}

// storeSchemas are those that an image wants, as far as it says. It cannot be
// called by the engine, whose service has RestrictSUIDSGID=, which takes
// openat2(2) away.
func (a *app) storeSchemas(id string) (map[string]int, error) {
	img, err := a.have(id)
	if err != nil {
		return nil, err
	}
	return profiles.StoreSchemas(img.FS())
}

// dataPlan decides what a roll does about the data, and says it before the
// roll begins.
func (a *app) dataPlan(name string, state roll.State, from, to roll.Generation, unattended bool) (roll.DataPlan, error) {
	o, err := a.outlook(name, state, from, to)
	if err != nil {
		return o.plan, err
	}
	c, err := a.hostConfig()
	if err != nil {
		return o.plan, err
	}
	return o.plan, a.sayPlan(name, o, from.Version, to.Version, unattended && c.Update.WithoutCopy == withoutCopyStop)
}

// sayPlan says what becomes of the data; with stops it is an error that they
// cannot be kept.
func (a *app) sayPlan(name string, o dataOutlook, from, to string, stops bool) error {
	if o.Signing != "" {
		a.note("warning: %s: %s", name, o.Signing)
	}
	switch {
	case o.Why == "":
		return nil
	case o.Method == roll.DataSwap:
		a.note("%s: %s; %s, those of %s are kept", name, o.Why, o.How, from)
		return nil
	case o.Method != roll.DataResync:
		a.note("%s: %s; its data are kept for the way back (%s)", name, o.Why, o.How)
		return nil
	}
	a.note("warning: %s: %s, and its data cannot be kept: %s; going back will mean a sync from the beginning", name, o.Why, o.How)
	if !stops {
		return nil
	}
	err := fmt.Errorf("updating %s: its data could not come back: %s", name, o.How)
	return withHint(err, "aztec-spartan update %s --to %s does it nevertheless, or without_copy = \"go\" in config.toml; copy_limit is how much may be copied", name, to)
}

// keepBy decides how the stores are kept, and says how large they are, and how
// that is.
func (a *app) keepBy(d *data.Dir, plan *roll.DataPlan, limit, reserve int64) (size int64, how string, err error) {
	if size, err = d.Bytes(); err != nil {
		return 0, "", err
	}
	text := bytesOf(size)
	clones, err := d.Clones()
	if err != nil {
		return size, "", err
	}
	if clones {
		plan.Method = roll.DataClone
		return size, text + ", cloned", nil
	}
	free, err := d.Free()
	switch {
	case err != nil:
		return size, "", err
	case size > limit:
		plan.Method = roll.DataResync
		return size, fmt.Sprintf("%s are more than may be copied (copy_limit), and the file system cannot clone", text), nil
	case size > free-reserve:
		plan.Method = roll.DataResync
		return size, fmt.Sprintf("%s do not fit on the disk a second time, and the file system cannot clone", text), nil
	}
	plan.Method = roll.DataCopy
	return size, fmt.Sprintf("%s, copied while the node is stopped, in at most %s", text, plan.Limit), nil
}

// leftBy is the set of stores that the image of a generation left.
func leftBy(d *data.Dir, state roll.State, to roll.Generation) (roll.Kept, bool, error) {
	for _, k := range slices.Backward(state.Kept) {
		if k.Image != to.Image {
			continue
		}
		there, err := d.Has(k.Generation)
		if there || err != nil {
			return k, there, err
		}
	}
	return roll.Kept{}, false, nil
}

// endangered says why a version may not open the stores as they are, "" if it
// does. Where the image says which schema it wants, that decides. Elsewhere the
// number of the version does: another major is another rollup, for which all
// stores are emptied; and schemas change between minors, as that of the
// archiver did nine times from 2025-03 to 2026-08 (upstream's
// ARCHIVER_DB_VERSION). What upstream does not promise is that none changes in
// a patch release.
func endangered(stores map[string]data.Version, schemas map[string]int, from, to string) string {
	if len(stores) == 0 {
		return ""
	}
	v, err1 := profiles.ParseVersion(from)
	w, err2 := profiles.ParseVersion(to)
	if err1 != nil || err2 != nil {
		if from == to {
			return ""
		}
		return fmt.Sprintf("%s and %s cannot be compared", from, to)
	}
	old, now := v.Segments(), w.Segments()
	if old[0] != now[0] {
		return to + " is of another rollup than " + from
	}
	var unknown []string
	names := make([]string, 0, len(stores))
	for name := range stores {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		wants, said := schemas[name]
		switch {
		case name == data.Protection: // stays where it is
		case !said:
			unknown = append(unknown, name)
		case wants != stores[name].Schema:
			return fmt.Sprintf("%s wants schema %d of %s, which has %d", to, wants, name, stores[name].Schema)
		}
	}
	if len(unknown) > 0 && old[1] != now[1] {
		return fmt.Sprintf("%s does not say which schema it wants of %s", to, strings.Join(unknown, ", "))
	}
	return ""
}

// mayBeOlder reports whether a version is older than another, or nobody knows.
func mayBeOlder(from, to string) bool {
	v, err1 := profiles.ParseVersion(from)
	w, err2 := profiles.ParseVersion(to)
	return err1 != nil || err2 != nil || w.LessThan(v)
}

// resumeSigning takes back that an instance must not sign, and reports whether
// there was anything to take back. restart is called for the node to learn of
// it. Until that is done the state says that it does not sign: else nobody would
// know of one that runs without its validator still, and nobody try it again.
func (a *app) resumeSigning(ctx context.Context, name, service string, restart func() error) (bool, error) {
	state, err := a.files().Load(name)
	if err != nil {
		return false, err
	}
	if err := unfinishedRoll(state, "starting", name); err != nil {
		return false, err
	}
	off := state.NoSigning
	if off == nil && !a.files().Forbidden(name, service) {
		a.note("%s: nothing keeps it from signing", name)
		return false, nil
	}
	if off == nil {
		a.note("%s: its state does not say why it must not sign", name) // it was lost, and the drop-in was not
	} else if left := off.Left(); left > 0 {
		err := fmt.Errorf("letting %s sign: a slot that the other version may have signed is not past yet", name)
		return false, withHint(err, "in %s all are: aztec-spartan start %s --sign", left.Round(time.Second), name)
	}
	if off != nil && off.Aside != "" {
		// From now on the node may sign, and what it has signed is in the store in
		// place: a roll must not exchange it for the one that was set aside.
		off.Aside = ""
		if err := a.files().Save(name, state); err != nil {
			return false, err
		}
	}
	if err := a.files().AllowSigning(name, service); err != nil {
		return false, err
	}
	if err := a.reload(ctx); err != nil {
		return false, err
	}
	if err := restart(); err != nil {
		return false, err
	}
	state.NoSigning = nil
	return true, a.files().Save(name, state)
}

// startSigning starts an instance that may sign from then on.
func (a *app) startSigning(ctx context.Context, m *manager.Manager, name string, f startFlags) error {
	running, resumed, err := a.endNoSigning(ctx, name)
	if err != nil || running && resumed {
		return err
	}
	return a.start(ctx, m, name, f)
}
