package data

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
)

// aside is where the signing-protection store is kept that was set aside last,
// since a version must not meet it. Those before it have a number after it.
const aside = SavedDir + "/" + Protection

// SetAside takes the signing-protection store away, and returns where the one
// is kept, below the data directory, that PutBack brings. Without one in place
// it returns "". unused is set if nothing was signed with it since another was
// set aside, which then stays the one that comes back. The node must not run.
func (d *Dir) SetAside(unused bool) (string, error) {
	if _, err := d.root.Lstat(Protection); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err := d.makeSaved(); err != nil {
		return "", err
	}
	if unused {
		if there, err := d.Aside(); err != nil {
			return "", err
		} else if there {
			return aside, d.number(Protection)
		}
	}
	// All that were ever set aside stay. Between the two renames none has the
	// name that PutBack looks for, and the newest is in place.
	if err := d.number(aside); err != nil {
		return "", err
	}
	if err := d.root.Rename(Protection, aside); err != nil {
		return "", fmt.Errorf("setting %s aside: %w", Protection, err)
	}
	d.step()
	return aside, errors.Join(d.sync(SavedDir), d.sync("."))
}

// number gives a store, if it is there, a name of its own among those that were
// set aside.
func (d *Dir) number(store string) error {
	if _, err := d.root.Lstat(store); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for n := 2; ; n++ {
		to := aside + "-" + strconv.Itoa(n)
		if _, err := d.root.Lstat(to); err == nil {
			continue
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := d.root.Rename(store, to); err != nil {
			return fmt.Errorf("setting %s aside: %w", Protection, err)
		}
		d.step()
		return errors.Join(d.sync(SavedDir), d.sync("."))
	}
}

// Aside reports whether the store that was set aside last is still there.
func (d *Dir) Aside() (bool, error) {
	_, err := d.root.Lstat(aside)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// PutBack brings the signing-protection store back that was set aside last, if
// the version that starts next opens stores up to that schema, and there is
// none in place. unused is set if nothing was signed with one in place: it is
// then set aside. PutBack reports whether it did. The node must not run.
func (d *Dir) PutBack(schema int, unused bool) (bool, error) {
	if _, err := d.root.Lstat(Protection); !errors.Is(err, fs.ErrNotExist) && (err != nil || !unused) {
		return false, err
	}
	v, err := d.version(aside)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case v.Schema > schema:
		return false, nil
	}
	if err := d.number(Protection); err != nil {
		return false, err
	}
	if err := d.root.Rename(aside, Protection); err != nil {
		return false, fmt.Errorf("putting %s back: %w", Protection, err)
	}
	d.step()
	return true, errors.Join(d.sync("."), d.sync(SavedDir))
}
