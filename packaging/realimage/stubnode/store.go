package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
)

// stores are the directories of a node's data with the schema version that
// 4.1.2 writes into the db_version of each.
var stores = map[string]int{
	"archiver": 5, "l1-tx-utils": 2, "p2p": 2, "p2p-archive": 1, "p2p-attestation": 1,
	"p2p-peers": 1, "slasher": 1, "world_state": 2,
}

// signingProtection is a store of later versions, which an image has if it
// gives it a schema.
const signingProtection = "signing-protection"

// noRollup is what a store that belongs to no rollup names.
const noRollup = "0x0000000000000000000000000000000000000000"

// dbVersion is the db_version of a store.
type dbVersion struct {
	Schema int    `json:"schemaVersion"`
	Rollup string `json:"rollupAddress"`
}

// store is the data directory. What it holds of the chain is how many blocks
// there are, so that a restart, and another version, goes on from there.
type store struct {
	mu    sync.Mutex
	dir   string
	start int
}

func openStore(dir, rollup string, f faults, log *logger) (*store, error) {
	s := &store{dir: dir}
	wanted := maps.Clone(stores)
	maps.Copy(wanted, f.Schemas)
	for name, schema := range wanted {
		v := dbVersion{schema, rollup}
		if name == "l1-tx-utils" {
			v.Rollup = noRollup
		}
		if err := s.open(name, v, f, log); err != nil {
			return nil, err
		}
	}
	var saved struct{ Blocks int }
	if b, err := os.ReadFile(s.file()); err == nil && json.Unmarshal(b, &saved) == nil {
		s.start = saved.Blocks
	}
	log.log("info", "kv-store:lmdb-v2:archiver", "Creating archiver data store at directory "+filepath.Join(dir, "archiver")+" with map size 134217728 KB (LMDB v2)")
	return s, s.save(s.start)
}

// open opens one store as DatabaseVersionManager of 4.1.2 does: one of another
// schema or another rollup is emptied. signing-protection is as in version 5:
// an older one is taken over, and a newer one refused.
func (s *store) open(name string, v dbVersion, f faults, log *logger) error {
	at := filepath.Join(s.dir, name)
	var was dbVersion
	if readJSON(filepath.Join(at, "db_version"), &was) == nil && was != v {
		switch {
		case name == signingProtection && was.Schema > v.Schema:
			return fatal(fmt.Sprintf("Database version %d of %s is newer than the supported version %d", was.Schema, at, v.Schema))
		case name == signingProtection:
		case f.RefusesOldData && was.Schema < v.Schema:
			return fatal(fmt.Sprintf("cannot open %s of version %d", at, was.Schema))
		default:
			log.log("info", "foundation:version-manager", fmt.Sprintf("Can't upgrade from version %d to %d. Resetting database at %s", was.Schema, v.Schema, at))
			if err := os.RemoveAll(at); err != nil {
				return fatal(fmt.Sprintf("EACCES: permission denied, rm '%s'", at))
			}
		}
	}
	if err := os.MkdirAll(at, 0o755); err != nil {
		return fatal(fmt.Sprintf("EACCES: permission denied, mkdir '%s'", at))
	}
	for file, content := range map[string]string{"db_version": quote(v), "lock.mdb": "", "data.mdb": ""} {
		if file == "data.mdb" && exists(filepath.Join(at, file)) {
			continue
		}
		if err := os.WriteFile(filepath.Join(at, file), []byte(content), 0o644); err != nil {
			return fatal(fmt.Sprintf("EACCES: permission denied, open '%s/%s'", at, file))
		}
	}
	return nil
}

func exists(file string) bool { _, err := os.Stat(file); return err == nil }

func (s *store) file() string { return filepath.Join(s.dir, "archiver", "data.mdb") }

// save writes the number of blocks; a store without a directory forgets.
func (s *store) save(blocks int) error {
	if s.dir == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	temp := s.file() + ".tmp"
	if err := os.WriteFile(temp, fmt.Appendf(nil, `{"Blocks":%d}`, blocks), 0o644); err != nil {
		return fmt.Errorf("saving %d blocks: %w", blocks, err)
	}
	if err := os.Rename(temp, s.file()); err != nil {
		return fmt.Errorf("saving %d blocks: %w", blocks, err)
	}
	return nil
}
