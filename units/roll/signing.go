package roll

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/aztec-spartan/aztec-spartan/units/atomicfile"
	"github.com/aztec-spartan/aztec-spartan/units/data"
)

// NoSigning says why an instance must not sign, and until when it must not in
// any case. Its node runs with VALIDATOR_DISABLED.
type NoSigning struct {
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`           // every slot that another version could have signed is past then
	Aside  string    `json:"aside,omitempty"` // where signing-protection is kept, below the data directory
	// Boot is the boot in which that was, and Uptime for how long it had lasted.
	Boot   string        `json:"boot,omitempty"`
	Uptime time.Duration `json:"uptime_ns,omitempty"`
}

// Left is for how long it must not sign in any case; it may when that is not
// positive. The time of day may be set meanwhile. Set forward, it calls slots
// past that are not, so the same time must have gone by in this boot, too: since
// then, or since this boot began, where that was in one before. Set back, what was
// signed lies ahead again, and is waited for.
func (n NoSigning) Left() time.Duration {
	boot, up := bootClock()
	return n.left(time.Now(), boot, up)
}

func (n NoSigning) left(now time.Time, boot string, up time.Duration) time.Duration {
	left := n.Until.Sub(now)
	if n.Boot == "" || boot == "" {
		return left
	}
	gone := up
	if n.Boot == boot {
		gone -= n.Uptime
	}
	return max(left, n.Until.Sub(n.Since)-gone)
}

// signedAhead is for how long after its end a version may have signed. A slot
// of mainnet has 72 s; from version 5 the proposer of the next one signs in the
// one before. This is four of them.
const signedAhead = 5 * time.Minute

// protect is called before the start of a version. What signing-protection
// holds must be opened by it, or it must not sign: older versions empty the
// store or refuse to start on it (upstream's 8aa93cf3bd), or do not know it.
// known is the newest schema of it that the version opens, 0 if its image does
// not say; older is set if it is the older one of the two, or if it is not
// known which is.
func (r *run) protect(d *data.Dir, g Generation, known int, older bool) error {
	n, back := r.state.NoSigning, false
	if known > 0 {
		var err error
		// What was made since the store was set aside, nothing was signed with.
		if back, err = d.PutBack(known, n != nil && n.Aside != ""); err != nil {
			return err
		}
		if back {
			r.say("%s is back in place", data.Protection)
		}
	}
	versions, err := d.Versions()
	if err != nil {
		return err
	}
	v, there := versions[data.Protection]
	switch {
	case !there:
		return r.stillForbidden()
	case v.Schema > 0 && known >= v.Schema:
		if !back && n != nil && n.Left() > 0 {
			if aside, err := d.Aside(); err != nil || aside {
				return errors.Join(err, r.stillForbidden())
			}
		}
		return r.allow()
	case known == 0 && !older: // it migrates what it finds, or refuses it
		return r.stillForbidden()
	}
	what := fmt.Sprintf("opens %s up to schema %d", data.Protection, known)
	if known == 0 {
		what = "does not say that it knows " + data.Protection
	}
	return r.forbid(d, fmt.Sprintf("%s %s, and what was signed since is in one of schema %d", g.Version, what, v.Schema))
}

// forbid keeps the version that starts next from signing. It is in effect
// before the store is set aside.
func (r *run) forbid(d *data.Dir, reason string) error {
	now := time.Now().UTC()
	off := &NoSigning{Reason: reason, Since: now, Until: now.Add(signedAhead)}
	off.Boot, off.Uptime = bootClock()
	if n := r.state.NoSigning; n != nil {
		off.Aside = n.Aside
	}
	unused := off.Aside != "" // nothing was signed since
	r.state.NoSigning = off
	if err := r.Files.Save(r.instance, r.state); err != nil {
		return err
	}
	if err := r.Files.forbid(r.instance, r.state.Unit); err != nil {
		return err
	}
	aside, err := d.SetAside(unused)
	if err != nil {
		return err
	}
	r.state.NoSigning.Aside = aside
	r.placed = false // systemd has to read the drop-in
	r.say("it will not sign: %s; the store is kept in %s", reason, aside)
	return nil
}

// stillForbidden makes sure that a forbid is in effect: an engine could have
// died, or the power failed, in the middle of it.
func (r *run) stillForbidden() error {
	if r.state.NoSigning == nil {
		return nil
	}
	r.placed = false // systemd has to read the drop-in
	return r.Files.forbid(r.instance, r.state.Unit)
}

// allow takes forbid back: the version that starts next knows what was signed.
func (r *run) allow() error {
	if r.state.NoSigning == nil {
		return nil
	}
	if err := r.Files.AllowSigning(r.instance, r.state.Unit); err != nil {
		return err
	}
	r.placed = false
	r.state.NoSigning = nil
	r.say("it signs again: it knows what was signed")
	return nil
}

func (f Files) noSigning(instance, unit string) (dropIn, env string) {
	// Drop-ins apply in the order of their names, and of environment files the
	// last one wins.
	return filepath.Join(f.Systemd, unit+".d", "zz-aztec-spartan-no-signing.conf"), filepath.Join(f.State, instance, "no-signing.env")
}

// forbid makes the node run without its validator from its next start. The
// unit in place stays as it is.
func (f Files) forbid(instance, unit string) error {
	dropIn, env := f.noSigning(instance, unit)
	fail := func(err error) error { return fmt.Errorf("keeping %s from signing: %w", instance, err) }
	if err := f.ensure(env, []byte("VALIDATOR_DISABLED=true\n"), 0o600); err != nil {
		return fail(err)
	}
	if err := os.MkdirAll(filepath.Dir(dropIn), 0o755); err != nil {
		return fail(err)
	}
	if err := atomicfile.SyncDir(f.Systemd); err != nil {
		return fail(err)
	}
	text := "# Generated by aztec-spartan: another version may have signed what this one does not know of.\n" +
		"# aztec-spartan start " + instance + " --sign removes it.\n[Service]\nEnvironmentFile=" + env + "\n"
	if err := f.ensure(dropIn, []byte(text), 0o644); err != nil {
		return fail(err)
	}
	return nil
}

// ensure does not write a file that is as it should be: a full disk could
// refuse it.
func (f Files) ensure(name string, want []byte, mode fs.FileMode) error {
	if got, err := os.ReadFile(name); err == nil && bytes.Equal(got, want) {
		return atomicfile.SyncDir(filepath.Dir(name))
	}
	return f.put(name, want, mode)
}

// Forbidden reports whether a drop-in of ours keeps the node from signing.
func (f Files) Forbidden(instance, unit string) bool {
	dropIn, _ := f.noSigning(instance, unit)
	_, err := os.Lstat(dropIn)
	return err == nil
}

// AllowSigning lets the node sign from its next start, once the service manager
// has read its files again. The caller holds the instance's lock, and forgets
// the [NoSigning] in its state.
func (f Files) AllowSigning(instance, unit string) error {
	dropIn, env := f.noSigning(instance, unit)
	for _, name := range []string{dropIn, env} {
		if err := atomicfile.Remove(name); err != nil {
			return fmt.Errorf("letting %s sign: %w", instance, err)
		}
	}
	_ = os.Remove(filepath.Dir(dropIn)) // it may hold the operator's own
	return nil
}
