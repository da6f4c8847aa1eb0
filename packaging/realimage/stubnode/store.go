package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// stores are the directories of a node's data with the schema version that
// 4.1.2 writes into the db_version of each.
var stores = map[string]int{
	"archiver": 5, "l1-tx-utils": 1, "p2p": 1, "p2p-archive": 1, "p2p-attestation": 1,
	"p2p-peers": 1, "slasher": 1, "world_state": 2,
}

// store is the data directory. What it holds of the chain is how many blocks
// there are, so that a restart, and another version, goes on from there.
type store struct {
	mu    sync.Mutex
	dir   string
	start int
}

func openStore(dir, rollup string, log *logger) (*store, error) {
	s := &store{dir: dir}
	for name, schema := range stores {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(at, 0o755); err != nil {
			return nil, fatal(fmt.Sprintf("EACCES: permission denied, mkdir '%s'", at))
		}
		version := fmt.Sprintf(`{"schemaVersion":%d,"rollupAddress":"%s"}`, schema, rollup)
		for file, content := range map[string]string{"db_version": version, "lock.mdb": "", "data.mdb": ""} {
			if file == "data.mdb" && exists(filepath.Join(at, file)) {
				continue
			}
			if err := os.WriteFile(filepath.Join(at, file), []byte(content), 0o644); err != nil {
				return nil, fatal(fmt.Sprintf("EACCES: permission denied, open '%s/%s'", at, file))
			}
		}
	}
	var saved struct{ Blocks int }
	if b, err := os.ReadFile(s.file()); err == nil && json.Unmarshal(b, &saved) == nil {
		s.start = saved.Blocks
	}
	log.log("info", "kv-store:lmdb-v2:archiver", "Creating archiver data store at directory "+filepath.Join(dir, "archiver")+" with map size 134217728 KB (LMDB v2)")
	return s, s.save(s.start)
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
