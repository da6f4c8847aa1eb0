package extract

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
)

// unfinished ends the names of lists that are being written.
const unfinished = ".tmp"

// writeList records entries at path, under a temporary name first. A list that is there is whole.
func writeList(path, diffID string, key layer.Key, dropped layer.Dropped, entries func(yield func(*layer.Entry) error) error) (err error) {
	f, err := os.OpenFile(path+unfinished, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	buf := bufio.NewWriterSize(f, 256<<10)
	w := layer.NewWriter(buf, diffID, key)
	if err = entries(w.Write); err == nil {
		err = w.Close(dropped)
	}
	if err := errors.Join(err, buf.Flush(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// readList gives the entries of the list at path to each. The error wraps fs.ErrNotExist if there is none, and layer.ErrDamaged if it
// is that of something else than diffID, or has digests under another key.
func readList(path, diffID string, key layer.Key, each func(*layer.Entry) error) (layer.Dropped, error) {
	r, err := scanList(path, func(r *layer.Reader) error {
		switch {
		case r.DiffID() != diffID:
			return fmt.Errorf("%w: it is that of %s", layer.ErrDamaged, oneLine(r.DiffID()))
		case r.Key() != key:
			return fmt.Errorf("%w: its digests are not like those of others here", layer.ErrDamaged)
		}
		return nil
	}, each)
	if err != nil {
		return layer.Dropped{}, err
	}
	return r.Dropped(), nil
}

// scanList reads the list at path to its end, if what begins it passes the check.
func scanList(path string, check func(*layer.Reader) error, each func(*layer.Entry) error) (*layer.Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := layer.NewReader(bufio.NewReaderSize(f, 256<<10))
	if err == nil {
		err = check(r)
	}
	for err == nil {
		var e *layer.Entry
		if e, err = r.Next(); err == nil {
			err = each(e)
		}
	}
	if !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return r, nil
}

// keyOf is the key of the lists in dir or else, if none there can be read, in an image that is here, or a new one. All of a
// store have one, unless two processes were the first to write to it: their images share nothing then.
func keyOf(dir string, images []*Image) layer.Key {
	dirs := []string{dir}
	for _, im := range images {
		dirs = append(dirs, im.dir)
	}
	for _, dir := range dirs {
		lists, _ := os.ReadDir(filepath.Join(dir, layersName)) // what cannot be read says nothing
		slices.SortFunc(lists, func(a, b fs.DirEntry) int { return cmp.Compare(lengthOf(a), lengthOf(b)) })
		var paths []string
		for _, l := range lists {
			paths = append(paths, filepath.Join(dir, layersName, l.Name()))
		}
		for _, path := range append(paths, filepath.Join(dir, filesName)) {
			// To its end, since only that says that it is not damaged.
			r, err := scanList(path, func(*layer.Reader) error { return nil }, func(*layer.Entry) error { return nil })
			if err == nil {
				return r.Key()
			}
		}
	}
	return layer.NewKey()
}

func lengthOf(e fs.DirEntry) int64 {
	info, err := e.Info()
	if err != nil {
		return 0
	}
	return info.Size()
}

// listOf is the path of the list of a layer in a directory of the store.
func listOf(dir, diffID string) string { return filepath.Join(dir, layersName, hexOf(diffID)) }

// known finds the list of a layer in the images that are here.
func known(images []*Image, diffID string) string {
	for _, im := range images {
		for _, l := range im.Layers {
			if l.DiffID != diffID {
				continue
			}
			path := listOf(im.dir, diffID)
			if exists(path) {
				return path
			}
		}
	}
	return ""
}
