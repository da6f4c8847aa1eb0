package data

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Protection is the store that remembers what was signed, of versions with
// upstream's 1d31189876 (2026-03-05). 4.1.2 has none.
const Protection = "signing-protection"

// Version is what the db_version of a store says.
type Version struct {
	Schema int    `json:"schemaVersion"`
	Rollup string `json:"rollupAddress"` // of the contract on L1; zero for what is of no rollup
}

// versionFile is DATABASE_VERSION_FILE_NAME of @aztec/stdlib.
const versionFile = "db_version"

// maxVersion bounds what is read of a db_version.
const maxVersion = 4096

// Versions are those of the stores in place, signing-protection among them. One
// that cannot be read has schema 0: no node opens the store as it is.
func (d *Dir) Versions() (map[string]Version, error) {
	stores, err := d.live()
	if err != nil {
		return nil, fmt.Errorf("listing the stores: %w", err)
	}
	found := map[string]Version{}
	for _, name := range append(stores, Protection) {
		v, err := d.version(name)
		if errors.Is(err, fs.ErrNotExist) {
			if _, err := d.root.Lstat(name); err != nil || name == Protection {
				continue
			}
		}
		found[name] = v // zero if it cannot be read
	}
	return found, nil
}

func (d *Dir) version(store string) (Version, error) {
	f, err := d.root.Open(store + "/" + versionFile)
	if err != nil {
		return Version{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxVersion))
	if err != nil {
		return Version{}, err
	}
	var v Version
	if err := json.Unmarshal(text, &v); err != nil {
		return Version{}, fmt.Errorf("reading the version of the store %s: %w", store, err)
	}
	return v, nil
}
