package extract

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const pinName = "pinned" // in the directory of an image that collections keep

// Pin marks the image id as one to keep, or takes the mark away. Errors wrap ErrNotFound.
func (s *Store) Pin(id string, pinned bool) error {
	err := s.checkFormat()
	var im *Image
	if err == nil {
		im, err = s.load(id)
	}
	if err == nil {
		path := filepath.Join(im.dir, pinName)
		if pinned {
			err = writeDurably(path, nil)
		} else if err = os.Remove(path); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("pinning image %s: %w", oneLine(id), err)
	}
	return nil
}

// Pinned says whether the image is marked as one to keep.
func (im *Image) Pinned() bool { return exists(filepath.Join(im.dir, pinName)) }
