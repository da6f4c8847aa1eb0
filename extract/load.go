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
	// Name picks one of several images in an archive: by a name that the archive gives it, the tag in that, or the digest. All of
	// either, never an end of it.
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
	chosen, name, err := choose(a.Images(), want, o.Name)
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

// choose picks the image with a name, or the only one, and says what it is called. One name may be that of images for several
// platforms.
func choose(images []archive.Image, want platform, name string) (chosen archive.Image, called string, err error) {
	named := images
	if name != "" {
		named = slices.DeleteFunc(slices.Clone(images), func(im archive.Image) bool { return calledBy(im, name) == "" })
	}
	if len(named) == 0 {
		return archive.Image{}, "", fmt.Errorf("%w: no image of it is called %s, only %s", ErrReference, oneLine(name), namesOf(images))
	}
	// Layouts may list the images for several platforms side by side.
	fit := slices.DeleteFunc(slices.Clone(named), func(im archive.Image) bool {
		have := platform(im.Platform)
		return have != platform{} && !want.runs(have)
	})
	if len(fit) == 0 {
		return archive.Image{}, "", noneRuns(named, want)
	}
	// Two that are the same are one, whatever they are called.
	chosen = fit[0]
	if slices.ContainsFunc(fit, func(im archive.Image) bool { return im.Digest != chosen.Digest }) {
		if name == "" {
			return archive.Image{}, "", fmt.Errorf("%w: it holds several images, and one must be named: %s", ErrReference, namesOf(fit))
		}
		return archive.Image{}, "", fmt.Errorf("%w: several images of it are called %s, and one must be named wholly: %s", ErrReference, oneLine(name), namesOf(fit))
	}
	if name != "" {
		return chosen, calledBy(chosen, name), nil
	}
	return chosen, slices.Concat(chosen.Names, []string{""})[0], nil
}

// calledBy returns the name that an image has and that name stands for; "" if there is none.
func calledBy(im archive.Image, name string) string {
	for _, n := range append(slices.Clone(im.Names), im.Digest) {
		if n == name || tagOf(n) == name || sameReference(n, name) {
			return n
		}
	}
	return ""
}

func noneRuns(images []archive.Image, want platform) error {
	none := &NoPlatformError{Want: want.String()}
	for _, im := range images {
		if p := oneLine(platform(im.Platform).String()); !slices.Contains(none.Have, p) && len(none.Have) < 20 {
			none.Have = append(none.Have, p)
		}
	}
	slices.Sort(none.Have)
	return none
}

// sameReference says whether two names are one, such as docker.io/org/app:1 and org/app:1. A mere tag is no reference.
func sameReference(a, b string) bool {
	if !strings.ContainsAny(a, "/:") || !strings.ContainsAny(b, "/:") {
		return false
	}
	one, aerr := parseReference(a, false)
	two, berr := parseReference(b, false)
	return aerr == nil && berr == nil && one.String() == two.String()
}

// tagOf is the tag in a name, or what follows the algorithm of a digest; "" if there is none.
func tagOf(name string) string {
	name, _, _ = strings.Cut(name, "@")
	i := strings.LastIndexByte(name, ':')
	if i < strings.LastIndexByte(name, '/') {
		return ""
	}
	return name[i+1:]
}

// namesOf lists what images can be told apart by, for people.
func namesOf(images []archive.Image) string {
	var names []string
	for i, im := range images {
		// What several are called tells none apart.
		var own []string
		for _, n := range im.Names {
			if !slices.ContainsFunc(slices.Delete(slices.Clone(images), i, i+1), func(other archive.Image) bool { return slices.Contains(other.Names, n) }) {
				own = append(own, n)
			}
		}
		names = append(names, slices.Concat(own, []string{im.Digest})[0])
	}
	return oneLine(strings.Join(names, ", "))
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
		return invalidArchive{err}
	case errors.Is(err, archive.ErrTooLarge):
		return fmt.Errorf("%w: %w", ErrSpace, err)
	}
	return err
}

// invalidArchive is an ErrInvalidImage that says so in its own words.
type invalidArchive struct{ error }

func (e invalidArchive) Unwrap() error        { return e.error }
func (e invalidArchive) Is(target error) bool { return target == ErrInvalidImage }
