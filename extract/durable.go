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
	f, lock, err := lockedTemp(path)
	if err != nil {
		return err
	}
	defer lock.Close()
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

// lockedTemp makes a file beside path that is swept if this process is killed, and only then.
func lockedTemp(path string) (f, lock *os.File, err error) {
	for {
		if f, err = os.CreateTemp(filepath.Dir(path), partial+filepath.Base(path)+"-*"); err != nil {
			return nil, nil, err
		}
		if lock, err = lockDir(f.Name()); err == nil {
			return f, lock, nil
		}
		f.Close()
		// A sweeper was quicker.
		if !errors.Is(err, ErrBusy) && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, errors.Join(err, os.Remove(f.Name()))
		}
	}
}

// readJSON reads a file of the store, of a schema that is known; ok is false if there is none. The error wraps ErrSchema, or is a
// *RecordError.
func readJSON(path string, known int, into any) (ok bool, err error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	// What a newer version wrote may have another form.
	var as format
	if err == nil && json.Unmarshal(raw, &as) == nil && as.Schema > known {
		return false, fmt.Errorf("%s: %w (schema %d, this one knows %d)", filepath.Base(path), ErrSchema, as.Schema, known)
	}
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		return false, unreadable(path, err)
	}
	return true, nil
}

// unreadable is a *RecordError, whose path need not be said twice.
func unreadable(path string, err error) *RecordError {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return &RecordError{Path: path, Err: err}
}

func writeJSON(path string, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return writeDurably(path, append(raw, '\n'))
}

// format is store.json.
type format struct {
	Schema int `json:"schema"`
}

// checkFormat refuses a store that a newer version of this program has written to.
func (s *Store) checkFormat() error {
	_, err := s.format()
	return err
}

func (s *Store) format() (format, error) {
	var f format
	_, err := readJSON(filepath.Join(s.Dir, storeName), storeSchema, &f)
	return f, err
}

// markFormat is checkFormat for those who are about to write.
func (s *Store) markFormat() error {
	f, err := s.format()
	if err != nil || f.Schema == storeSchema {
		return err
	}
	return writeJSON(filepath.Join(s.Dir, storeName), format{storeSchema})
}
