package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
)

// layoutIndex is index.json of an OCI image layout.
type layoutIndex struct {
	SchemaVersion int           `json:"schemaVersion"`
	MediaType     string        `json:"mediaType"`
	Manifests     []layoutEntry `json:"manifests"`
}

type layoutEntry struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Platform    Platform          `json:"platform"`
	Annotations map[string]string `json:"annotations"`
}

// names are what tools record: containerd and docker the whole reference, everyone else the tag or whatever was asked for.
func (e *layoutEntry) names() []string {
	var names []string
	for _, key := range []string{"io.containerd.image.name", "org.opencontainers.image.ref.name"} {
		if name := e.Annotations[key]; name != "" {
			names = append(names, name)
		}
	}
	return names
}

// image says whether the entry can be an image. A layout may list anything: image-layout.md, "index.json".
func (e *layoutEntry) image() bool {
	switch e.MediaType {
	case ociIndex, ociManifest, dockerList, dockerManifest:
		return e.Annotations["vnd.docker.reference.type"] != "attestation-manifest"
	}
	return false
}

// findLayout finds the images of an OCI image layout.
func (a *Archive) findLayout(ctx context.Context) error {
	var marker struct {
		Version string `json:"imageLayoutVersion"`
	}
	if err := a.document(ctx, "oci-layout", maxLayoutTag, &marker); err != nil {
		return err
	}
	if marker.Version != "1.0.0" {
		return fmt.Errorf("%w: its OCI layout is of version %q, not 1.0.0", ErrInvalid, oneLine(marker.Version))
	}
	var index layoutIndex
	if err := a.document(ctx, "index.json", maxManifest, &index); err != nil {
		return err
	}
	switch {
	case index.SchemaVersion != 2:
		return fmt.Errorf("%w: its index.json has schema version %d, not 2", ErrInvalid, index.SchemaVersion)
	case index.MediaType != "" && index.MediaType != ociIndex:
		return fmt.Errorf("%w: its index.json calls itself %s", ErrInvalid, oneLine(index.MediaType))
	}
	var other string
	for _, e := range index.Manifests {
		if !e.image() {
			other = e.MediaType
			continue
		}
		if err := a.addLayoutEntry(e); err != nil {
			return err
		}
	}
	switch {
	case len(a.images) == 0 && other != "":
		return fmt.Errorf("%w: its index.json names no image, only %s", ErrInvalid, oneLine(other))
	case len(a.images) == 0:
		return fmt.Errorf("%w: its index.json names no image", ErrInvalid)
	}
	return nil
}

func (a *Archive) addLayoutEntry(e layoutEntry) error {
	if err := checkDigest(e.Digest); err != nil {
		return fmt.Errorf("index.json: %w", err)
	}
	if e.Size < 0 {
		return fmt.Errorf("%w: its index.json says that %s has %d bytes", ErrInvalid, e.Digest, e.Size)
	}
	d := Descriptor{MediaType: e.MediaType, Digest: e.Digest, Size: e.Size}
	if had, ok := a.known[d.Digest]; ok {
		if had != d {
			return fmt.Errorf("%w: its index.json describes %s in two ways", ErrInvalid, d.Digest)
		}
		i := slices.IndexFunc(a.images, func(im Image) bool { return im.Digest == d.Digest })
		a.images[i].addNames(e.names())
		return nil
	}
	if len(a.images) == maxImages {
		return fmt.Errorf("%w: it has more than %d images", ErrInvalid, maxImages)
	}
	im := Image{Descriptor: d, Platform: e.Platform}
	im.addNames(e.names())
	a.known[d.Digest] = d
	a.images = append(a.images, im)
	return nil
}

func (im *Image) addNames(names []string) {
	for _, name := range names {
		if !slices.Contains(im.Names, name) {
			im.Names = append(im.Names, name)
		}
	}
}

// document reads a member that is one JSON value.
func (a *Archive) document(ctx context.Context, name string, limit int64, into any) error {
	raw, err := a.member(ctx, name, limit)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if err := dec.Decode(into); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: its %s ends too early", ErrInvalid, oneLine(name))
	} else if err != nil {
		return fmt.Errorf("%w: its %s: %w", ErrInvalid, oneLine(name), err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: its %s has something after its end", ErrInvalid, oneLine(name))
	}
	return nil
}

// member reads a member that has to be there.
func (a *Archive) member(ctx context.Context, name string, limit int64) ([]byte, error) {
	f, size, err := a.members.open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: it has no %s", ErrInvalid, oneLine(name))
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := readAll(ctx, f, size, limit)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", oneLine(name), err)
	}
	return raw, nil
}
