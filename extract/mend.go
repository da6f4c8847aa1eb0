package extract

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/inroot"
	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
	"github.com/aztec-spartan/aztec-spartan/extract/internal/rootfs"
)

// What is recorded of an image follows from what its registry has, and from its tree. So a disk that damages records costs
// downloads, never an image that something may run from.

// rerecord writes image.json of an image that is here, and whatever list of its layers cannot be read.
func (s *Store) rerecord(ctx context.Context, im *Image, from target, want platform, tag string, o UnpackOptions) (err error) {
	config, err := from.src.config(ctx, from.manifest)
	if err != nil {
		return err
	}
	if !from.matched {
		if err := config.fits(want); err != nil {
			return err
		}
	}
	if im.dir, err = filepath.EvalSymlinks(filepath.Join(s.Dir, im.ID)); err != nil {
		return err
	}
	lock, err := lockDir(im.dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	// When it was published is the time of its mark.
	mark, err := os.Stat(filepath.Join(im.dir, completeName))
	if err != nil {
		return err
	}
	im.Pulled = mark.ModTime().UTC()
	im.Config = config.run()
	for i, l := range from.manifest.Layers {
		im.Layers = append(im.Layers, Layer{l.Digest, config.RootFS.DiffIDs[i], l.Size, string(l.MediaType)})
	}
	others, _ := s.List() // what cannot be read is of no help
	m := &lister{store: s, image: im, key: keyOf(im.dir, others), report: func(Damage) {}, source: func() (*filling, error) { return newFilling(from.src, o.Progress), nil }}
	if err := m.mend(ctx); err != nil {
		return err
	}
	im.DownloadedBytes = from.manifest.Config.Size + m.downloaded
	t, err := rootfs.Open(im.Rootfs(), nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	if im.Dropped, err = im.recorded(t, m.key); err != nil {
		return recordError(err)
	}
	if err := im.addMountPoints(t, o.MountPoints); err != nil {
		return err
	}
	if o.Version != nil {
		im.Version = o.Version(inroot.FS(im.Rootfs()), im.Config, tag)
	}
	record := *im
	// By its tag, if it had one, even where it is asked for by the digest now.
	if name, _, ok := strings.Cut(s.lastName(im.ID), "@"); ok {
		record.Reference = name
	}
	return writeJSON(filepath.Join(im.dir, recordName), record)
}

// lister writes lists of the layers of an image anew. The image must be locked.
type lister struct {
	store      *Store
	image      *Image
	key        layer.Key                // of those that can be read
	source     func() (*filling, error) // of layers, called if any is needed
	report     func(Damage)
	mended     int
	downloaded int64 // bytes of blobs
}

// mend writes the lists that cannot be read, and tells about each.
func (m *lister) mend(ctx context.Context) error {
	im := m.image
	for n, l := range im.Layers {
		err := listReads(ctx, listOf(im.dir, l.DiffID), l.DiffID, m.key)
		switch {
		case err == nil:
			continue
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, layer.ErrSchema):
			return recordError(im.layerError(n, err))
		}
		if err := m.list(ctx, n); err != nil {
			return im.layerError(n, fmt.Errorf("writing the list of what is in it anew: %w", err))
		}
		m.mended++
		m.report(Damage{Path: ".", What: fmt.Sprintf("the list of what is in layer %d of %d could not be read", n+1, len(im.Layers))})
	}
	return nil
}

func listReads(ctx context.Context, path, diffID string, key layer.Key) error {
	_, err := readList(path, diffID, key, func(*layer.Entry) error { return ctx.Err() })
	return err
}

// list writes the list of layer n: another image may have it, otherwise the layer is read again.
func (m *lister) list(ctx context.Context, n int) error {
	u := m.image.unpacked(n)
	path := listOf(m.image.dir, u.diffID)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	others, _ := m.store.List() // what cannot be read is of no help
	for _, other := range others {
		if from := listOf(other.dir, u.diffID); listReads(ctx, from, u.diffID, m.key) == nil {
			return relink(from, path)
		}
	}
	f, err := m.source()
	if err != nil {
		return err
	}
	time := m.image.times(m.key)
	err = f.fetch(ctx, u, func(archive io.Reader) error {
		u.entries = nil
		return u.scan(ctx, archive, m.key, time)
	})
	if err != nil {
		return err
	}
	m.downloaded += u.Size
	return errors.Join(u.record(path, m.key), syncDir(filepath.Dir(path)))
}

// relink puts a link to the file from in the place of the one at path.
func relink(from, path string) error {
	if err := os.Remove(path + unfinished); err != nil && exists(path+unfinished) {
		return err
	}
	if err := os.Link(from, path+unfinished); err != nil {
		return err
	}
	if err := os.Rename(path+unfinished, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// scan reads the entries of a layer, and puts nothing aside. time gives the times of its files.
func (u *unpacked) scan(ctx context.Context, archive io.Reader, key layer.Key, time func(*layer.Entry) layer.Time) error {
	scanner := layer.NewScanner(bufio.NewReaderSize(archive, 256<<10))
	hash := key.Hash()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		e, body, err := scanner.Next()
		if errors.Is(err, io.EOF) {
			u.dropped = scanner.Dropped()
			return nil
		}
		if err != nil {
			return err
		}
		if e.Kind == layer.File {
			hash.Reset()
			if _, err := io.Copy(hash, body); err != nil {
				return err
			}
			if e.Size > 0 {
				hash.Sum(e.Digest[:0])
			}
			e.MTime = time(e)
		}
		u.entries = append(u.entries, e)
	}
}

// times gives the times of files here, which are not always those of their layers: a file that another image had has the time that it
// had there. They are in the list of the image's files or, without that, with the files that several names share.
func (im *Image) times(key layer.Key) func(*layer.Entry) layer.Time {
	type file struct {
		path string
		time layer.Time
	}
	files := map[layer.Digest][]file{}
	_, err := readList(filepath.Join(im.dir, filesName), im.Digest, key, func(e *layer.Entry) error {
		files[e.Digest] = append(files[e.Digest], file{e.Path, e.MTime})
		return nil
	})
	if err != nil {
		return im.timeOnDisk
	}
	return func(e *layer.Entry) layer.Time {
		same := files[e.Digest]
		if i := slices.IndexFunc(same, func(f file) bool { return f.path == e.Path }); i >= 0 {
			return same[i].time
		}
		// It has another name there, if it is there at all: a link's.
		if len(same) == 0 || slices.ContainsFunc(same, func(f file) bool { return f.time == e.MTime }) {
			return e.MTime
		}
		return same[0].time
	}
}

func (im *Image) timeOnDisk(e *layer.Entry) layer.Time {
	info, err := inroot.FS(im.Rootfs()).Lstat(e.Path)
	if err != nil || !info.Mode().IsRegular() || info.Size() != e.Size {
		return e.MTime
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || st.Nlink < 2 {
		return e.MTime
	}
	return layer.Time{Sec: info.ModTime().Unix(), Nsec: uint32(info.ModTime().Nanosecond())}
}

// unpacked is a layer to be fetched again.
func (im *Image) unpacked(n int) *unpacked {
	l := im.Layers[n]
	return &unpacked{descriptor: descriptor{Digest: l.Digest, Size: l.Size}, diffID: l.DiffID, number: n}
}

func (im *Image) layerError(n int, err error) error {
	return fmt.Errorf("layer %d of %d: %w", n+1, len(im.Layers), err)
}

// recordError is that of lists: ErrRecord, or ErrSchema if there is nothing wrong with them.
func recordError(err error) error {
	if errors.Is(err, layer.ErrSchema) {
		return fmt.Errorf("%w: %w", ErrSchema, err)
	}
	return fmt.Errorf("%w: %w", ErrRecord, err)
}
