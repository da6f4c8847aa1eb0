package extract

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Resolved says what a reference means right now.
type Resolved struct {
	Reference   string    // canonical: registry, repository, and the tag or digest asked for
	Digest      string    // "sha256:HEX" of the manifest for the platform; the image's identity
	IndexDigest string    // "sha256:HEX" of the index the reference names, "" if it names a manifest
	Tag         string    // "" if there is none
	Created     time.Time // as the image's author says; zero if it is not said, or was not asked for
}

// Resolve asks the registry what ref is, and downloads nothing but manifests. Errors are as those of Store.Pull.
func Resolve(ctx context.Context, ref string, o PullOptions) (Resolved, error) {
	r, err := resolve(ctx, ref, o, false)
	if err != nil {
		return Resolved{}, fmt.Errorf("resolving %s: %w", oneLine(ref), err)
	}
	return r, nil
}

// Inspect is Resolve that also reads the image's configuration, for Resolved.Created.
func Inspect(ctx context.Context, ref string, o PullOptions) (Resolved, error) {
	r, err := resolve(ctx, ref, o, true)
	if err != nil {
		return Resolved{}, fmt.Errorf("inspecting %s: %w", oneLine(ref), err)
	}
	return r, nil
}

func resolve(ctx context.Context, ref string, o PullOptions, inspect bool) (Resolved, error) {
	r, err := parseReference(ref, o.Insecure)
	if err != nil {
		return Resolved{}, err
	}
	want, err := parsePlatform(o.Platform)
	if err != nil {
		return Resolved{}, err
	}
	repo, err := connect(r.repo, o)
	if err != nil {
		return Resolved{}, err
	}
	defer repo.Close()
	// Unless the manifest is read, the index's word for what it is will do.
	found, err := find(ctx, remoteImages(repo), r.identifier(), want, func(string) bool { return !inspect })
	if err != nil {
		return Resolved{}, err
	}
	now := Resolved{Reference: r.String(), Digest: found.manifest.digest, IndexDigest: found.index, Tag: r.tag}
	if inspect {
		config, err := found.src.config(ctx, found.manifest)
		if err != nil {
			return Resolved{}, err
		}
		now.Created = config.created()
	}
	return now, nil
}

// target is the image that was found.
type target struct {
	src      images
	manifest *document
	index    string // digest of the outermost index, "" if there was none
	matched  bool   // an index vouches for the platform; otherwise the configuration has to
}

// find follows id to the manifest for a platform. One that is known by its digest is not fetched when an index names it: only its
// digest is set then.
func find(ctx context.Context, src images, id string, want platform, known func(digest string) bool) (target, error) {
	doc, err := src.manifest(ctx, id)
	if err != nil {
		return target{}, err
	}
	if !doc.index() {
		return target{src: src, manifest: doc}, nil
	}
	c := chooser{src: src, want: want, known: known, requests: 16}
	manifest, err := c.choose(ctx, doc, 1)
	if err != nil {
		return target{}, err
	}
	return target{src: src, manifest: manifest, index: doc.digest, matched: true}, nil
}

// chooser picks one platform out of an index. Indexes nest (a tag per architecture is often an index itself, with attestations
// beside the image), so both the depth and the number of requests are bounded.
type chooser struct {
	src      images
	want     platform
	known    func(digest string) bool
	requests int
	have     []string // platforms seen and not wanted
}

const maxDepth = 4

// choose returns the manifest for the platform: an entry that says so, else one found in a nested index, else one that says
// nothing and whose configuration fits.
func (c *chooser) choose(ctx context.Context, index *document, depth int) (*document, error) {
	var exact, nested, silent []descriptor
	for _, d := range index.Manifests {
		isIndex := slices.Contains(indexTypes, d.MediaType)
		switch {
		case !knownDocument(d.MediaType), d.Annotations["vnd.docker.reference.type"] == "attestation-manifest":
		case d.Platform == nil || d.Platform.OS == "" && d.Platform.Architecture == "":
			silent = append(silent, d)
		case d.Platform.attestation():
		case !c.want.runs(*d.Platform):
			if p := oneLine(d.Platform.String()); !slices.Contains(c.have, p) && len(c.have) < 20 {
				c.have = append(c.have, p)
			}
		case isIndex:
			nested = append(nested, d)
		default:
			exact = append(exact, d)
		}
	}
	for i, d := range slices.Concat(exact, nested, silent) {
		doc, err := c.try(ctx, d, depth, i >= len(exact)+len(nested))
		if !errors.Is(err, ErrNoPlatform) {
			return doc, err
		}
	}
	slices.Sort(c.have)
	return nil, &NoPlatformError{Want: c.want.String(), Have: c.have}
}

func (c *chooser) try(ctx context.Context, d descriptor, depth int, silent bool) (*document, error) {
	if c.requests--; c.requests < 0 || depth >= maxDepth {
		return nil, fmt.Errorf("%w: its indexes nest too deeply", ErrInvalidImage)
	}
	if err := d.check(maxManifest); err != nil {
		return nil, err
	}
	if !silent && !slices.Contains(indexTypes, d.MediaType) && c.known(d.Digest) {
		return &document{media: d.MediaType, digest: d.Digest}, nil
	}
	doc, err := c.src.manifest(ctx, d.Digest)
	switch {
	case err != nil:
		return nil, err
	case doc.media != d.MediaType:
		return nil, fmt.Errorf("%w: its index calls %s a %s, and it is a %s", ErrInvalidImage, d.Digest, d.MediaType, doc.media)
	case doc.index():
		return c.choose(ctx, doc, depth+1)
	case !silent:
		return doc, nil
	}
	config, err := c.src.config(ctx, doc)
	if err != nil {
		return nil, err
	}
	return doc, config.fits(c.want)
}

func (c *configFile) fits(want platform) error {
	if !want.runs(c.platform) {
		return &NoPlatformError{Want: want.String(), Have: []string{oneLine(c.platform.String())}}
	}
	return nil
}
