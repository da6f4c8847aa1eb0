package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/aztec-spartan/aztec-spartan/extract"
	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/data"
)

// beginsOn judges the first version of an instance by the data that are there:
// those of one of its name that was removed. No generation is left that a roll
// could go back to, so what a roll keeps from signing (roll.NoSigning) is
// refused here, and what it would keep is told.
func (a *app) beginsOn(catalog profiles.Catalog, inst profiles.Instance, img *extract.Image) error {
	dir := catalog.DataDir(inst)
	if dir == "" {
		return nil
	}
	d, err := data.Open(a.path(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	stores, err := d.Versions()
	if err != nil {
		return err
	}
	wants, err := profiles.StoreSchemas(img.FS())
	if err != nil {
		return err
	}
	was := a.removedVersion(inst.Name)
	signed, there := stores[data.Protection]
	knows := wants[data.Protection]
	switch {
	case !there, signed.Schema > 0 && knows >= signed.Schema:
	case knows > 0 || mayBeOlder(was, img.Version):
		return refuseKept(inst, dir, was, img.Version, signed.Schema)
	}
	if was == "" {
		was = img.Version
	}
	if why := endangered(stores, wants, was, img.Version); why != "" {
		a.note("warning: %s: %s; of the data of before, in %s, it empties what it does not know, and syncs anew", inst.Name, why, dir)
	}
	return nil
}

// refuseKept says why what was signed keeps a version from its data.
func refuseKept(inst profiles.Instance, dir, was, version string, schema int) error {
	err := usage(fmt.Errorf("configuring %s: what it signed is in %s/%s, of schema %d, and %s is not known to open that: it could sign otherwise what is signed already",
		inst.Name, dir, data.Protection, schema, version))
	before := "the version that wrote it"
	if was != "" && was != version {
		before = was
	}
	return withHint(err, "begin with %s, then: aztec-spartan update %s --to %s, which keeps it from signing as long as needed", before, inst.Name, version)
}

// removedVersion is the version that an instance of that name had when it was
// removed, "" if that is not known.
func (a *app) removedVersion(name string) string {
	text, err := os.ReadFile(a.path(instancePath(name, removedSettings)))
	if err != nil {
		return ""
	}
	was, err := profiles.ParseInstance(name, text)
	if err != nil {
		return ""
	}
	return versionOf(was.Image)
}
