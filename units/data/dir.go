package data

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// SavedDir is where sets of stores are kept, in the data directory. A prover
	// broker takes
	// directories whose name begins with a number for its own, and ignores
	// others (KVBrokerDatabase of 4.1.2).
	SavedDir = ".aztec-spartan.saved"

	partial  = ".part" // of a set: being copied
	leaving  = ".out"  // of a set: its stores are being moved here
	arriving = ".in"   // of a set: its stores are being moved into place
)

// Dir is the data directory of one instance. The node's own user can write to
// it: no name in it is followed out of it.
type Dir struct {
	root *os.Root
	// step is called after each change on disk. It is here for tests, which
	// kill the writer at it.
	step func()
}

// Open opens a data directory. It fails with fs.ErrNotExist in its chain if
// there is none, as before the first start.
func Open(path string) (*Dir, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("opening the data directory: %w", err)
	}
	return &Dir{root: root, step: func() {}}, nil
}

// Close releases the directory.
func (d *Dir) Close() error { return d.root.Close() }

// Set is a set of stores that is kept.
type Set struct {
	Generation int
	Bytes      int64 // on disk; clones share theirs with other files
}

// Sets are the sets that are kept, whole, oldest generation first.
func (d *Dir) Sets() ([]Set, error) {
	names, err := d.saved()
	if err != nil {
		return nil, err
	}
	var sets []Set
	for _, name := range names {
		number, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		bytes, err := d.size(SavedDir + "/" + name)
		if err != nil {
			return nil, err
		}
		sets = append(sets, Set{number, bytes})
	}
	slices.SortFunc(sets, func(a, b Set) int { return a.Generation - b.Generation })
	return sets, nil
}

// Has reports whether the set of a generation is kept, whole.
func (d *Dir) Has(generation int) (bool, error) {
	_, err := d.root.Lstat(setOf(generation))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Drop removes the set of a generation. One that is not there is removed
// already.
func (d *Dir) Drop(generation int) error {
	if err := d.remove(setOf(generation)); err != nil {
		return fmt.Errorf("dropping the data of generation %d: %w", generation, err)
	}
	_ = d.root.Remove(SavedDir) // it may hold others
	return nil
}

// remove removes a set, if it is there. Until its name is another it is whole.
func (d *Dir) remove(set string) error {
	err := d.root.Rename(set, set+partial)
	switch {
	case err == nil:
		d.step()
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := d.root.RemoveAll(set + partial); err != nil {
		return err
	}
	d.step()
	return nil
}

func setOf(generation int) string { return SavedDir + "/" + strconv.Itoa(generation) }

// Settled reports whether Settle and PutBack have nothing to do: there is at most
// what earlier versions left, whole, and no store was set aside.
func (d *Dir) Settled() (bool, error) {
	names, err := d.saved()
	whole := func(name string) bool {
		_, err := strconv.Atoi(name)
		return err == nil
	}
	return err == nil && !slices.ContainsFunc(names, func(name string) bool { return !whole(name) }), err
}

// saved are the names in SavedDir, sorted.
func (d *Dir) saved() ([]string, error) { return d.names(SavedDir) }

func (d *Dir) names(dir string) ([]string, error) {
	f, err := d.root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// live are the stores in place that belong to a version: the directories with a
// db_version. signing-protection is not among them, and what else lies there,
// such as blobs in a file store, is of all versions: a node that finds no blob
// for a checkpoint waits for it forever (4.1.2, measured).
func (d *Dir) live() ([]string, error) {
	names, err := d.names(".")
	if err != nil {
		return nil, err
	}
	var live []string
	for _, name := range names {
		info, err := d.root.Lstat(name)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() || stays(name) {
			continue
		}
		switch _, err := d.root.Lstat(name + "/" + versionFile); {
		case err == nil:
			live = append(live, name)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
	}
	return live, nil
}

// stays reports whether a directory is none of a version's stores: who the
// node is and what it signed, what it fetched, and what is ours.
func stays(name string) bool {
	switch name {
	case Protection, "admin", "cache", "lost+found", SavedDir:
		return true
	}
	for _, prefix := range []string{"download-", "snapshot-", ".aztec-spartan-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// size is what files below a name take on disk.
func (d *Dir) size(name string) (int64, error) {
	var total int64
	err := fs.WalkDir(d.root.FS(), name, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if st, ok := statOf(info); ok {
			total += st.Blocks * 512
		}
		return nil
	})
	return total, err
}

// Bytes is how much the stores in place take on disk: what a copy of them
// would. Holes are none of it.
func (d *Dir) Bytes() (int64, error) {
	live, err := d.live()
	if err != nil {
		return 0, err
	}
	var total int64
	for _, name := range live {
		bytes, err := d.size(name)
		if err != nil {
			return 0, fmt.Errorf("measuring the data: %w", err)
		}
		total += bytes
	}
	return total, nil
}

// Free is how many bytes of the file system are free.
func (d *Dir) Free() (int64, error) {
	f, err := d.root.Open(".")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * st.Frsize, nil
}

// sync makes the names in a directory durable.
func (d *Dir) sync(dir string) error {
	f, err := d.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
