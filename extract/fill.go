package extract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
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
	for _, m := range o.MountPoints {
		made, err := f.tree.AddEmpty(m.Path, m.Dir, m.Mode)
		if err != nil {
			return fmt.Errorf("adding the mount point %s: %w", m.Path, err)
		}
		if made {
			im.MountPoints = append(im.MountPoints, m)
		}
	}
	if err := f.finish(ctx); err != nil {
		return err
	}
	f.account(im)
	return writeList(d.at(filesName), im.Digest, f.key, layer.Dropped{}, f.tree.Files)
}

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
	err = writeList(listOf(f.d.path, u.diffID), u.diffID, f.key, u.dropped, func(write func(*layer.Entry) error) error {
		for _, e := range u.entries {
			if err := write(e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
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

func invalid(err error) error {
	if errors.Is(err, layer.ErrInvalid) {
		return fmt.Errorf("%w: %w", ErrInvalidImage, err)
	}
	return err
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
