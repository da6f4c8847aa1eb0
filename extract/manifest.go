package extract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Caps on what a registry may make us hold in memory. OCI image specification, manifest.md, suggests 4 MiB for manifests.
const (
	maxManifest = 4 << 20
	maxConfig   = 8 << 20
	maxLayers   = 1000
	maxBlob     = 1 << 40
)

var (
	indexTypes    = []types.MediaType{types.OCIImageIndex, types.DockerManifestList}
	manifestTypes = []types.MediaType{types.OCIManifestSchema1, types.DockerManifestSchema2}
	configTypes   = []types.MediaType{types.OCIConfigJSON, types.DockerConfigJSON}
	layerTypes    = []types.MediaType{
		types.OCILayer, types.OCILayerZStd, types.OCIUncompressedLayer, types.DockerLayer, types.DockerUncompressedLayer,
		"application/vnd.docker.image.rootfs.diff.tar.zstd",
	}
)

// descriptor is a content descriptor of the OCI image specification, descriptor.md.
type descriptor struct {
	MediaType   types.MediaType   `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Platform    *platform         `json:"platform"`
	Annotations map[string]string `json:"annotations"`
}

// document is a manifest or an index; which of the two, media says.
type document struct {
	SchemaVersion int             `json:"schemaVersion"`
	MediaType     types.MediaType `json:"mediaType"`
	Config        *descriptor     `json:"config"`
	Layers        []descriptor    `json:"layers"`
	Manifests     []descriptor    `json:"manifests"`

	media  types.MediaType
	digest string
}

func (d *document) index() bool { return slices.Contains(indexTypes, d.media) }

// parseDocument reads what a registry sent as contentType. The two must agree, and the document must be one kind only, or two
// readers of the same digest could see two images: CVE-2021-41190.
func parseDocument(raw []byte, contentType, digest string) (*document, error) {
	d := &document{digest: digest}
	if err := decode(raw, d); err != nil {
		return nil, fmt.Errorf("%w: reading the manifest: %w", ErrInvalidImage, err)
	}
	d.media = d.MediaType
	if header, _, err := mime.ParseMediaType(contentType); err == nil && knownDocument(types.MediaType(header)) {
		if d.MediaType != "" && d.MediaType != types.MediaType(header) {
			return nil, fmt.Errorf("%w: its manifest was sent as %s and calls itself %s", ErrInvalidImage, header, oneLine(string(d.MediaType)))
		}
		d.media = types.MediaType(header)
	}
	switch {
	case !knownDocument(d.media):
		return nil, fmt.Errorf("%w: manifests of type %s (sent as %s) are not supported", ErrInvalidImage, oneLine(string(d.media)), oneLine(contentType))
	case d.SchemaVersion != 2:
		return nil, fmt.Errorf("%w: its manifest has schema version %d, not 2", ErrInvalidImage, d.SchemaVersion)
	case d.index() && (d.Config != nil || d.Layers != nil), !d.index() && d.Manifests != nil:
		return nil, fmt.Errorf("%w: its manifest is an index and an image at once", ErrInvalidImage)
	case d.index():
		return d, nil
	}
	return d, d.checkImage()
}

func knownDocument(t types.MediaType) bool {
	return slices.Contains(indexTypes, t) || slices.Contains(manifestTypes, t)
}

func (d *document) checkImage() error {
	switch {
	case d.Config == nil:
		return fmt.Errorf("%w: its manifest names no configuration", ErrInvalidImage)
	case !slices.Contains(configTypes, d.Config.MediaType):
		return fmt.Errorf("%w: it is an artifact of type %s, not a container image", ErrInvalidImage, oneLine(string(d.Config.MediaType)))
	case len(d.Layers) > maxLayers:
		return fmt.Errorf("%w: %d layers are more than %d", ErrInvalidImage, len(d.Layers), maxLayers)
	}
	if err := d.Config.check(maxConfig); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	for i, l := range d.Layers {
		if !slices.Contains(layerTypes, l.MediaType) {
			return fmt.Errorf("layer %d: %w: media type %s is not supported", i+1, ErrInvalidImage, oneLine(string(l.MediaType)))
		}
		if err := l.check(maxBlob); err != nil {
			return fmt.Errorf("layer %d: %w", i+1, err)
		}
	}
	return nil
}

func (d descriptor) check(limit int64) error {
	if err := checkDigest(d.Digest); err != nil {
		return err
	}
	if d.Size < 0 || d.Size > limit {
		return fmt.Errorf("%w: a size of %d bytes is not between 0 and %d", ErrInvalidImage, d.Size, limit)
	}
	return nil
}

func checkDigest(s string) error {
	if h, err := v1.NewHash(s); err != nil || h.Algorithm != "sha256" {
		return fmt.Errorf("%w: %s is not a sha256 digest", ErrInvalidImage, oneLine(s))
	}
	return nil
}

// decode is json.Unmarshal for exactly one value.
func decode(raw []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}
