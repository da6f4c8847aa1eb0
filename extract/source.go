package extract

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

// source is where an image comes from: a registry, or an archive.
type source interface {
	// Manifest returns a manifest or index, by digest or, where there are such, by tag, and the media type it was sent as.
	// What has a digest is checked against it.
	Manifest(ctx context.Context, id string) (raw []byte, mediaType string, err error)
	// Blob reads a blob, in order; it may be read ahead. Its contents are for the caller to check, its size is not.
	Blob(ctx context.Context, digest string, size int64) (io.ReadCloser, error)
}

// images reads images from a source.
type images struct {
	source
	origin source // what the source is a mirror of; nil if it is none
}

func (s images) manifest(ctx context.Context, id string) (*document, error) {
	raw, mediaType, err := s.Manifest(ctx, id)
	if err != nil {
		return nil, err
	}
	digest := digestOf(raw)
	if strings.HasPrefix(id, "sha256:") && digest != id {
		return nil, fmt.Errorf("%w: %s was sent for the manifest %s", ErrDigest, digest, id)
	}
	return parseDocument(raw, mediaType, digest)
}

// config fetches and checks the configuration of an image.
func (s images) config(ctx context.Context, manifest *document) (*configFile, error) {
	raw, err := s.small(ctx, *manifest.Config)
	if err != nil {
		return nil, fmt.Errorf("fetching the configuration: %w", err)
	}
	return parseConfig(raw, len(manifest.Layers))
}

// small reads a blob into memory and checks it.
func (s images) small(ctx context.Context, d descriptor) (raw []byte, err error) {
	err = s.blob(ctx, d, func(body io.Reader) error {
		if raw, err = io.ReadAll(io.LimitReader(body, d.Size+1)); err != nil {
			return err
		}
		if int64(len(raw)) != d.Size || digestOf(raw) != d.Digest {
			return fmt.Errorf("%w: %s was sent for %s", ErrDigest, digestOf(raw), d.Digest)
		}
		return nil
	})
	return raw, err
}

// blob gives a blob to read, which checks it. If a mirror has something else under its digest, read is called again with what the
// registry has.
func (s images) blob(ctx context.Context, d descriptor, read func(io.Reader) error) error {
	mirrored, err := readBlob(ctx, s.source, d, read)
	if mirrored && s.origin != nil && errors.Is(err, ErrDigest) {
		_, err = readBlob(ctx, s.origin, d, read)
	}
	return err
}

func readBlob(ctx context.Context, s source, d descriptor, read func(io.Reader) error) (mirrored bool, err error) {
	body, err := s.Blob(ctx, d.Digest, d.Size)
	if err != nil {
		return false, err
	}
	defer body.Close()
	err = read(body)
	m, ok := body.(interface{ Mirrored() bool })
	return ok && m.Mirrored(), err
}

func digestOf(raw []byte) string {
	sum := sha256.Sum256(raw)
	return digestString(sum[:])
}

func digestString(sum []byte) string { return "sha256:" + hex.EncodeToString(sum) }
