package extract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
	"github.com/aztec-spartan/aztec-spartan/extract/internal/rootfs"
	"github.com/aztec-spartan/aztec-spartan/extract/internal/stage"
)

// filling is the making of a draft's tree. Layers that are not known are put aside several at a time; those that are verified are
// added to the tree in their order, by one goroutine.
type filling struct {
	d        *draft
	src      images
	layers   []*unpacked // oldest first
	key      layer.Key
	stage    *stage.Stage
	budget   *stage.Budget
	tree     *rootfs.Tree
	progress Progress
	turn     turn
}

func newFilling(src images, progress Progress) *filling {
	if progress == nil {
		progress = silent{}
	}
	return &filling{src: src, progress: progress, turn: make(turn, 1)}
}

// unpacked is one layer of an image on its way into the tree.
type unpacked struct {
	descriptor
	diffID  string
	number  int
	list    string         // of its entries, if it is known
	entries []*layer.Entry // if it was read
	dropped layer.Dropped
	fetched bool // from the source; set before ready is closed
	// repeated says that the image has the layer more than once: all of them need what is put aside.
	repeated bool
	ready    chan struct{} // closed when one of the two is there, and verified
}

// atOnce is how many layers are put aside at the same time: as many as can be inflated, within bounds of memory.
func atOnce() int { return min(max(runtime.GOMAXPROCS(0), 2), 4) }

// fill unpacks the layers into the draft's rootfs and adds the mount points.
func (d *draft) fill(ctx context.Context, im *Image, from target, diffIDs []string, o UnpackOptions) (err error) {
	// What of it cannot be read shares nothing; that is no reason to go without another image.
	others, _ := d.store.List()
	f := newFilling(from.src, o.Progress)
	f.d = d
	f.key = keyOf(d.path, others)
	for i, l := range from.manifest.Layers {
		f.find(l, diffIDs[i], i, others)
	}
	f.budget = stage.NewBudget(int(d.lock.Fd()), o.Reserve)
	if err := f.budget.Fits(f.estimate()); err != nil {
		return err
	}
	index := stage.NewIndex(append(f.versions(others), f.earlier()...)...)
	defer func() { err = errors.Join(err, index.Close()) }()
	// One more than are fetched in the usual way: see recall.
	if f.stage, err = stage.New(d.at(stageName), atOnce()+1, f.key, index, f.budget); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.stage.Close()) }()
	if f.tree, err = rootfs.New(d.rootfs(), f.stage); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.tree.Close()) }()

	written := f.writeEarly(ctx)
	defer func() { err = errors.Join(err, written()) }()
	if err := f.unpack(ctx); err != nil {
		return err
	}
	if err := im.addMountPoints(f.tree, o.MountPoints); err != nil {
		return err
	}
	if err := f.finish(ctx); err != nil {
		return err
	}
	f.account(im)
	return writeList(d.at(filesName), im.Digest, f.key, layer.Dropped{}, f.tree.Files)
}

// writeEarly brings what was put aside to the disk while more is, and the rest while the tree is made of it: the disk would be idle
// otherwise, and everybody wait for it in the end. It returns what waits for the last of that. Its error counts: the kernel tells each
// open file of a failed write once.
func (f *filling) writeEarly(ctx context.Context) (wait func() error) {
	var reading []<-chan struct{}
	for _, u := range f.layers {
		if u.list == "" {
			reading = append(reading, u.ready)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	var g errgroup.Group
	g.Go(func() error {
		for len(reading) > 0 {
			select {
			case <-ctx.Done():
				return nil
			case <-reading[0]:
				if reading = reading[1:]; len(reading) > 0 {
					continue
				}
			case <-f.budget.Heaps():
			}
			if err := syncFS(f.d.lock); err != nil {
				return err
			}
		}
		return nil
	})
	return func() error {
		cancel()
		return g.Wait()
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// expansion is what layers grow by, roughly: real images unpack to three times their compressed size.
const expansion = 3

// estimate is how many bytes the layers that are not known will take, roughly.
func (f *filling) estimate() int64 {
	var n int64
	for _, u := range f.layers {
		if u.list == "" {
			n += expansion * u.Size
		}
	}
	return n
}

// unpack brings all layers into the tree.
func (f *filling) unpack(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce() + 1)
	unknown := slices.DeleteFunc(slices.Clone(f.layers), func(u *unpacked) bool { return u.list != "" })
	g.Go(func() error { return f.apply(ctx) })
	for _, u := range unknown {
		// Waits for one to be done: the oldest come first, since the tree needs them first.
		g.Go(func() error {
			if err := f.read(ctx, u); err != nil {
				return f.layerError(u, err)
			}
			close(u.ready)
			return nil
		})
	}
	return g.Wait()
}

// record writes the list of what is in the layer.
func (u *unpacked) record(path string, key layer.Key) error {
	return writeList(path, u.diffID, key, u.dropped, func(write func(*layer.Entry) error) error {
		for _, e := range u.entries {
			if err := write(e); err != nil {
				return err
			}
		}
		return nil
	})
}

// addMountPoints adds those that the image does not have, and remembers them.
func (im *Image) addMountPoints(t *rootfs.Tree, points []MountPoint) error {
	for _, m := range points {
		made, err := t.AddEmpty(m.Path, m.Dir, m.Mode)
		if err != nil {
			return fmt.Errorf("adding the mount point %s: %w", m.Path, err)
		}
		if made {
			im.MountPoints = append(im.MountPoints, m)
		}
	}
	return nil
}

func (f *filling) layerError(u *unpacked, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("layer %d of %d: %w", u.number+1, len(f.layers), err)
}

// read puts a layer aside, verifies it, and records it.
func (f *filling) read(ctx context.Context, u *unpacked) error {
	err := f.fetch(ctx, u, func(archive io.Reader) (err error) {
		// A mirror may have been wrong about it before.
		if err := os.RemoveAll(f.d.stageOf(u)); err != nil {
			return err
		}
		if err := f.stage.Open(u.number, f.d.stageOf(u), u.repeated); err != nil {
			return err
		}
		u.entries = nil
		u.dropped, err = f.stage.Layer(ctx, u.number, archive, func(e *layer.Entry) error {
			u.entries = append(u.entries, e)
			return nil
		})
		return err
	})
	if err != nil {
		return err
	}
	if err := u.record(listOf(f.d.path, u.diffID), f.key); err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	return nil
}

// fetch gets a layer from the source and gives the archive in it to read.
func (f *filling) fetch(ctx context.Context, u *unpacked, read func(archive io.Reader) error) error {
	progress := f.progress.Layer(u.Digest, u.Size)
	defer progress.Done()
	u.fetched = true
	return f.src.blob(ctx, u.descriptor, func(body io.Reader) error {
		return unpack(ctx, newBlob(body, u.descriptor, progress.Add), u.diffID, f.turn, read)
	})
}

// apply adds the layers to the tree, in their order.
func (f *filling) apply(ctx context.Context) error {
	for _, u := range f.layers {
		select {
		case <-u.ready:
		case <-ctx.Done():
			return ctx.Err()
		}
		err := f.add(ctx, u)
		if err == nil {
			err = f.tree.Flush(ctx)
		}
		if err != nil {
			return f.layerError(u, err)
		}
	}
	return nil
}

func (f *filling) add(ctx context.Context, u *unpacked) error {
	if u.list != "" {
		if err := f.recall(ctx, u); err != nil {
			return err
		}
	}
	for _, e := range u.entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := f.tree.Apply(u.number, e); err != nil {
			return invalid(err)
		}
		if e.Kind == layer.File {
			continue // accounted for when it was put aside
		}
		if err := f.budget.Take(int64(len(e.Target))); err != nil {
			return err
		}
	}
	u.entries = nil
	return nil
}

func invalid(err error) error {
	if errors.Is(err, layer.ErrInvalid) {
		return fmt.Errorf("%w: %w", ErrInvalidImage, err)
	}
	return err
}

// account fills in what was done.
func (f *filling) account(im *Image) {
	for _, u := range f.layers {
		im.Layers = append(im.Layers, Layer{u.Digest, u.diffID, u.Size, string(u.MediaType)})
		im.Dropped.Add(u.dropped)
		if u.fetched {
			im.DownloadedBytes += u.Size
		} else {
			im.ReusedBytes += u.Size
		}
	}
	im.Dropped.Add(f.tree.Stats().Dropped)
	stats := f.stage.Stats()
	im.Dropped.Xattrs += stats.Xattrs
	im.WrittenBytes, im.SharedBytes = stats.Written, stats.Shared
}

// stageOf is where the contents of a layer are put aside.
func (d *draft) stageOf(u *unpacked) string { return d.at(stageName, hexOf(u.diffID)) }
