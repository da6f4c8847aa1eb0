package extract

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
)

// unfinished ends the names of lists that are being written.
const unfinished = ".tmp"

// writeList records entries at path, under a temporary name first. A list that is there is whole.
func writeList(path, diffID string, dropped layer.Dropped, entries func(yield func(*layer.Entry) error) error) (err error) {
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
	w := layer.NewWriter(buf, diffID)
	if err = entries(w.Write); err == nil {
		err = w.Close(dropped)
	}
	if err := errors.Join(err, buf.Flush(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// readList gives the entries of the list at path to each. The error wraps fs.ErrNotExist if there is none, and layer.ErrDamaged if it
// is that of something else than diffID.
func readList(path, diffID string, each func(*layer.Entry) error) (layer.Dropped, error) {
	f, err := os.Open(path)
	if err != nil {
		return layer.Dropped{}, err
	}
	defer f.Close()
	r, err := layer.NewReader(bufio.NewReaderSize(f, 256<<10))
	if err == nil && r.DiffID() != diffID {
		err = fmt.Errorf("%w: it is that of %s", layer.ErrDamaged, oneLine(r.DiffID()))
	}
	for err == nil {
		var e *layer.Entry
		if e, err = r.Next(); err == nil {
			err = each(e)
		}
	}
	if !errors.Is(err, io.EOF) {
		return layer.Dropped{}, fmt.Errorf("reading %s: %w", path, err)
	}
	return r.Dropped(), nil
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
