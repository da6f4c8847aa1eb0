// Package atomicfile replaces files so that after a crash or a power cut a
// reader finds the old content or the new content, whole: the bytes go to a
// temporary name in the same directory (and so get its SELinux type), are
// fsynced, renamed over the name, and the directory is fsynced.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// tempPrefix marks files that a dead writer left behind; no reader of ours
// and no directory scan of systemd (which wants a unit suffix) takes them.
const tempPrefix = ".aztec-spartan-tmp-"

// Write replaces the file name with data and mode. The directory must exist.
func Write(name string, data []byte, mode fs.FileMode) (err error) {
	dir := filepath.Dir(name)
	f, err := os.CreateTemp(dir, tempPrefix)
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing %s: %w", name, err)
			_ = os.Remove(f.Name()) // gone already when only the last fsync failed
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if err = os.Rename(f.Name(), name); err != nil {
		return err
	}
	return SyncDir(dir)
}

// SyncDir makes the names in dir durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Remove removes the file and makes its absence durable. A file that is not
// there is removed already.
func Remove(name string) error {
	err := os.Remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return SyncDir(filepath.Dir(name))
}
