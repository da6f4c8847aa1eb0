package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// processNeeds adds images that processes have as their root. A node runs from
// the image that it was started from, whatever its unit says by now: config
// changes units of running nodes.
func (a *app) processNeeds(n imageNeeds) error {
	images, err := a.store().List()
	if err != nil && len(images) == 0 {
		return err
	}
	roots, err := filepath.Glob("/proc/[0-9]*/root")
	if err != nil {
		return err
	}
	for _, root := range roots {
		of, err := os.Stat(root)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ESRCH): // it ended
			continue
		case errors.Is(err, fs.ErrPermission) && !a.live(): // another user's, who cannot enter a store of ours
			continue
		case err != nil:
			return fmt.Errorf("looking for processes that run from images: %w", err)
		}
		for _, img := range images {
			// A bind mount, as of RootDirectory=, has the device and the inode of what is mounted.
			tree, err := os.Stat(img.Rootfs())
			if err == nil && os.SameFile(of, tree) && len(n[img.ID]) == 0 {
				n.add(img.ID, "process %s runs from it", filepath.Base(filepath.Dir(root)))
			}
		}
	}
	return nil
}
