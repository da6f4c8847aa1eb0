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
)

// PullOptions are the choices of a pull. The zero value is this machine's platform, the Docker credentials of the caller, and silence.
type PullOptions struct {
	Platform string // "linux/amd64", "linux/arm64/v8"; default: linux and this machine's architecture
	// Insecure allows plain HTTP for any registry. Those on this machine, in private networks (RFC 1918) or under .local may
	// use it anyway.
	Insecure bool
	Keychain authn.Keychain // default: authn.DefaultKeychain, which reads ~/.docker/config.json
	// CredentialsFile is asked before Keychain: "auths" as in Docker's config.json. It must be this user's alone.
	CredentialsFile string
	// Mirrors are tried in this order before a registry: "HOST[:PORT][/PREFIX]", with http:// before it for plain HTTP.
	Mirrors []string
	// CAFile holds certificates (PEM) to trust beside the system's.
	CAFile string
	// Transport makes the requests; default: remote.DefaultTransport, which honours HTTP_PROXY and the like.
	Transport http.RoundTripper
	// Report is told in one line about what did not go as it should and was dealt with, such as retries. Default: silence.
	Report func(event string)
	// Wait waits between attempts, or returns the context's error. Default: it does that.
	Wait func(ctx context.Context, d time.Duration) error

	UnpackOptions
}

// UnpackOptions are the choices of everything that unpacks.
type UnpackOptions struct {
	// MountPoints are added where the image has nothing. Times of their directories do not change.
	MountPoints []MountPoint
	// Version names the version of an image, given its files and the tag it was pulled by ("" if by digest alone). It is called
	// when everything is verified and nothing published; the files are as hostile as the image is.
	Version func(rootfs fs.FS, config Config, tag string) string
	// Reserve is how many bytes of the store's file system must stay free.
	Reserve  int64
	Progress Progress // default: silence
}

// PullStats says what a pull did; it is all zero but for Present, Recorded, ReusedBytes and Seconds if the image was in the store
// already, and what was downloaded for a record.
type PullStats struct {
	Present         bool
	Recorded        bool  // the image was there, but its record was damaged and is written anew; what runs is not touched
	DownloadedBytes int64 // of blobs
	WrittenBytes    int64 // of file contents
	SharedBytes     int64 // of file contents that other versions have
	ReusedBytes     int64 // of blobs that were not needed
	Seconds         float64
	Moved           *Sighting // what the tag was the last time, if it has moved since
}

// Pull makes sure that the image ref names is in the store, complete and verified, and returns it. What is there costs one
// request for its manifest, and none if ref has a digest. If its record (image.json) cannot be read, it is made again. The image
// returned has the reference asked for; on disk it keeps the one that it was first pulled by.
//
// The error is one sentence with the reference and the cause, and wraps one of the errors of this package, the context's, or
// that of the operating system. No image is left behind by it, unless all that failed was recording what the tag is; layers that were finished when the registry failed are kept for
// the next pull of the same image, and swept away by that of another.
func (s *Store) Pull(ctx context.Context, ref string, o PullOptions) (*Image, PullStats, error) {
	start := time.Now()
	im, stats, err := s.pull(ctx, ref, o, start)
	if err != nil {
		return nil, PullStats{}, fmt.Errorf("pulling %s: %w", oneLine(ref), full(err))
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
	// What will be written to in the end had better be readable before anything is downloaded.
	if err := s.checkFormat(); err != nil {
		return nil, PullStats{}, err
	}
	if _, err := s.sightings(); err != nil {
		return nil, PullStats{}, err
	}
	if im, err := s.present(r, want); err != nil || im != nil {
		return im, reused(im), err
	}
	repo, err := connect(r.repo, o)
	if err != nil {
		return nil, PullStats{}, err
	}
	defer repo.Close()
	found, err := find(ctx, remoteImages(repo), r.identifier(), want, s.complete)
	if err != nil {
		return nil, PullStats{}, err
	}
	im, stats, err := s.add(ctx, found, want, r, o.UnpackOptions, start)
	if err != nil {
		return nil, PullStats{}, err
	}
	stats.Moved, err = s.sight(r, found.manifest.digest, found.index)
	return im, stats, err
}

// complete says whether an image is here, as far as anyone can tell without reading it.
func (s *Store) complete(digest string) bool {
	_, err := s.load(IDOf(digest))
	return !errors.Is(err, ErrNotFound)
}

// add brings an image that was found into the store, if it is not there.
func (s *Store) add(ctx context.Context, found target, want platform, r reference, o UnpackOptions, start time.Time) (*Image, PullStats, error) {
	im, err := s.load(IDOf(found.manifest.digest))
	if err == nil {
		im.Reference = r.String()
		return im, reused(im), nil
	}
	damaged := errors.Is(err, ErrRecord)
	if !damaged && !errors.Is(err, ErrNotFound) {
		return nil, PullStats{}, err
	}
	if found.manifest.Config == nil {
		// It was here when it was found, and is gone.
		if found.manifest, err = found.src.manifest(ctx, found.manifest.digest); err != nil {
			return nil, PullStats{}, err
		}
	}
	im = &Image{
		Schema:      schema,
		ID:          IDOf(found.manifest.digest),
		Reference:   r.String(),
		Digest:      found.manifest.digest,
		IndexDigest: found.index,
		Platform:    want.String(),
	}
	if damaged {
		if err := s.rerecord(ctx, im, found, want, r.tag, o); err != nil {
			return nil, PullStats{}, fmt.Errorf("writing its record anew: %w", err)
		}
		stats := reused(im)
		stats.Recorded, stats.DownloadedBytes = true, im.DownloadedBytes
		return im, stats, nil
	}
	err = s.unpack(ctx, im, found, want, r.tag, o, start)
	if errors.Is(err, errPresent) {
		if im, err = s.load(im.ID); err != nil {
			return nil, PullStats{}, err
		}
		im.Reference = r.String()
		return im, reused(im), nil
	}
	if err != nil {
		return nil, PullStats{}, err
	}
	return im, PullStats{
		DownloadedBytes: im.DownloadedBytes, WrittenBytes: im.WrittenBytes, SharedBytes: im.SharedBytes, ReusedBytes: im.ReusedBytes,
	}, nil
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
func (s *Store) unpack(ctx context.Context, im *Image, from target, want platform, tag string, o UnpackOptions, start time.Time) (err error) {
	config, err := from.src.config(ctx, from.manifest)
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
