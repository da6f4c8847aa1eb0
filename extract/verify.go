package extract

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
	"github.com/aztec-spartan/aztec-spartan/extract/internal/registry"
	"github.com/aztec-spartan/aztec-spartan/extract/internal/rootfs"
	"github.com/aztec-spartan/aztec-spartan/extract/internal/stage"
)

// Damage is one difference between an image and what was unpacked.
type Damage struct {
	Path string `json:"path"` // relative to the rootfs; as hostile as the image is
	What string `json:"what"` // for people: "missing", "mode 0644, not 0600"
}

// Verified says what was compared, and found.
type Verified struct {
	Files           int64   `json:"files"` // regular files; several names of one count once
	Bytes           int64   `json:"bytes"` // of their contents
	Damaged         int     `json:"damaged"`
	Repaired        int     `json:"repaired"`
	DownloadedBytes int64   `json:"downloaded_bytes"` // of layers, for repairs
	Seconds         float64 `json:"seconds"`
}

// Verify compares every file of the image id with what was recorded when it was unpacked: type, contents, owner, mode, time,
// attributes, target; and looks for what is missing or too much. report is told about each difference, one at a time. Errors wrap
// ErrNotFound, ErrSchema, or ErrRecord if what was recorded cannot be read.
func (s *Store) Verify(ctx context.Context, id string, report func(Damage)) (Verified, error) {
	v, err := s.verify(ctx, id, nil, report)
	if err != nil {
		return Verified{}, fmt.Errorf("verifying image %s: %w", oneLine(id), err)
	}
	return v, nil
}

// Repair is Verify, and puts right what is found. Layers are fetched only if contents that they hold are damaged, or what was
// recorded of them, from the registry that the image came from. What is replaced is replaced by renames, so a node may be running from the image. Errors are
// as those of Verify and of Pull; what could not be fetched stays as it is.
func (s *Store) Repair(ctx context.Context, id string, o PullOptions, report func(Damage)) (v Verified, err error) {
	if err = s.checkFormat(); err == nil {
		v, err = s.verify(ctx, id, &o, report)
	}
	if err != nil {
		return Verified{}, fmt.Errorf("repairing image %s: %w", oneLine(id), full(err))
	}
	return v, nil
}

// verify repairs if o is not nil.
func (s *Store) verify(ctx context.Context, id string, o *PullOptions, report func(Damage)) (v Verified, err error) {
	start := time.Now()
	im, err := s.load(id)
	if err != nil {
		return v, err
	}
	if o != nil {
		// Neither another repair nor a removal may come between.
		lock, err := lockDir(im.dir)
		if err != nil {
			return v, err
		}
		defer lock.Close()
	}
	// Contents never come from other images: what two have in common is damaged in both.
	others, _ := s.List() // what cannot be read is of no help
	r := &repair{image: im, key: keyOf(im.dir, others)}
	defer func() { err = errors.Join(err, r.close()) }()
	lists := &lister{store: s, image: im, key: r.key, report: report, source: func() (*filling, error) { return r.source(*o) }}
	if o != nil {
		if err := lists.mend(ctx); err != nil {
			return v, err
		}
	}
	t, err := rootfs.Open(im.Rootfs(), r)
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	if _, err := im.recorded(t, r.key); err != nil {
		return v, recordError(err)
	}
	var damages []rootfs.Damage
	err = t.Check(ctx, r.key, func(d rootfs.Damage) { damages = append(damages, d) })
	slices.SortStableFunc(damages, func(a, b rootfs.Damage) int { return strings.Compare(a.Path, b.Path) })
	for _, d := range damages {
		report(Damage{Path: d.Path, What: d.What})
	}
	stats := t.Stats()
	v = Verified{Files: stats.Files, Bytes: stats.Bytes, Damaged: lists.mended + len(damages), Repaired: lists.mended}
	if err == nil && o != nil && len(damages) > 0 {
		t.Repair(damages)
		err = r.run(ctx, t, o)
		v.Repaired += len(damages)
	}
	v.DownloadedBytes = lists.downloaded + r.downloaded
	if err == nil {
		err = im.verifyFiles(t, r.key, &v, o != nil, report)
	}
	v.Seconds = time.Since(start).Seconds()
	return v, err
}

// verifyFiles looks at the list that other images share files by. It follows from the lists of layers, so it can be written again.
func (im *Image) verifyFiles(t *rootfs.Tree, key layer.Key, v *Verified, mend bool, report func(Damage)) error {
	path := filepath.Join(im.dir, filesName)
	if _, err := readList(path, im.Digest, key, func(*layer.Entry) error { return nil }); err == nil {
		return nil
	}
	v.Damaged++
	report(Damage{Path: ".", What: "the list of its files cannot be read: other images share none of them"})
	if !mend {
		return nil
	}
	v.Repaired++
	return writeList(path, im.Digest, key, layer.Dropped{}, t.Files)
}

// recorded brings into t, in memory, what was unpacked, and returns what the layers lost.
func (im *Image) recorded(t *rootfs.Tree, key layer.Key) (lost Dropped, err error) {
	for n, l := range im.Layers {
		dropped, err := readList(listOf(im.dir, l.DiffID), l.DiffID, key, func(e *layer.Entry) error {
			e.Staged = 0
			return t.Apply(n, e)
		})
		if err != nil {
			return lost, im.layerError(n, err)
		}
		lost.Add(dropped)
	}
	for _, m := range im.MountPoints {
		if _, err := t.AddEmpty(m.Path, m.Dir, m.Mode); err != nil {
			return lost, fmt.Errorf("the mount point %s: %w", m.Path, err)
		}
	}
	lost.Add(t.Stats().Dropped)
	return lost, nil
}

// repair gets contents of one image anew.
type repair struct {
	image      *Image
	key        layer.Key
	dir        string // of what is put aside; "" if nothing is
	index      *stage.Index
	stage      *stage.Stage
	lock       *os.File
	repo       *registry.Repository // nil until it is needed, as is
	from       *filling
	downloaded int64 // bytes of blobs
}

// Place implements rootfs.Contents. A check asks for nothing.
func (r *repair) Place(n int, e *layer.Entry, dirfd int, name string) error {
	if r.stage == nil {
		return rootfs.ErrAbsent
	}
	return r.stage.Place(n, e, dirfd, name)
}

func (r *repair) run(ctx context.Context, t *rootfs.Tree, o *PullOptions) error {
	if err := r.open(o.Reserve); err != nil {
		return err
	}
	if err := t.Flush(ctx); err != nil {
		return err
	}
	if absent := t.Absent(); len(absent) > 0 {
		if err := r.fetch(ctx, t, absent, *o); err != nil {
			return err
		}
	}
	if err := t.Finish(ctx); err != nil {
		return err
	}
	return syncFS(r.lock)
}

func (r *repair) open(reserve int64) (err error) {
	store := filepath.Dir(r.image.dir)
	r.dir = filepath.Join(store, partial+"repair-"+r.image.ID)
	if r.lock, err = lockNew(r.dir); err != nil {
		return err
	}
	// A repair that was killed may have been here.
	if err := empty(r.dir); err != nil {
		return err
	}
	r.index = stage.NewIndex()
	r.stage, err = stage.New(filepath.Join(r.dir, stageName), 1, r.key, r.index, stage.NewBudget(int(r.lock.Fd()), reserve))
	return err
}

// source is where the image came from.
func (r *repair) source(o PullOptions) (*filling, error) {
	if r.from != nil {
		return r.from, nil
	}
	ref, err := parseReference(r.image.Reference, o.Insecure)
	if err != nil {
		return nil, err
	}
	if r.repo, err = connect(ref.repo, o); err != nil {
		return nil, err
	}
	r.from = newFilling(remoteImages(r.repo), o.Progress)
	return r.from, nil
}

// fetch puts the contents aside that t wants of its layers.
func (r *repair) fetch(ctx context.Context, t *rootfs.Tree, layers []int, o PullOptions) error {
	f, err := r.source(o)
	if err != nil {
		return err
	}
	f.stage = r.stage
	for _, n := range layers {
		u := r.image.unpacked(n)
		err := f.recover(ctx, u, t.Wanted(n), filepath.Join(r.dir, strconv.Itoa(n)))
		if err != nil {
			return r.image.layerError(n, err)
		}
		r.downloaded += u.Size
	}
	return nil
}

func (r *repair) close() error {
	var errs []error
	if r.repo != nil {
		r.repo.Close()
	}
	if r.stage != nil {
		errs = append(errs, r.stage.Close())
	}
	if r.index != nil {
		errs = append(errs, r.index.Close())
	}
	if r.dir != "" {
		errs = append(errs, os.RemoveAll(r.dir))
	}
	if r.lock != nil {
		errs = append(errs, r.lock.Close())
	}
	return errors.Join(errs...)
}
