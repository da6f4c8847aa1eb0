package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// loopSize is what a file system that is made for a run holds, in bytes: the
// stores of some tools, with the room that newPlace asks for.
const loopSize = 34 << 30

// mkfs are the commands that make a file system. What they would leave to do
// in the background, they do now.
var mkfs = map[string][]string{
	"ext4":  {"mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard"},
	"xfs":   {"mkfs.xfs", "-q", "-K"},
	"btrfs": {"mkfs.btrfs", "-q", "-K"},
}

// loops are the file systems that were made for this run.
type loops struct {
	dir  string // of the files and the mount points
	undo [][]string
}

// replace makes the file systems that dirs name by their type, each on a loop
// device of its own, and returns dirs with their mount points instead. The file
// under a device is allocated, and read and written directly: it is as a disk
// is, and not a second page cache that works while a tool has ended.
func (l *loops) replace(ctx context.Context, dirs []string) ([]string, error) {
	dirs = slices.Clone(dirs)
	for i, kind := range dirs {
		if strings.Contains(kind, "/") {
			continue
		}
		command, ok := mkfs[kind]
		if !ok {
			return nil, fmt.Errorf("reading BENCH_DIRS: %q is neither a path nor a file system that can be made (ext4, xfs, btrfs)", kind)
		}
		at, err := l.mount(ctx, kind, command)
		if err != nil {
			return nil, fmt.Errorf("making a file system: %w", err)
		}
		dirs[i] = at
	}
	return dirs, nil
}

func (l *loops) mount(ctx context.Context, kind string, command []string) (string, error) {
	if l.dir == "" {
		dir, err := os.MkdirTemp("/var/tmp", "bench.")
		if err != nil {
			return "", err
		}
		l.dir = dir
	}
	file, at := filepath.Join(l.dir, kind+".img"), filepath.Join(l.dir, kind)
	if err := allocate(file); err != nil {
		return "", err
	}
	if err := os.Mkdir(at, 0o700); err != nil {
		return "", err
	}
	device, err := line(ctx, `losetup --direct-io=on --find --show "$FILE"`, "FILE="+file)
	if err != nil {
		return "", err
	}
	l.undo = append(l.undo, []string{"losetup", "--detach", device})
	for _, argv := range [][]string{append(slices.Clone(command), device), {"mount", device, at}} {
		if out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w: %s", argv[0], err, out)
		}
	}
	l.undo = append(l.undo, []string{"umount", at})
	return at, nil
}

func allocate(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(unix.Fallocate(int(f.Fd()), 0, 0, loopSize), f.Close())
}

// remove takes the file systems away, with all that is in them.
func (l *loops) remove() error {
	if l.dir == "" {
		return nil
	}
	var errs []error
	for _, argv := range slices.Backward(l.undo) {
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w: %s", argv[0], err, out))
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...) // what is mounted still must not be removed
	}
	return os.RemoveAll(l.dir)
}
