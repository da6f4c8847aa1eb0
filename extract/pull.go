package extract

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/inroot"
	"github.com/aztec-spartan/aztec-spartan/extract/internal/tree"
)

// PullOptions are the choices of a pull. The zero value is this machine's platform, the Docker credentials of the caller, and silence.
type PullOptions struct {
	Platform string // "linux/amd64", "linux/arm64/v8"; default: linux and this machine's architecture
	// Insecure allows plain HTTP for any registry. Those on this machine, in private networks (RFC 1918) or under .local may
	// use it anyway.
	Insecure bool
	Keychain authn.Keychain // default: authn.DefaultKeychain, which reads ~/.docker/config.json
	// Transport makes the requests; default: remote.DefaultTransport, which honours HTTP_PROXY and the like.
	Transport http.RoundTripper
	// MountPoints are added where the image has nothing. Times of their directories do not change.
	MountPoints []MountPoint
	// Version names the version of an image, given its files and the tag it was pulled by ("" if by digest alone). It is called
	// when everything is verified and nothing published; the files are as hostile as the image is.
	Version  func(rootfs fs.FS, config Config, tag string) string
	Progress Progress // default: silence
}

// PullStats says what a pull did; it is all zero but for Present, ReusedBytes and Seconds if the image was in the store already.
type PullStats struct {
	Present         bool
	DownloadedBytes int64 // of blobs
	WrittenBytes    int64 // of file contents
	ReusedBytes     int64 // of blobs that were not needed
	Seconds         float64
}

// Pull makes sure that the image ref names is in the store, complete and verified, and returns it. What is there costs one
// request for its manifest, and none if ref has a digest. The image returned has the reference asked for; on disk it keeps the
// one that it was first pulled by.
//
// The error is one sentence with the reference and the cause, and wraps one of the errors of this package, the context's, or
// that of the operating system, such as syscall.ENOSPC. It leaves nothing behind.
func (s *Store) Pull(ctx context.Context, ref string, o PullOptions) (*Image, PullStats, error) {
	start := time.Now()
	im, stats, err := s.pull(ctx, ref, o, start)
	if err != nil {
		return nil, PullStats{}, fmt.Errorf("pulling %s: %w", oneLine(ref), err)
	}
	stats.Seconds = time.Since(start).Seconds()
	return im, stats, nil
}

func (s *Store) pull(ctx context.Context, ref string, o PullOptions, start time.Time) (*Image, PullStats, error) {
	r, err := parseReference(ref, o.Insecure)
	if err != nil {
		return nil, PullStats{}, err
	}
	want, err := parsePlatform(o.Platform)
	if err != nil {
		return nil, PullStats{}, err
	}
	if im, err := s.present(r, want); err != nil || im != nil {
		return im, reused(im), err
	}
	complete := func(digest string) bool {
		_, err := s.load(idOf(digest))
		return !errors.Is(err, ErrNotFound)
	}
	found, err := find(ctx, r, want, o, complete)
	if err != nil {
		return nil, PullStats{}, err
	}
	im, err := s.load(idOf(found.manifest.digest))
	if err == nil {
		im.Reference = r.String()
		return im, reused(im), nil
	}
	if !errors.Is(err, ErrNotFound) {
		return nil, PullStats{}, err
	}
	im = &Image{
		Schema:      schema,
		ID:          idOf(found.manifest.digest),
		Reference:   r.String(),
		Digest:      found.manifest.digest,
		IndexDigest: found.index,
		Platform:    want.String(),
	}
	if err := s.unpack(ctx, im, found, want, r.tag, o, start); err != nil {
		return nil, PullStats{}, err
	}
	return im, PullStats{DownloadedBytes: im.DownloadedBytes, WrittenBytes: im.WrittenBytes, ReusedBytes: im.ReusedBytes}, nil
}

// present finds what a reference with a digest names in the store, or nil.
func (s *Store) present(r reference, want platform) (*Image, error) {
	if r.digest == "" {
		return nil, nil
	}
	images, err := s.List()
	if errors.Is(err, ErrSchema) {
		return nil, err
	}
	for _, im := range images {
		have, err := parsePlatform(im.Platform)
		if (im.Digest == r.digest || im.IndexDigest == r.digest) && err == nil && want.runs(have) {
			im.Reference = r.String()
			return im, nil
		}
	}
	return nil, nil
}

func reused(im *Image) PullStats {
	stats := PullStats{Present: true}
	if im != nil {
		for _, l := range im.Layers {
			stats.ReusedBytes += l.Size
		}
	}
	return stats
}

// unpack fills im and publishes it.
func (s *Store) unpack(ctx context.Context, im *Image, from target, want platform, tag string, o PullOptions, start time.Time) (err error) {
	config, err := from.repo.config(ctx, from.manifest)
	if err != nil {
		return err
	}
	if !from.matched {
		if err := config.fits(want); err != nil {
			return err
		}
	}
	im.Config = config.run()
	im.DownloadedBytes = from.manifest.Config.Size
	d, err := s.begin(im.ID)
	if err != nil {
		return fmt.Errorf("preparing the store: %w", err)
	}
	defer func() {
		if err == nil {
			err = d.lock.Close()
		} else {
			err = d.abandon(err)
		}
	}()
	if err := d.fill(ctx, im, from, config.RootFS.DiffIDs, o); err != nil {
		return err
	}
	if o.Version != nil {
		im.Version = o.Version(inroot.FS(d.rootfs()), im.Config, tag)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	im.Pulled = time.Now().UTC()
	im.Seconds = time.Since(start).Seconds()
	store, err := filepath.EvalSymlinks(s.Dir)
	if err != nil {
		return err
	}
	im.dir = filepath.Join(store, im.ID)
	if err := d.publish(im); err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	return nil
}

// fill unpacks the layers into the draft's rootfs and adds the mount points.
func (d *draft) fill(ctx context.Context, im *Image, from target, diffIDs []string, o PullOptions) (err error) {
	t, err := tree.Open(d.rootfs())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	progress := o.Progress
	if progress == nil {
		progress = silent{}
	}
	for i, l := range from.manifest.Layers {
		if err := pullLayer(ctx, from.repo, l, diffIDs[i], t, progress.Layer(l.Digest, l.Size)); err != nil {
			return fmt.Errorf("layer %d of %d: %w", i+1, len(from.manifest.Layers), err)
		}
		im.Layers = append(im.Layers, Layer{l.Digest, diffIDs[i], l.Size, string(l.MediaType)})
		im.DownloadedBytes += l.Size
	}
	for _, m := range o.MountPoints {
		made, err := t.AddEmpty(m.Path, m.Dir, m.Mode)
		if err != nil {
			return fmt.Errorf("adding the mount point %s: %w", m.Path, err)
		}
		if made {
			im.MountPoints = append(im.MountPoints, m)
		}
	}
	stats := t.Stats()
	im.Dropped, im.WrittenBytes = stats.Dropped, stats.Written
	return t.Finish()
}

func pullLayer(ctx context.Context, repo *repository, l descriptor, diffID string, into applier, progress LayerProgress) error {
	defer progress.Done()
	b, err := repo.blob(ctx, l)
	if err != nil {
		return err
	}
	defer b.Close()
	b.onRead = progress.Add
	return unpack(ctx, b, diffID, into)
}
