package extract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
	"github.com/aztec-spartan/aztec-spartan/extract/internal/stage"
)

// A layer that an earlier run, or another image, has is not fetched: its list is read again, and its files are shared. What of
// them is nowhere any more is fetched in the end.

// find looks for a layer in the image itself, among those that an earlier run finished, and in the images that are here.
func (f *filling) find(l descriptor, diffID string, number int, others []*Image) {
	u := &unpacked{descriptor: l, diffID: diffID, number: number, ready: make(chan struct{})}
	own := listOf(f.d.path, diffID)
	i := slices.IndexFunc(f.layers, func(other *unpacked) bool { return other.diffID == diffID })
	switch {
	case i >= 0:
		u.list, u.ready = own, f.layers[i].ready
		f.layers[i].repeated = true
	case exists(own):
		u.list = own
		close(u.ready)
	default:
		if u.list = known(others, diffID); u.list != "" {
			close(u.ready)
		}
	}
	f.layers = append(f.layers, u)
}

// earlier are the trees of earlier runs, each with the files of the layers that were finished, as far as they got there.
func (f *filling) earlier() []stage.Version {
	var v []stage.Version
	for _, tree := range f.d.trees() {
		for _, u := range f.layers {
			list := listOf(f.d.path, u.diffID)
			if u.list != list {
				continue
			}
			v = append(v, stage.Version{Rootfs: tree, Unfinished: true, Files: func(each func(*layer.Entry) error) error {
				_, err := readList(list, u.diffID, f.key, each)
				return err
			}})
		}
	}
	return v
}

// versions are the images whose files may be shared, newest first.
func (f *filling) versions(images []*Image) []stage.Version {
	var v []stage.Version
	for _, im := range images {
		v = append(v, stage.Version{Rootfs: im.Rootfs(), Files: func(each func(*layer.Entry) error) error {
			_, err := readList(filepath.Join(im.dir, filesName), im.Digest, f.key, each)
			return err
		}})
	}
	return v
}

// recall reads the list of a layer that is known. One that is damaged, or gone with its image by now, has cost a download and no more.
func (f *filling) recall(ctx context.Context, u *unpacked) error {
	err := f.reread(u)
	if errors.Is(err, layer.ErrDamaged) || errors.Is(err, layer.ErrSchema) || errors.Is(err, fs.ErrNotExist) {
		u.list = ""
		return f.read(ctx, u)
	}
	return err
}

func (f *filling) reread(u *unpacked) error {
	staged := exists(f.d.stageOf(u))
	if staged {
		if err := f.stage.Open(u.number, f.d.stageOf(u), true); err != nil {
			return err
		}
	}
	var err error
	u.dropped, err = readList(u.list, u.diffID, f.key, func(e *layer.Entry) error {
		if !staged {
			e.Staged = 0
		}
		u.entries = append(u.entries, e)
		return nil
	})
	if err != nil {
		return err
	}
	return f.adopt(u)
}

// adopt gives the draft the list of a layer that another image has.
func (f *filling) adopt(u *unpacked) error {
	own := listOf(f.d.path, u.diffID)
	if u.list == own || exists(own) {
		return nil
	}
	return os.Link(u.list, own)
}

// finish completes the tree. Contents of layers that are known may be missing, if other layers hid them in all images that are
// here; then the layer is fetched after all.
func (f *filling) finish(ctx context.Context) error {
	if err := f.tree.Flush(ctx); err != nil {
		return err
	}
	for _, n := range f.tree.Absent() {
		u := f.layers[n]
		if err := f.layerError(u, f.recover(ctx, u, f.tree.Wanted(n), fmt.Sprintf("%s-%d", f.d.stageOf(u), n))); err != nil {
			return err
		}
	}
	return f.tree.Finish(ctx)
}

// recover fetches a layer again for the contents that are wanted of it, and puts them aside in the directory path.
func (f *filling) recover(ctx context.Context, u *unpacked, wanted map[layer.Digest]bool, path string) error {
	return f.fetch(ctx, u, func(archive io.Reader) error {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		return f.stage.Recover(ctx, archive, path, func(d layer.Digest) bool { return wanted[d] })
	})
}
