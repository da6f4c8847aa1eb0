package extract

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	layersName = "layers" // lists of layers, by diffID
	filesName  = "files"  // list of the files of the tree, for sharing
	stageName  = "stage"  // contents of layers, by diffID
	bootName   = "boot"   // the boot that a draft is of
	treePrefix = "tree-"  // and a number: trees of earlier runs
	maxTrees   = 8        // who finishes some layers, and is killed, more often begins again
)

// draft is an image being unpacked:
//
//	boot           the boot (random/boot_id) it was begun in
//	layers/HEX     the list of a layer all of which is put aside and verified
//	stage/HEX      contents of its files, as far as they are not in a tree yet
//	rootfs         the tree
//	tree-N         what runs that ended early, and had finished layers, made of it; the files in them are linked
//
// Nothing of it is synced before it is published: within one boot the page cache holds what was written, whatever happens to the
// process, and over a boot it is thrown away.
type draft struct {
	store *Store
	id    string
	path  string   // where it is right now
	lock  *os.File // also the open directory
}

// begin makes room for unpacking id, and sweeps up what crashed runs left; what one left of id itself is taken up.
func (s *Store) begin(id string) (*draft, error) {
	if err := s.prepare(); err != nil {
		return nil, err
	}
	path := filepath.Join(s.Dir, partial+id)
	if err := s.sweep(path); err != nil {
		return nil, err
	}
	lock, err := lockNew(path)
	if err != nil {
		return nil, err
	}
	d := &draft{store: s, id: id, path: path, lock: lock}
	// Only who holds this lock publishes id. Someone may have done so since it was looked for; one without a mark is about to have
	// it, since those that never will were swept.
	switch {
	case s.complete(digestIn(id)):
		err = errPresent
	case exists(filepath.Join(s.Dir, id)):
		err = ErrBusy
	default:
		err = d.prepare()
	}
	if err != nil {
		return nil, d.abandon(err)
	}
	return d, nil
}

// errPresent says that there is nothing to do any more.
var errPresent = errors.New("the image is here")

// lockNew makes and locks a directory. Between the two a sweeper may have it, for a moment.
func lockNew(path string) (*os.File, error) {
	for try := 0; ; try++ {
		if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		lock, err := lockDir(path)
		if try == 10 || !errors.Is(err, ErrBusy) && !errors.Is(err, fs.ErrNotExist) {
			return lock, err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// prepare makes the store's directory. Only the store itself is private, not what leads to it.
func (s *Store) prepare() error {
	if err := os.MkdirAll(filepath.Dir(s.Dir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(s.Dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	st, err := os.Stat(s.Dir)
	if err != nil {
		return err
	}
	if st.Mode().Perm()&0o077 != 0 {
		if err := os.Chmod(s.Dir, 0o700); err != nil {
			return err
		}
	}
	return s.markFormat()
}

// prepare keeps of an earlier run of this boot the layers that it had finished.
func (d *draft) prepare() error {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return err
	}
	if had, err := os.ReadFile(d.at(bootName)); err != nil || string(had) != string(boot) || len(d.trees()) == maxTrees {
		if err := empty(d.path); err != nil {
			return err
		}
	}
	for _, name := range []string{layersName, stageName} {
		if err := os.Mkdir(d.at(name), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if err := d.keepFinished(); err != nil {
		return err
	}
	if err := os.WriteFile(d.at(bootName), boot, 0o600); err != nil {
		return err
	}
	return os.Mkdir(d.rootfs(), 0o755)
}

// keepFinished drops what layers that were not finished left. The tree, into which files of finished ones have moved, makes way for a
// new one, which takes them from there.
func (d *draft) keepFinished() error {
	if err := d.putAwayTree(); err != nil {
		return err
	}
	lists, err := os.ReadDir(d.at(layersName))
	if err != nil {
		return err
	}
	for _, e := range lists {
		if strings.HasSuffix(e.Name(), unfinished) {
			if err := os.Remove(d.at(layersName, e.Name())); err != nil {
				return err
			}
		}
	}
	staged, err := os.ReadDir(d.at(stageName))
	if err != nil {
		return err
	}
	for _, e := range staged {
		if exists(d.at(layersName, e.Name())) {
			continue
		}
		if err := os.RemoveAll(d.at(stageName, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// putAwayTree keeps the tree if files have moved into it. They do so from layers that its own run finished; what it has of others is
// linked, and stays where it was.
func (d *draft) putAwayTree() error {
	moved, err := d.finishedSince(d.at(bootName))
	if err != nil {
		return err
	}
	if !moved {
		return os.RemoveAll(d.rootfs())
	}
	err = os.Rename(d.rootfs(), d.at(treePrefix+strconv.Itoa(len(d.trees()))))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// trees are those of earlier runs, the oldest first.
func (d *draft) trees() []string {
	var trees []string
	for {
		tree := d.at(treePrefix + strconv.Itoa(len(trees)))
		if !exists(tree) {
			return trees
		}
		trees = append(trees, tree)
	}
}

func (d *draft) at(names ...string) string {
	return filepath.Join(append([]string{d.path}, names...)...)
}

func (d *draft) rootfs() string { return d.at(rootfsName) }

// finished says whether anything is worth keeping for another run.
func (d *draft) finished() bool {
	lists, err := os.ReadDir(d.at(layersName))
	return err == nil && slices.ContainsFunc(lists, func(e fs.DirEntry) bool { return !strings.HasSuffix(e.Name(), unfinished) })
}

// finishedSince says whether any list is not older than the file at path, which every run writes when it begins.
func (d *draft) finishedSince(path string) (bool, error) {
	began, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	lists, err := os.ReadDir(d.at(layersName))
	if err != nil {
		return false, err
	}
	for _, e := range lists {
		info, err := e.Info()
		if err != nil {
			return false, err
		}
		if !strings.HasSuffix(e.Name(), unfinished) && !info.ModTime().Before(began.ModTime()) {
			return true, nil
		}
	}
	return false, nil
}

// publish makes the draft an image of the store. The mark comes last, when all else is on the disk: a crash at any point leaves
// either a complete image or one that is not there.
func (d *draft) publish(im *Image) error {
	raw, err := json.MarshalIndent(im, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(d.at(recordName), append(raw, '\n'), 0o600); err != nil {
		return err
	}
	if err := d.settle(); err != nil {
		return err
	}
	final := filepath.Join(d.store.Dir, d.id)
	if err := os.Rename(d.path, final); err != nil {
		return err
	}
	d.path = final
	if err := syncDir(d.store.Dir); err != nil {
		return err
	}
	return d.mark()
}

// settle brings everything to the disk: one sync for all files, since an fsync of each would cost minutes on a tree of tens of
// thousands. Meanwhile the other names of the files go.
func (d *draft) settle() error {
	var synced error
	var syncing sync.WaitGroup
	syncing.Go(func() { synced = syncFS(d.lock) })
	var errs []error
	for _, path := range append(d.trees(), d.at(stageName), d.at(bootName)) {
		errs = append(errs, os.RemoveAll(path))
	}
	syncing.Wait()
	return errors.Join(append(errs, synced)...)
}

func syncFS(f *os.File) error {
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return fmt.Errorf("syncing: %w", err)
	}
	return nil
}

func (d *draft) mark() error { return writeDurably(d.at(completeName), []byte(d.id+"\n")) }

// abandon ends the draft because of err, which it returns. Layers that are finished stay for the next run when it is the source
// that failed, which may get better; otherwise, when someone has changed his mind, say, or the disk is full, nothing stays.
func (d *draft) abandon(err error) error {
	cerr := d.lock.Close
	if !isSourceError(err) || !d.finished() {
		cerr = func() error { return errors.Join(d.remove(), d.lock.Close()) }
	}
	if cerr := cerr(); cerr != nil {
		return fmt.Errorf("%w; then cleaning up: %w", err, cerr)
	}
	return err
}

// remove deletes the draft, beginning with a mark that may have been written before something failed.
func (d *draft) remove() error {
	if err := os.Remove(d.at(completeName)); err == nil {
		if err := syncDir(d.path); err != nil {
			return err
		}
	}
	return os.RemoveAll(d.path)
}

func isSourceError(err error) bool {
	return errors.Is(err, ErrRegistry) || errors.Is(err, ErrUnreachable) || errors.Is(err, ErrUnauthorized)
}

// empty empties the directory path.
func empty(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(path, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// hexOf is the name of a layer's list and of its directory.
func hexOf(diffID string) string { return strings.TrimPrefix(diffID, "sha256:") }
