package extract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/archive"
	"github.com/aztec-spartan/aztec-spartan/extract/internal/inflate"
	"github.com/aztec-spartan/aztec-spartan/extract/internal/stage"
)

// LoadOptions are the choices of a load.
type LoadOptions struct {
	Platform string // as in PullOptions
	// Name picks one of several images in an archive, by a name or tag that the archive gives it, or by digest.
	Name string
	// Repository completes names that are only tags, as in OCI layouts: "registry/name".
	Repository string
	UnpackOptions
}

// Load brings an image from an archive into the store: an OCI image layout (a directory), that in a tar archive, or what `docker
// save` writes; archives may be compressed, and are read from r if that is not nil. Everything is verified as in a pull. Errors are as those of
// Pull; ErrReference also means that an archive has several images and Name picks none.
func (s *Store) Load(ctx context.Context, path string, r io.Reader, o LoadOptions) (*Image, PullStats, error) {
	start := time.Now()
	im, stats, err := s.loadArchive(ctx, path, r, o, start)
	if err != nil {
		return nil, PullStats{}, fmt.Errorf("loading %s: %w", oneLine(path), full(err))
	}
	stats.Seconds = time.Since(start).Seconds()
	return im, stats, nil
}

func (s *Store) loadArchive(ctx context.Context, path string, r io.Reader, o LoadOptions, start time.Time) (*Image, PullStats, error) {
	want, err := parsePlatform(o.Platform)
	if err != nil {
		return nil, PullStats{}, err
	}
	if err := s.prepare(); err != nil {
		return nil, PullStats{}, fmt.Errorf("preparing the store: %w", err)
	}
	a, err := s.openArchive(ctx, path, r, o.Reserve)
	if err != nil {
		return nil, PullStats{}, archiveError(err)
	}
	defer a.Close()
	chosen, name, err := choose(forPlatform(a.Images(), want), o.Name)
	if err != nil {
		return nil, PullStats{}, err
	}
	ref, err := loadedReference(name, chosen.Digest, o.Repository)
	if err != nil {
		return nil, PullStats{}, err
	}
	found, err := find(ctx, images{source: loaded{a}}, chosen.Digest, want, s.complete)
	if err != nil {
		return nil, PullStats{}, err
	}
	im, stats, err := s.add(ctx, found, want, ref, o.UnpackOptions, start)
	if err != nil {
		return nil, PullStats{}, err
	}
	stats.DownloadedBytes = 0
	// Who loads a tag means what was loaded, whatever it was before.
	stats.Moved, err = s.sight(ref, im.Digest, im.IndexDigest)
	return im, stats, err
}

// openArchive opens an archive. What has to be unpacked for that goes to the store's file system, and leaves its reserve alone.
func (s *Store) openArchive(ctx context.Context, path string, r io.Reader, reserve int64) (*archive.Archive, error) {
	dir, err := os.Open(s.Dir)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	left, err := stage.NewBudget(int(dir.Fd()), reserve).Left()
	if err != nil {
		return nil, err
	}
	o := archive.Options{TempDir: s.Dir, MaxBytes: max(left, 1), Inflate: func(r io.Reader) (io.ReadCloser, error) {
		z, err := inflate.New(r)
		if err != nil {
			return nil, err
		}
		return z, nil
	}}
	if r != nil {
		return archive.Read(ctx, r, o)
	}
	return archive.Open(ctx, path, o)
}

// forPlatform leaves out the images that say they are for another platform, unless all do: layouts may list those of several
// platforms side by side, under one name.
func forPlatform(images []archive.Image, want platform) []archive.Image {
	fit := slices.DeleteFunc(slices.Clone(images), func(im archive.Image) bool {
		have := platform(im.Platform)
		return have != platform{} && !want.runs(have)
	})
	if len(fit) == 0 {
		return images
	}
	return fit
}

// choose picks the image with a name, or the only one.
func choose(images []archive.Image, name string) (chosen archive.Image, called string, err error) {
	var names []string
	for _, im := range images {
		for _, n := range append(im.Names, im.Digest) {
			if name != "" && (n == name || strings.HasSuffix(n, ":"+name)) {
				return im, n, nil
			}
		}
		names = append(names, slices.Concat(im.Names, []string{im.Digest})[0])
	}
	switch {
	case name != "":
		return archive.Image{}, "", fmt.Errorf("%w: no image of it is called %s, only %s", ErrReference, oneLine(name), oneLine(strings.Join(names, ", ")))
	case len(images) > 1:
		return archive.Image{}, "", fmt.Errorf("%w: it holds several images, and one must be named: %s", ErrReference, oneLine(strings.Join(names, ", ")))
	case len(images[0].Names) > 0:
		return images[0], images[0].Names[0], nil
	}
	return images[0], "", nil
}

// loadedReference is what an image of an archive is known by: its name there, as far as that is one.
func loadedReference(name, digest, repository string) (reference, error) {
	if name != "" && name != digest {
		if !strings.ContainsAny(name, "/:") {
			name = repository + ":" + name
		}
		if r, err := parseReference(name, false); err == nil {
			return r, nil
		}
	}
	return parseReference(repository+"@"+digest, false)
}

// loaded is an archive with the errors of this package.
type loaded struct{ archive *archive.Archive }

func (l loaded) Manifest(ctx context.Context, id string) ([]byte, string, error) {
	raw, mediaType, err := l.archive.Manifest(ctx, id)
	return raw, mediaType, archiveError(err)
}

func (l loaded) Blob(ctx context.Context, digest string, size int64) (io.ReadCloser, error) {
	r, err := l.archive.Blob(ctx, digest, size)
	return r, archiveError(err)
}

func archiveError(err error) error {
	switch {
	case errors.Is(err, archive.ErrMissing):
		return fmt.Errorf("%w: %w", ErrIncomplete, err)
	case errors.Is(err, archive.ErrInvalid):
		return fmt.Errorf("%w: %w", ErrInvalidImage, err)
	case errors.Is(err, archive.ErrTooLarge):
		return fmt.Errorf("%w: %w", ErrSpace, err)
	}
	return err
}
