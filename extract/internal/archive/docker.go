package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// Media types of what a made up manifest names.
const (
	dockerConfig    = "application/vnd.docker.container.image.v1+json"
	dockerLayer     = "application/vnd.docker.image.rootfs.diff.tar"
	dockerLayerGzip = "application/vnd.docker.image.rootfs.diff.tar.gzip"
	dockerLayerZstd = "application/vnd.docker.image.rootfs.diff.tar.zstd"
)

// maxMade bounds the bytes of all manifests that are made up.
const maxMade = 16 << 20

// savedImage is one image of manifest.json.
type savedImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

type madeManifest struct {
	SchemaVersion int              `json:"schemaVersion"`
	MediaType     string           `json:"mediaType"`
	Config        madeDescriptor   `json:"config"`
	Layers        []madeDescriptor `json:"layers"`
}

type madeDescriptor struct {
	MediaType string `json:"mediaType"`
	Size      int64  `json:"size"`
	Digest    string `json:"digest"`
}

// findDocker finds the images of manifest.json and makes up a manifest for each.
func (a *Archive) findDocker(ctx context.Context) error {
	var saved []savedImage
	if err := a.document(ctx, "manifest.json", maxManifest, &saved); err != nil {
		return err
	}
	switch {
	case len(saved) == 0:
		return fmt.Errorf("%w: its manifest.json names no image", ErrInvalid)
	case len(saved) > maxImages:
		return fmt.Errorf("%w: it has more than %d images", ErrInvalid, maxImages)
	}
	a.blobs = map[string]string{}
	var (
		m    = maker{Archive: a, sizes: map[string]int64{}, hashed: map[string]madeDescriptor{}}
		seen = map[string]int{}
		made int
	)
	for i, s := range saved {
		raw, err := m.manifest(ctx, s)
		if err != nil {
			return fmt.Errorf("image %d of manifest.json: %w", i+1, err)
		}
		if made += len(raw); made > maxMade {
			return fmt.Errorf("%w: its images have too many layers", ErrInvalid)
		}
		digest := digestOf(raw)
		at, ok := seen[digest]
		if !ok {
			at = len(a.images)
			seen[digest] = at
			a.made[digest] = raw
			a.images = append(a.images, Image{Descriptor: Descriptor{MediaType: dockerManifest, Digest: digest, Size: int64(len(raw))}})
		}
		a.images[at].addNames(s.RepoTags)
	}
	return nil
}

// maker makes up manifests.
type maker struct {
	*Archive
	sizes  map[string]int64          // of blobs, by digest
	hashed map[string]madeDescriptor // compressed layers, by member
}

func (m *maker) manifest(ctx context.Context, s savedImage) ([]byte, error) {
	name, err := cleanName(s.Config)
	if err != nil {
		return nil, err
	}
	raw, err := m.member(ctx, name, maxConfig)
	if err != nil {
		return nil, err
	}
	config := madeDescriptor{MediaType: dockerConfig, Size: int64(len(raw)), Digest: digestOf(raw)}
	// Its name is all there is to tell that it was damaged.
	if id := strings.TrimPrefix(strings.TrimSuffix(path.Base(name), ".json"), "sha256:"); isHex(id) && "sha256:"+id != config.Digest {
		return nil, fmt.Errorf("%w: the content of %s is %s", ErrInvalid, oneLine(name), config.Digest)
	}
	if err := m.place(config, name); err != nil {
		return nil, err
	}
	var c struct {
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrInvalid, oneLine(name), err)
	}
	switch {
	case len(c.RootFS.DiffIDs) != len(s.Layers):
		return nil, fmt.Errorf("%w: it has %d layers, and its configuration %d", ErrInvalid, len(s.Layers), len(c.RootFS.DiffIDs))
	case len(s.Layers) > maxLayers:
		return nil, fmt.Errorf("%w: %d layers are more than %d", ErrInvalid, len(s.Layers), maxLayers)
	}
	made := madeManifest{SchemaVersion: 2, MediaType: dockerManifest, Config: config, Layers: []madeDescriptor{}}
	for i, layer := range s.Layers {
		d, err := m.layer(ctx, layer, c.RootFS.DiffIDs[i])
		if err != nil {
			return nil, fmt.Errorf("layer %d: %w", i+1, err)
		}
		made.Layers = append(made.Layers, d)
	}
	return json.Marshal(made)
}

// layer describes a layer. Compressed ones are hashed, once.
func (m *maker) layer(ctx context.Context, name, diffID string) (madeDescriptor, error) {
	if err := checkDigest(diffID); err != nil {
		return madeDescriptor{}, err
	}
	name, err := cleanName(name)
	if err != nil {
		return madeDescriptor{}, err
	}
	d, ok := m.hashed[name]
	if !ok {
		f, size, err := m.members.open(name)
		if errors.Is(err, fs.ErrNotExist) {
			return madeDescriptor{}, fmt.Errorf("%s: %w", oneLine(name), ErrMissing)
		}
		if err != nil {
			return madeDescriptor{}, err
		}
		defer f.Close()
		d = madeDescriptor{MediaType: dockerLayer, Size: size, Digest: diffID}
		var head [4]byte
		n, err := io.ReadFull(f, head[:])
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return madeDescriptor{}, err
		}
		if is := compression(head[:n]); is != none {
			if d.MediaType = dockerLayerGzip; is == zstandard {
				d.MediaType = dockerLayerZstd
			}
			if d.Digest, err = hashOf(&blob{ctx: ctx, ReadCloser: f}, head[:n]); err != nil {
				return madeDescriptor{}, err
			}
			m.hashed[name] = d
		}
	}
	return d, m.place(d, name)
}

func hashOf(r io.Reader, head []byte) (string, error) {
	h := sha256.New()
	h.Write(head)
	if _, err := io.Copy(h, r); err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}

// place notes where a blob is. Two members that claim the same digest are the same if either is right, unless their sizes say
// that one is not.
func (m *maker) place(d madeDescriptor, name string) error {
	if size, ok := m.sizes[d.Digest]; ok {
		if size != d.Size {
			return fmt.Errorf("%w: it has %s with %d and with %d bytes", ErrInvalid, d.Digest, size, d.Size)
		}
		return nil
	}
	m.sizes[d.Digest], m.blobs[d.Digest] = d.Size, name
	return nil
}
