package data

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
)

// aside is where a signing-protection store is kept that a version must not
// meet.
const aside = SavedDir + "/" + Protection

// SetAside takes the signing-protection store away, and returns where it is
// kept below the data directory. Without one it returns "". The node must not
// run.
func (d *Dir) SetAside() (string, error) {
	if _, err := d.root.Lstat(Protection); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err := d.makeSaved(); err != nil {
		return "", err
	}
	to := aside
	for n := 2; ; n++ {
		if _, err := d.root.Lstat(to); errors.Is(err, fs.ErrNotExist) {
			break
		}
		to = aside + "-" + strconv.Itoa(n) // all that were ever set aside stay
	}
	if err := d.root.Rename(Protection, to); err != nil {
		return "", fmt.Errorf("setting %s aside: %w", Protection, err)
	}
	d.step()
	return to, errors.Join(d.sync("."), d.sync(SavedDir))
}

// PutBack brings the signing-protection store back that was set aside, if
// there is none in place and the version that starts next opens stores up to
// that schema. It reports whether it did. The node must not run.
func (d *Dir) PutBack(schema int) (bool, error) {
	if _, err := d.root.Lstat(Protection); !errors.Is(err, fs.ErrNotExist) {
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
	if err := d.root.Rename(aside, Protection); err != nil {
		return false, fmt.Errorf("putting %s back: %w", Protection, err)
	}
	d.step()
	return true, errors.Join(d.sync("."), d.sync(SavedDir))
}
