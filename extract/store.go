package extract

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	recordName   = "image.json"
	completeName = "complete"
	rootfsName   = "rootfs"
	partial      = ".partial-" // prefix of everything in the store that is not an image
)

// Store is a directory of unpacked images:
//
//	store.json             the version of this format
//	tags.json              what tags were when they were seen last
//	sha256-HEX/rootfs      the root file system
//	sha256-HEX/image.json  the Image
//	sha256-HEX/layers/HEX  what a layer said, by diffID, with the keyed digests of all files: to verify, and to unpack it without its blob
//	sha256-HEX/files       the files of the root file system, for other images to share
//	sha256-HEX/pinned      if it is there, collections keep the image
//	sha256-HEX/complete    written last and removed first; without it there is no image
//	.partial-*             being written, unpacked or removed, locked (flock) by whoever does it; anyone's to sweep when not
//
// Files that images have in common are hard links to one another. So no image needs another, and removing one frees what no other has.
//
// The directory is open to root alone, so that no local user runs what an image holds (CVE-2021-41103). Its file system must
// support flock. Methods are safe for use by several processes.
type Store struct {
	Dir string // made on first use, mode 0700
}

var validID = regexp.MustCompile(`^sha256-[0-9a-f]{64}$`)

// IDOf is the id that the image with a digest has in a store.
func IDOf(digest string) string { return strings.Replace(digest, ":", "-", 1) }

// digestIn is the digest in the id of an image.
func digestIn(id string) string { return strings.Replace(id, "-", ":", 1) }

// Get returns the complete image id ("sha256-HEX"). Errors wrap ErrNotFound, ErrSchema or ErrRecord.
func (s *Store) Get(id string) (*Image, error) {
	im, err := s.load(id)
	if err != nil {
		return nil, fmt.Errorf("reading image %s: %w", oneLine(id), err)
	}
	return im, nil
}

func (s *Store) load(id string) (*Image, error) {
	if !validID.MatchString(id) {
		return nil, fmt.Errorf("%w: an id is sha256- and 64 hexadecimal digits", ErrNotFound)
	}
	dir, err := filepath.EvalSymlinks(filepath.Join(s.Dir, id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(filepath.Join(dir, completeName)); errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	} else if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, recordName)
	im := &Image{dir: dir}
	ok, err := readJSON(path, schema, im)
	switch {
	case err != nil:
	case !ok:
		err = unreadable(path, fs.ErrNotExist)
	case im.Schema > 0 && im.Schema < schema:
		return nil, ErrNotFound // of before the first release
	case im.ID != id:
		err = unreadable(path, fmt.Errorf("it describes %q", oneLine(im.ID)))
	default:
		return im, nil
	}
	if record, ok := errors.AsType[*RecordError](err); ok {
		record.ID, record.Reference = id, s.lastName(id)
	}
	return nil, err
}

// lastName is what an image was called when it was seen last, with its digest; "" if that is not known.
func (s *Store) lastName(id string) string {
	digest := digestIn(id)
	seen, _ := s.sightings() // what cannot be read is not known
	var name string
	var at time.Time
	for ref, sighting := range seen.Tags {
		if sighting.Digest == digest && !sighting.Seen.Before(at) {
			name, at = ref+"@"+digest, sighting.Seen
		}
	}
	return name
}

// List returns the complete images, newest first. Of images that cannot be read it returns the errors, in one, with the others; see
// Damaged.
func (s *Store) List() ([]*Image, error) {
	images, failed, err := s.list()
	if err != nil {
		return nil, fmt.Errorf("listing images: %w", err)
	}
	return images, oneOf(failed)
}

// oneOf is errors.Join in one line.
func oneOf(errs []error) (all error) {
	for _, err := range errs {
		if all == nil {
			all = err
		} else {
			all = fmt.Errorf("%w; %w", all, err)
		}
	}
	return all
}

// Damaged returns the complete images of which the record cannot be read. They are not in List; a pull or a load of one makes its
// record anew.
func (s *Store) Damaged() ([]*RecordError, error) {
	_, failed, err := s.list()
	if err != nil {
		return nil, fmt.Errorf("listing images: %w", err)
	}
	var damaged []*RecordError
	for _, f := range failed {
		if r, ok := errors.AsType[*RecordError](f); ok {
			damaged = append(damaged, r)
		}
	}
	return damaged, nil
}

func (s *Store) list() (images []*Image, failed []error, err error) {
	if err := s.checkFormat(); err != nil {
		return nil, nil, err
	}
	entries, err := os.ReadDir(s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		if !validID.MatchString(e.Name()) {
			continue
		}
		im, err := s.Get(e.Name())
		switch {
		case errors.Is(err, ErrNotFound):
		case err != nil:
			failed = append(failed, err)
		default:
			images = append(images, im)
		}
	}
	slices.SortFunc(images, func(a, b *Image) int {
		if c := b.Pulled.Compare(a.Pulled); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return images, failed, nil
}

// ByReference returns the complete image that ref names: by its digest if it has one, else the one that its tag was when it was
// seen last, else the newest that was first pulled by it. It asks no registry, so a tag may have moved since. Errors wrap
// ErrNotFound or ErrReference.
func (s *Store) ByReference(ref string) (*Image, error) {
	r, err := parseReference(ref, false)
	if err != nil {
		return nil, fmt.Errorf("looking up %s: %w", oneLine(ref), err)
	}
	im, err := s.byReference(r)
	if err != nil {
		return nil, fmt.Errorf("looking up %s: %w", r, err)
	}
	return im, nil
}

func (s *Store) byReference(r reference) (*Image, error) {
	images, failed, err := s.list()
	if err != nil {
		return nil, err
	}
	seen, err := s.sightings()
	if err != nil {
		return nil, err
	}
	digest := r.digest
	if last, ok := seen.Tags[r.String()]; ok {
		digest = last.Digest
	}
	for _, im := range images {
		if digest != "" && (im.Digest == digest || im.IndexDigest == digest) {
			return im, nil
		}
	}
	for _, im := range images {
		if r.digest == "" && im.Reference == r.String() {
			return im, nil
		}
	}
	if failed != nil {
		return nil, fmt.Errorf("%w, as far as they can be read: %w", ErrNotFound, oneOf(failed))
	}
	return nil, ErrNotFound
}

// Remove deletes the image id, complete or not. Whether anything uses it is for the caller to know. From the first step on it
// is not listed any more, and what a crash leaves behind the next Pull or Remove sweeps. Errors wrap ErrNotFound.
func (s *Store) Remove(id string) error {
	if err := s.remove(id); err != nil {
		return fmt.Errorf("removing image %s: %w", oneLine(id), err)
	}
	return nil
}

func (s *Store) remove(id string) error {
	if !validID.MatchString(id) {
		return ErrNotFound
	}
	dir := filepath.Join(s.Dir, id)
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return ErrNotFound
	}
	if err := s.checkFormat(); err != nil {
		return err
	}
	// A repair may be at work in it.
	lock, err := lockDir(dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := os.Remove(filepath.Join(dir, completeName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := syncDir(dir); err != nil {
		return err
	}
	// What is left of it without a mark, if this is killed, is swept.
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return s.sweep("")
}

// sweep deletes what crashed runs left, but not the path keep.
func (s *Store) sweep(keep string) error {
	return s.left(func(path string) error {
		if path == keep {
			return nil
		}
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("sweeping up: %w", err)
		}
		return nil
	})
}

// left gives what crashed runs left to each, locked: drafts, images without a mark, and files that were to replace others. What is
// locked already belongs to a run that is alive.
func (s *Store) left(each func(path string) error) error {
	entries, err := os.ReadDir(s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), partial) && !validID.MatchString(e.Name()) {
			continue
		}
		if err := s.leftAt(filepath.Join(s.Dir, e.Name()), each); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) leftAt(path string, each func(path string) error) error {
	marked := func() bool {
		return validID.MatchString(filepath.Base(path)) && exists(filepath.Join(path, completeName))
	}
	if marked() {
		return nil
	}
	lock, err := lockDir(path)
	if errors.Is(err, ErrBusy) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	// Its run may have been about to finish.
	if marked() {
		return nil
	}
	return each(path)
}

// lockDir locks a directory, or a file, until the file that it returns is closed. The error is ErrBusy if another process has it.
func lockDir(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, ErrBusy
		}
		return nil, &fs.PathError{Op: "flock", Path: path, Err: err}
	}
	// A sweeper may have had it between its making and now.
	was, err := f.Stat()
	if err == nil {
		var is fs.FileInfo
		if is, err = os.Lstat(path); err == nil && !os.SameFile(was, is) {
			err = ErrBusy
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
