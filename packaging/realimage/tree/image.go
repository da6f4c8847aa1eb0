package tree

import (
	"fmt"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// RefName is the annotation of an index entry that holds its tag, OCI image
// spec "annotations.md".
const RefName = "org.opencontainers.image.ref.name"

// Image puts layers and a configuration together. The history of the
// configuration is made from the layers; architecture is as Go names it.
func Image(cfg v1.Config, architecture string, layers ...Layer) (v1.Image, error) {
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	return assemble(img, cfg, architecture, layers)
}

// DockerImage is Image with the media types of Docker's own manifests, as
// registries served them before OCI's (distribution spec "manifest v2 schema 2").
func DockerImage(cfg v1.Config, architecture string, layers ...Layer) (v1.Image, error) {
	for i, l := range layers {
		layers[i] = l.Docker()
	}
	return assemble(empty.Image, cfg, architecture, layers)
}

func assemble(img v1.Image, cfg v1.Config, architecture string, layers []Layer) (v1.Image, error) {
	added := make([]mutate.Addendum, len(layers))
	for i, l := range layers {
		added[i] = mutate.Addendum{
			Layer:     l,
			MediaType: l.media,
			History:   v1.History{Created: v1.Time{Time: Epoch}, CreatedBy: fmt.Sprintf("layer %d", i+1)},
		}
	}
	img, err := mutate.Append(img, added...)
	if err != nil {
		return nil, fmt.Errorf("adding layers to an image: %w", err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("configuring an image: %w", err)
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Created, file.Config = "linux", architecture, v1.Time{Time: Epoch}, cfg
	img, err = mutate.ConfigFile(img, file)
	if err != nil {
		return nil, fmt.Errorf("configuring an image: %w", err)
	}
	return img, nil
}

// Layout is an OCI image layout being written.
type Layout struct {
	path layout.Path
	// Blobs is where Tree.Write puts layers.
	Blobs string
}

// NewLayout makes an empty layout in dir, which need not exist.
func NewLayout(dir string) (*Layout, error) {
	blobs := filepath.Join(dir, "blobs", "sha256")
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		return nil, fmt.Errorf("making the layout %s: %w", dir, err)
	}
	p, err := layout.Write(dir, empty.Index)
	if err != nil {
		return nil, fmt.Errorf("making the layout %s: %w", dir, err)
	}
	return &Layout{path: p, Blobs: blobs}, nil
}

// Tag adds an image under a tag. Layers that Tree.Write put there stay as they
// are; manifest and configuration are written.
func (l *Layout) Tag(tag string, img v1.Image) error {
	if err := l.path.AppendImage(img, layout.WithAnnotations(map[string]string{RefName: tag})); err != nil {
		return fmt.Errorf("adding %s to the layout %s: %w", tag, l.path, err)
	}
	return nil
}

// TagIndex adds an index of several platforms under a tag.
func (l *Layout) TagIndex(tag string, index v1.ImageIndex) error {
	if err := l.path.AppendIndex(index, layout.WithAnnotations(map[string]string{RefName: tag})); err != nil {
		return fmt.Errorf("adding %s to the layout %s: %w", tag, l.path, err)
	}
	return nil
}
