package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/aztec-spartan/aztec-spartan/extract"
	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/data"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// dataOutlook is what a switch means for the data of an instance, before
// anything is changed. update --check --json prints it.
type dataOutlook struct {
	// Known is set if the image is here to be asked. Without it only the numbers
	// of the versions say something.
	Known  bool   `json:"known"`
	Why    string `json:"why,omitempty"`   // the version may not open the stores as they are; "": it does, as far as is known
	Method string `json:"method"`          // how they are kept for the way back: "" (as they are), clone, copy, swap or resync (not at all)
	How    string `json:"how,omitempty"`   // that is decided, in words
	Bytes  int64  `json:"bytes,omitempty"` // of the stores, where they are cloned, copied or neither
	// Signing is why the version before would not sign after a way back, or the
	// other one at once where it is the older one; "": both would.
	Signing string `json:"signing,omitempty"`

	plan  roll.DataPlan
	kept  roll.Kept // that a swap brings
	empty bool      // there are no stores
}

// outlook looks at the data of an instance, and at what two versions want of
// them. It changes nothing. to.Image is "" if the image is not here.
func (a *app) outlook(name string, state roll.State, from, to roll.Generation) (o dataOutlook, err error) {
	o = dataOutlook{Known: to.Image != "", plan: roll.DataPlan{Older: mayBeOlder(from.Version, to.Version)}, empty: true}
	d, err := a.openData(name)
	if d == nil || err != nil {
		return o, err
	}
	defer d.Close()
	stores, err := d.Versions()
	if err != nil {
		return o, err
	}
	var schemas map[string]int
	if o.Known {
		if schemas, err = a.storeSchemas(to.Image); err != nil {
			return o, err
		}
	}
	before, err := a.storeSchemas(from.Image)
	if err != nil {
		return o, err
	}
	o.plan.FromSigns, o.plan.ToSigns = before[data.Protection], schemas[data.Protection]
	o.empty = len(stores) == 0
	if o.Known {
		o.Signing = silenced(stores[data.Protection].Schema, o.plan, from.Version, to.Version)
	}
	if o.Why = endangered(stores, schemas, from.Version, to.Version); o.Why == "" {
		return o, nil
	}
	c, err := a.hostConfig()
	if err != nil {
		return o, err
	}
	o.plan.Limit, o.plan.Grace = c.Update.CopyTime.Duration, c.Update.KeepData.Duration
	set, there, err := leftBy(d, state, to)
	switch {
	case err != nil:
		return o, err
	case there:
		o.kept, o.plan.Method, o.plan.Set = set, roll.DataSwap, set.Generation
		left := set.Since
		if left.IsZero() {
			left = set.Until.Add(-o.plan.Grace)
		}
		o.How = fmt.Sprintf("the data that %s left on %s come back", to.Version, left.Local().Format(time.DateOnly))
	default:
		if o.Bytes, o.How, err = a.keepBy(d, &o.plan, int64(c.Update.CopyLimit), int64(c.Store.Reserve)); err != nil {
			return o, err
		}
	}
	o.Method = o.plan.Method
	return o, nil
}

// silenced says which of the two versions would not sign, since it does not
// know what the other one has signed. is the schema of what was signed so far, 0
// if nothing was.
func silenced(is int, p roll.DataPlan, from, to string) string {
	after, knows, who, when := max(is, p.ToSigns), p.FromSigns, from, "after a way back"
	if p.Older {
		after, knows, who, when = is, p.ToSigns, to, "from its start on"
	}
	if after == 0 || knows >= after {
		return ""
	}
	return fmt.Sprintf("%s would not sign %s: what was signed is in a %s of schema %d, and it opens those up to %d", who, when, data.Protection, after, knows)
}

// checkData adds to what update --check says what would become of the data.
func (a *app) checkData(c *checked, state roll.State, current units.Meta) error {
	if c.To == "" {
		return nil
	}
	to := roll.Generation{Version: orDefault(versionOf(c.ToRef), c.To), Digest: c.ToDigest}
	img, err := a.here(c.ToRef)
	switch {
	case err == nil && (c.ToDigest == "" || img.Digest == c.ToDigest):
		to.Version, to.Image = img.Version, img.ID
	case err != nil && !errors.Is(err, extract.ErrNotFound):
		return err
	}
	from := roll.Generation{Version: current.Version, Image: current.Image}
	o, err := a.outlook(c.Name, state, from, to)
	if err != nil {
		return err
	}
	h, err := a.hostConfig()
	if err != nil {
		return err
	}
	c.Data = &o
	a.tellData(c, to.Version, h.Update.WithoutCopy == withoutCopyStop)
	return nil
}

// tellData says what becomes of the data; stops is set if an unattended update
// does not go on where they cannot be kept.
func (a *app) tellData(c *checked, version string, stops bool) {
	o := c.Data
	switch {
	case o.empty:
	case o.Method == roll.DataResync:
		then := ""
		if stops {
			then = ", so an unattended update would stop before it begins"
		}
		a.note("warning: %s: %s, and its data cannot be kept: %s; going back would mean a sync from the beginning%s", c.Name, o.Why, o.How, then)
	case o.Why != "":
		a.print("%s: %s; its data would be kept for the way back: %s", c.Name, o.Why, o.How)
	case !o.Known:
		a.print("%s: whether %s opens its data as they are is known when its image is here: aztec-spartan pull %s", c.Name, version, c.ToRef)
	default:
		a.print("%s: %s opens its data as they are", c.Name, version)
	}
	if o.Signing != "" {
		a.note("warning: %s: %s", c.Name, o.Signing)
	}
}
