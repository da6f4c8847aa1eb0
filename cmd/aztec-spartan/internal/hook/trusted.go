package hook

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Trusted refuses a program that others than root could change, or put
// another one in the place of.
func Trusted(path string) error {
	fi, err := os.Stat(path)
	if err != nil {
		return err
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	switch {
	case !fi.Mode().IsRegular():
		return errors.New("it is no file")
	case !ok || st.Uid != 0 || fi.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("others than root may write it: chown root %[1]s && chmod go-w %[1]s", path)
	case fi.Mode().Perm()&0o111 == 0:
		return fmt.Errorf("it cannot be run: %w", fs.ErrPermission)
	}
	return onlyRootPlaces(path, maxLinks)
}

// maxLinks is how many links a path may lead through, as for the kernel
// (path_resolution(7)).
const maxLinks = 40

// onlyRootPlaces refuses a path where others than root decide what is there, by
// a directory or a link on the way. In a sticky directory they can replace
// nothing of root's (inode(7)).
func onlyRootPlaces(path string, links int) error {
	for path = filepath.Clean(path); ; path = filepath.Dir(path) {
		fi, err := os.Lstat(path)
		if err != nil {
			return err
		}
		st, ok := fi.Sys().(*syscall.Stat_t)
		shared := fi.IsDir() && fi.Mode().Perm()&0o022 != 0 && fi.Mode()&fs.ModeSticky == 0
		if !ok || st.Uid != 0 || shared {
			return fmt.Errorf("others than root decide what is there: chown -h root %[1]s && chmod go-w %[1]s", path)
		}
		if fi.Mode()&fs.ModeSymlink != 0 {
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			if !filepath.IsAbs(to) {
				to = filepath.Join(filepath.Dir(path), to)
			}
			if links == 0 {
				return syscall.ELOOP
			}
			if err := onlyRootPlaces(to, links-1); err != nil {
				return err
			}
		}
		if path == "/" {
			return nil
		}
	}
}
