package extract

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"
)

// Collected is what a collection did, or would do.
type Collected struct {
	Removed []Removal `json:"removed"`
	Kept    []Kept    `json:"kept"`
	// Leftovers is the number of bytes of runs that were killed.
	Leftovers  int64 `json:"leftover_bytes"`
	FreedBytes int64 `json:"freed_bytes"` // all together
}

// Removal is an image that is removed.
type Removal struct {
	*Image
	Freed int64 `json:"freed_bytes"` // on the disk: what no image that stays, or is removed after it, has too
}

// Kept is an image that stays, and why.
type Kept struct {
	*Image
	Reason string `json:"reason"`
}

// Collect removes the images that keep gives no reason for, oldest first, and what killed runs left. With dryRun it only says what it
// would do. Images that cannot be read are left alone; the error says so. What is being unpacked by another process stays.
func (s *Store) Collect(keep func(*Image) (reason string), dryRun bool) (Collected, error) {
	images, failed := s.List()
	var c Collected
	if errors.Is(failed, ErrSchema) {
		return c, failed
	}
	if err := s.checkFormat(); err != nil {
		return c, err
	}
	seen := links{}
	if err := s.leftovers(&c, seen, dryRun); err != nil {
		return c, fmt.Errorf("removing what killed runs left: %w", err)
	}
	for _, im := range slices.Backward(images) {
		if reason := keep(im); reason != "" {
			c.Kept = append(c.Kept, Kept{im, reason})
			continue
		}
		if !dryRun {
			seen = links{} // what was counted is gone from the link counts too
		}
		freed, err := seen.usage(im.dir)
		if err == nil && !dryRun {
			err = s.Remove(im.ID)
		}
		if err != nil {
			return c, fmt.Errorf("removing image %s: %w", im.ID, err)
		}
		c.Removed = append(c.Removed, Removal{im, freed})
		c.FreedBytes += freed
	}
	return c, failed
}

// leftovers counts and removes what killed runs left.
func (s *Store) leftovers(c *Collected, seen links, dryRun bool) error {
	// Counting takes its time, in which nobody should find them locked.
	var paths []string
	err := s.left(func(path string) error {
		paths = append(paths, path)
		return nil
	})
	for _, path := range paths {
		n, uerr := seen.usage(path)
		c.Leftovers += n
		err = errors.Join(err, uerr)
	}
	c.FreedBytes += c.Leftovers
	if err != nil || dryRun {
		return err
	}
	return s.sweep("")
}

// links counts how often inodes with several links were met: their blocks are free when all links are gone.
type links map[inode]uint64

type inode struct{ dev, ino uint64 }

// usage is how many bytes the removal of dir frees, after all that was asked about before is removed too.
func (l links) usage(dir string) (int64, error) {
	var n int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		if !d.IsDir() && st.Nlink > 1 {
			id := inode{uint64(st.Dev), st.Ino}
			if l[id]++; l[id] < uint64(st.Nlink) {
				return nil
			}
		}
		n += st.Blocks * 512 // stat(2): in units of 512 bytes
		return nil
	})
	return n, err
}
