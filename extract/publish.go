package extract

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// draft is an image being unpacked.
type draft struct {
	store *Store
	id    string
	path  string   // where it is right now
	lock  *os.File // also the open directory
}

// begin makes room for unpacking id, and sweeps up what crashed runs left.
func (s *Store) begin(id string) (*draft, error) {
	// Only the store itself is private, not what leads to it.
	if err := os.MkdirAll(filepath.Dir(s.Dir), 0o755); err != nil {
		return nil, err
	}
	if err := os.Mkdir(s.Dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if st, err := os.Stat(s.Dir); err != nil {
		return nil, err
	} else if st.Mode().Perm()&0o077 != 0 {
		if err := os.Chmod(s.Dir, 0o700); err != nil {
			return nil, err
		}
	}
	if err := s.sweep(); err != nil {
		return nil, err
	}
	path := filepath.Join(s.Dir, partial+id)
	if err := os.Mkdir(path, 0o700); errors.Is(err, fs.ErrExist) {
		return nil, ErrBusy
	} else if err != nil {
		return nil, err
	}
	lock, err := lockDir(path)
	if err != nil {
		return nil, err
	}
	d := &draft{store: s, id: id, path: path, lock: lock}
	if err := os.Mkdir(filepath.Join(path, rootfsName), 0o755); err != nil {
		return nil, d.abandon(err)
	}
	return d, nil
}

func (d *draft) rootfs() string { return filepath.Join(d.path, rootfsName) }

// publish makes the draft an image of the store. The mark comes last, when all else is on the disk: a crash at any point leaves
// either a complete image or one that is not there.
func (d *draft) publish(im *Image) error {
	raw, err := json.MarshalIndent(im, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(d.path, recordName), append(raw, '\n'), 0o600); err != nil {
		return err
	}
	// One for all files: fsync of each would cost minutes on a tree of tens of thousands.
	if err := unix.Syncfs(int(d.lock.Fd())); err != nil {
		return fmt.Errorf("syncing: %w", err)
	}
	final := filepath.Join(d.store.Dir, d.id)
	// What has the name already was found incomplete, or it would have been used.
	if err := os.RemoveAll(final); err != nil {
		return err
	}
	if err := os.Rename(d.path, final); err != nil {
		return err
	}
	d.path = final
	if err := syncDir(d.store.Dir); err != nil {
		return err
	}
	return d.mark()
}

func (d *draft) mark() error {
	path := filepath.Join(d.path, completeName)
	f, err := os.OpenFile(path+".tmp", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(d.id + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return d.lock.Sync()
}

// abandon deletes the draft because of err, which it returns. It is never called for one whose publish succeeded.
func (d *draft) abandon(err error) error {
	if cerr := errors.Join(os.RemoveAll(d.path), d.lock.Close()); cerr != nil {
		return fmt.Errorf("%w; then cleaning up: %w", err, cerr)
	}
	return err
}
