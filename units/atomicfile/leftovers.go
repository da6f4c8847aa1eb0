package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Leftover is what a writer left that was killed before its rename.
type Leftover struct {
	Path  string
	Bytes int64
}

// settled is the age from which a temporary file belongs to nobody: a Write
// takes as long as an fsync.
const settled = time.Hour

// Leftovers lists those in dir and below it, where depth directories deep is
// as far as it looks; 0 is dir itself. It follows no symbolic link. A dir that
// is not there has none.
func Leftovers(dir string, depth int) ([]Leftover, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var found []Leftover
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case e.IsDir() && depth > 0:
			below, berr := Leftovers(path, depth-1)
			found, err = append(found, below...), errors.Join(err, berr)
		case e.Type().IsRegular() && strings.HasPrefix(e.Name(), tempPrefix):
			if fi, ierr := e.Info(); ierr == nil && time.Since(fi.ModTime()) > settled {
				found = append(found, Leftover{path, fi.Size()})
			}
		}
	}
	return found, err
}
