package extract

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	storeName   = "store.json"
	tagsName    = "tags.json"
	storeSchema = 2 // of the store as a whole: what its doc comment shows
)

// writeDurably replaces the file at path: what a crash leaves is the old one or the new one.
func writeDurably(path string, raw []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".tmp-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(raw)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// readJSON reads a file of the store; ok is false if there is none.
func readJSON(path string, into any) (ok bool, err error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return false, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return true, nil
}

func writeJSON(path string, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return writeDurably(path, append(raw, '\n'))
}

// checkFormat refuses a store that a newer version of this program has written to. One without a mark gets one.
func (s *Store) checkFormat() error {
	var mark struct {
		Schema int `json:"schema"`
	}
	ok, err := readJSON(filepath.Join(s.Dir, storeName), &mark)
	switch {
	case err != nil:
		return err
	case mark.Schema > storeSchema:
		return fmt.Errorf("%s: %w (schema %d, this one knows %d)", storeName, ErrSchema, mark.Schema, storeSchema)
	case ok && mark.Schema == storeSchema:
		return nil
	}
	mark.Schema = storeSchema
	return writeJSON(filepath.Join(s.Dir, storeName), mark)
}
