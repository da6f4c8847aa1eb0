package tree

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
)

// Epoch is the time of every image, and of every entry unless Tree.At says
// otherwise. It lies in the past of any test, so that nothing written later
// compares as older.
var Epoch = time.Unix(1774386872, 0).UTC()

// Layer is a blob on disk with what a manifest says about it. It is a v1.Layer
// that opens its file on demand: nothing of it stays in memory.
type Layer struct {
	file   string
	digest v1.Hash
	diffID v1.Hash
	size   int64
	media  types.MediaType
}

var _ v1.Layer = Layer{}

// Write compresses the layer into the directory blobs under the name of its
// digest, as an OCI layout wants it (image-layout.md, "blobs").
func (t *Tree) Write(ctx context.Context, blobs string) (Layer, error) {
	f, err := os.CreateTemp(blobs, ".layer-*")
	if err != nil {
		return Layer{}, fmt.Errorf("writing a layer: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	compressed, plain := newMeter(f), newMeter(nil)
	buffer := bufio.NewWriterSize(compressed, 1<<20)
	// Six is what registries see most; its speed here is far from the limit.
	gz, err := gzip.NewWriterLevel(buffer, 6)
	if err != nil {
		return Layer{}, fmt.Errorf("writing a layer: %w", err)
	}
	plain.to = gz
	if err := t.tar(ctx, plain); err != nil {
		return Layer{}, fmt.Errorf("writing a layer: %w", err)
	}
	for _, finish := range []func() error{gz.Close, buffer.Flush, func() error { return f.Chmod(0o644) }, f.Close} {
		if err := finish(); err != nil {
			return Layer{}, fmt.Errorf("writing a layer: %w", err)
		}
	}
	l := Layer{digest: compressed.sum(), diffID: plain.sum(), size: compressed.n, media: types.OCILayer}
	l.file = filepath.Join(blobs, l.digest.Hex)
	if err := os.Rename(f.Name(), l.file); err != nil {
		return Layer{}, fmt.Errorf("writing the layer %s: %w", l.digest, err)
	}
	return l, nil
}

func (t *Tree) tar(ctx context.Context, w io.Writer) error {
	tw := tar.NewWriter(w)
	mtime := t.mtime
	if mtime.IsZero() {
		mtime = Epoch
	}
	for _, name := range t.names() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := t.entries[name].write(tw, name, mtime); err != nil {
			return fmt.Errorf("adding %s: %w", name, err)
		}
	}
	return tw.Close()
}

func (e entry) write(tw *tar.Writer, name string, mtime time.Time) error {
	h := &tar.Header{Name: name, Mode: int64(e.mode.Perm()) | setBits(e.mode), ModTime: mtime, Format: tar.FormatPAX}
	switch {
	case e.hard != "":
		h.Typeflag, h.Linkname = tar.TypeLink, e.hard
	case e.mode.IsDir():
		h.Typeflag, h.Name = tar.TypeDir, name+"/"
	case e.mode&fs.ModeSymlink != 0:
		h.Typeflag, h.Linkname = tar.TypeSymlink, e.link
	case e.source != "":
		return e.writeFile(tw, h)
	default:
		h.Typeflag, h.Size = tar.TypeReg, int64(len(e.body))
	}
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	_, err := tw.Write(e.body)
	return err
}

func (e entry) writeFile(tw *tar.Writer, h *tar.Header) error {
	f, err := os.Open(e.source)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	h.Typeflag, h.Size = tar.TypeReg, info.Size()
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.Copy(tw, f)
	return err
}

// setBits are the bits above the nine permissions as tar stores them.
func setBits(mode fs.FileMode) (bits int64) {
	for _, b := range []struct {
		mode fs.FileMode
		bit  int64
	}{{fs.ModeSetuid, 0o4000}, {fs.ModeSetgid, 0o2000}, {fs.ModeSticky, 0o1000}} {
		if mode&b.mode != 0 {
			bits |= b.bit
		}
	}
	return bits
}

// meter passes bytes on and knows their number and digest.
type meter struct {
	to  io.Writer
	sha hash.Hash
	n   int64
}

func newMeter(to io.Writer) *meter { return &meter{to: to, sha: sha256.New()} }

func (m *meter) Write(p []byte) (int, error) {
	n, err := m.to.Write(p)
	m.sha.Write(p[:n])
	m.n += int64(n)
	return n, err
}

func (m *meter) sum() v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(m.sha.Sum(nil))}
}

// Docker returns the same blob under the media type of Docker's manifests.
func (l Layer) Docker() Layer { l.media = types.DockerLayer; return l }

// Digest returns the hash of the compressed layer.
func (l Layer) Digest() (v1.Hash, error) { return l.digest, nil }

// DiffID returns the hash of the uncompressed layer.
func (l Layer) DiffID() (v1.Hash, error) { return l.diffID, nil }

// Size returns the compressed size in bytes.
func (l Layer) Size() (int64, error) { return l.size, nil }

// MediaType returns the layer's media type.
func (l Layer) MediaType() (types.MediaType, error) { return l.media, nil }

// Compressed opens the blob.
func (l Layer) Compressed() (io.ReadCloser, error) {
	f, err := os.Open(l.file)
	if err != nil {
		return nil, fmt.Errorf("opening the layer %s: %w", l.digest, err)
	}
	return f, nil
}

// Uncompressed opens the tar stream of the blob.
func (l Layer) Uncompressed() (io.ReadCloser, error) {
	f, err := l.Compressed()
	if err != nil {
		return nil, err
	}
	gz, err := gzip.NewReader(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("inflating the layer %s: %w", l.digest, err)
	}
	return struct {
		io.Reader
		io.Closer
	}{gz, f}, nil
}
