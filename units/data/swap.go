package data

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Swap takes the stores in place away, as the set of generation out, and puts
// those of generation in there, which were kept. The node must not run. It is
// renames only: it takes no space and no time.
//
// All stores leave before the first one comes, and one rename is between the
// two: of the set that comes. Before it Settle moves back, after it Settle
// moves on.
func (d *Dir) Swap(out, in int) error {
	err := d.swap(setOf(out), setOf(in))
	if err != nil {
		return fmt.Errorf("exchanging the data of generation %d for those of %d: %w", out, in, err)
	}
	return nil
}

func (d *Dir) swap(out, in string) error {
	if out == in {
		return errors.New("they are the same")
	}
	if info, err := d.root.Lstat(in); err != nil {
		return err
	} else if !info.IsDir() {
		return fmt.Errorf("%s is no directory", in)
	}
	// What is kept of that generation already is older than what is in place.
	if err := d.remove(out); err != nil {
		return err
	}
	live, err := d.live()
	if err != nil {
		return err
	}
	coming, err := d.names(in)
	if err != nil {
		return err
	}
	for _, name := range coming {
		// One that was being emptied has no version yet.
		if _, err := d.root.Lstat(name); err == nil && !slices.Contains(live, name) {
			live = append(live, name)
		}
	}
	if err := d.root.Mkdir(out+leaving, 0o700); err != nil {
		return err
	}
	d.step()
	for _, name := range live {
		if err := d.root.Rename(name, out+leaving+"/"+name); err != nil {
			return err
		}
		d.step()
	}
	if err := errors.Join(d.sync(out+leaving), d.sync("."), d.sync(SavedDir)); err != nil {
		return err
	}
	if err := d.root.Rename(in, in+arriving); err != nil {
		return err
	}
	d.step()
	if err := d.sync(SavedDir); err != nil {
		return err
	}
	return d.arrive(in+arriving, out)
}

// arrive moves the stores of a set into place, and makes what has left a set.
func (d *Dir) arrive(in, out string) error {
	names, err := d.names(in)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := d.place(in+"/"+name, name); err != nil {
			return err
		}
	}
	if err := errors.Join(d.sync("."), d.sync(in)); err != nil {
		return err
	}
	// While the set that came has its name, this is known to be its second half.
	if out != "" {
		if err := d.root.Rename(out+leaving, out); err != nil {
			return err
		}
		d.step()
	}
	if err := d.root.Remove(in); err != nil {
		return err
	}
	d.step()
	return d.sync(SavedDir)
}

// place moves a store into place. What is there already was made by a node that
// was started in the middle, on stores of no version: it gives way.
func (d *Dir) place(from, name string) error {
	err := d.root.Rename(from, name)
	if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) || errors.Is(err, unix.ENOTDIR) {
		if err := d.root.RemoveAll(name); err != nil {
			return err
		}
		d.step()
		err = d.root.Rename(from, name)
	}
	if err != nil {
		return err
	}
	d.step()
	return nil
}

// Settle ends what an earlier run began: a copy that is not whole is dropped,
// a swap is taken back if no store has come yet, and else brought to its end.
// After it the stores in place are those of one version. The node must not
// run.
func (d *Dir) Settle() error {
	if err := d.settle(); err != nil {
		return fmt.Errorf("ending what an interrupted roll began with the data: %w", err)
	}
	return nil
}

func (d *Dir) settle() error {
	names, err := d.saved()
	if err != nil {
		return err
	}
	var in, out string
	for _, name := range names {
		path := SavedDir + "/" + name
		switch {
		case strings.HasSuffix(name, partial):
			if err := d.root.RemoveAll(path); err != nil {
				return err
			}
			d.step()
		case strings.HasSuffix(name, arriving):
			in = path
		case strings.HasSuffix(name, leaving):
			out = strings.TrimSuffix(path, leaving)
		}
	}
	switch {
	case in != "":
		return d.arrive(in, out)
	case out != "":
		return d.comeBack(out + leaving)
	}
	_ = d.root.Remove(SavedDir) // it may hold sets
	return nil
}

// comeBack moves stores that were to leave into place again.
func (d *Dir) comeBack(out string) error {
	names, err := d.names(out)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := d.place(out+"/"+name, name); err != nil {
			return err
		}
	}
	if err := errors.Join(d.sync("."), d.sync(out), d.root.Remove(out)); err != nil {
		return err
	}
	d.step()
	return d.sync(SavedDir)
}
