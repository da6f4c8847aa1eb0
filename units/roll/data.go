package roll

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units/data"
)

// What is done about the data of an instance between the stop of one version
// and the start of the other.
const (
	DataAsIs   = ""       // nothing: the other version opens all stores as they are
	DataClone  = "clone"  // its stores are kept, by clones of their files
	DataCopy   = "copy"   // the same, by copies
	DataSwap   = "swap"   // they are kept, and those come back that the other version left
	DataResync = "resync" // nothing, though the other version may empty them: going back means a sync
)

// DataPlan is decided before a roll begins.
type DataPlan struct {
	Method string        `json:"method,omitempty"`
	Set    int           `json:"set,omitempty"`      // generation whose stores a swap brings
	Limit  time.Duration `json:"limit_ns,omitempty"` // for a copy; one that takes longer ends the roll
	Grace  time.Duration `json:"grace_ns,omitempty"` // for which they are kept after a success
	// Older is set if the roll leads to an older version, or it is not known
	// that it does not.
	Older bool `json:"older,omitempty"`
	// FromSigns and ToSigns are the newest schema of signing-protection that
	// each of the two opens, as its image says; 0: it does not say.
	FromSigns int `json:"from_signs,omitempty"`
	ToSigns   int `json:"to_signs,omitempty"`
}

// keeps reports whether the plan keeps the stores of the version that leaves.
func (p DataPlan) keeps() bool {
	return p.Method == DataClone || p.Method == DataCopy || p.Method == DataSwap
}

// openData opens the data of the instance; nil if there are none.
func (r *run) openData() (*data.Dir, error) {
	if r.Data == nil {
		return nil, nil
	}
	path, err := r.Data(r.instance)
	if err != nil {
		return nil, err
	}
	d, err := data.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return d, err
}

// clearData drops a set that an earlier roll from the same generation kept: on
// the way back it would be taken for what this one keeps.
func (r *run) clearData() error {
	if !r.state.Intent.Data.keeps() {
		return nil
	}
	d, err := r.openData()
	if d == nil || err != nil {
		return err
	}
	defer d.Close()
	r.state.Forget(r.from.Number)
	return d.Drop(r.from.Number)
}

// keepData keeps what the new version could destroy. Neither version runs.
func (r *run) keepData(ctx context.Context) error {
	if r.atOnce {
		return nil
	}
	d, err := r.openData()
	if d == nil || err != nil {
		return err
	}
	defer d.Close()
	if err := d.Settle(); err != nil {
		return err
	}
	began := time.Now()
	switch p := r.state.Intent.Data; p.Method {
	case DataSwap:
		if err := d.Swap(r.from.Number, p.Set); err != nil {
			return err
		}
		r.say("the data that %s left are in place, those of %s are kept", r.to.Version, r.from.Version)
	case DataClone, DataCopy:
		if err := r.copyData(ctx, d); err != nil {
			return err
		}
		r.out.DataSeconds = time.Since(began).Seconds()
		r.say("the data of %s are kept (%s), in %.1f s", r.from.Version, p.Method, r.out.DataSeconds)
	}
	p := r.state.Intent.Data
	return r.protect(d, r.to, p.ToSigns, p.Older && r.from.Image != r.to.Image)
}

func (r *run) copyData(ctx context.Context, d *data.Dir) error {
	p := r.state.Intent.Data
	limited, cancel := ctx, context.CancelFunc(func() {})
	if p.Limit > 0 {
		limited, cancel = context.WithTimeout(ctx, p.Limit)
	}
	defer cancel()
	err := d.Save(limited, r.from.Number, data.Method(p.Method))
	if limited.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("a copy of the data takes longer than %s: %w", p.Limit, err)
	}
	return err
}

// giveBack puts the stores of the old version back, and makes sure that it
// neither empties nor forgets what was signed since. It changes nothing while
// a version runs.
func (r *run) giveBack(ctx context.Context) {
	r.giveStoresBack(ctx)
	if r.back.broken == nil {
		r.release()
	}
}

func (r *run) giveStoresBack(ctx context.Context) {
	d, err := r.openData()
	if d == nil && err == nil {
		return
	}
	if err != nil {
		r.fails("%v", err)
		if r.state.Intent.Data.keeps() || r.mayForget() {
			r.back.broken = err
		}
		return
	}
	defer d.Close()
	now, err := r.Manager.Running(ctx, r.state.Unit)
	switch {
	case r.restored, r.state.Intent.Recovered: // and with it its data
		return
	case err != nil:
		r.leftAlone(err)
		return
	case now.down():
	case r.first != "" && now.Invocation == r.first: // the old version, which nothing was taken from
		return
	default:
		r.leftAlone(fmt.Errorf("the node is %s", now.ActiveState))
		return
	}
	if !r.loaded {
		r.loaded = r.Manager.Reload(ctx) == nil // why not is said already
	}
	if !r.loaded || !r.inPlace() {
		// What starts next is the new version, and these are its data.
		r.fails("its data were left as they are")
		r.back.left = true
		return
	}
	if err := r.returnData(d); err != nil {
		r.fails("%v", err)
		if serr := d.Settle(); serr != nil {
			// Started on stores of two versions, it would damage both.
			r.back.broken = serr
			return
		}
		if r.awaits(d) {
			r.back.broken = err
			return
		}
	}
	had := r.state.NoSigning != nil
	p := r.state.Intent.Data
	// A version that was not even started, by systemd after a crash either, has
	// signed nothing.
	ran := r.tried || r.interrupted || now.Invocation != "" && now.Invocation != r.first
	if err := r.protect(d, r.from, p.FromSigns, ran && !p.Older && r.from.Image != r.to.Image); err != nil {
		r.back.broken = err
		return
	}
	if had || r.state.NoSigning != nil { // a drop-in has come or gone
		err := r.Manager.Reload(ctx)
		if err != nil {
			err = r.Manager.Reload(ctx)
		}
		switch {
		case err != nil && r.state.NoSigning != nil: // it would sign, and the store is away
			r.back.broken = err
		case err != nil:
			r.fails("%v", err)
		}
	}
}

// leftAlone says why giveBack changed nothing. If the old version has data that
// are kept, it must not start on those in place, and its own must stay; nor must
// it where it may not know what was signed.
func (r *run) leftAlone(why error) {
	r.fails("its data were left as they are: %v", why)
	if r.state.Intent.Data.keeps() || r.mayForget() {
		r.back.broken = why
	}
}

// mayForget reports whether the old version may not know what the new one has
// signed, so that nothing must be started before that was looked at.
func (r *run) mayForget() bool {
	p := r.state.Intent.Data
	return r.from.Image != r.to.Image && (p.ToSigns > p.FromSigns || r.state.NoSigning != nil)
}

// awaits reports whether the stores of the old version are kept still, so that
// those in place are of another. It would empty them, and what was kept for it
// would be dropped after its start.
func (r *run) awaits(d *data.Dir) bool {
	p := r.state.Intent.Data
	if !p.keeps() || p.Method != DataSwap && !r.tried && !r.interrupted {
		return false // a copy of what is in place
	}
	kept, err := d.Has(r.from.Number)
	return kept || err != nil
}

func (r *run) returnData(d *data.Dir) error {
	if err := d.Settle(); err != nil {
		return err
	}
	p := r.state.Intent.Data
	if !p.keeps() {
		return nil
	}
	if kept, err := d.Has(r.from.Number); err != nil || !kept {
		return err // none yet, or it is back already
	}
	if p.Method == DataSwap {
		return d.Swap(p.Set, r.from.Number)
	}
	if !r.tried && !r.interrupted { // the new version has not touched them
		return d.Drop(r.from.Number)
	}
	if err := d.Swap(r.to.Number, r.from.Number); err != nil {
		return err
	}
	r.say("the data of %s are back in place", r.from.Version)
	return nil
}

// dropSets drops what nothing wants any more, once the outcome is recorded:
// before, an engine could still have to go back. It takes time, so the node
// runs already. What it cannot drop is left for gc.
func (r *run) dropSets() {
	if result := r.out.Result; result != Done && result != Waiting && result != RolledBack {
		return
	}
	d, err := r.openData()
	if d == nil || err != nil {
		return
	}
	defer d.Close()
	sets, err := d.Sets()
	if err != nil {
		r.say("%v", err)
	}
	known := len(r.state.Kept)
	for _, set := range sets {
		if r.state.Wants(set.Generation) {
			continue
		}
		if err := d.Drop(set.Generation); err != nil {
			r.say("%v", err)
			continue
		}
		r.state.Forget(set.Generation)
	}
	if len(r.state.Kept) == known {
		return
	}
	if err := r.Files.Save(r.instance, r.state); err != nil {
		r.say("%v", err)
	}
}
