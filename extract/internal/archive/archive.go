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
	"os"
	"slices"
	"strings"
)

// Errors that callers tell apart, always wrapped in a sentence with the cause. Errors of the operating system are passed on.
var (
	ErrInvalid  = errors.New("not a valid image archive")
	ErrMissing  = errors.New("not in the archive")                     // named by an index or a manifest
	ErrTooLarge = errors.New("larger than there is room to unpack it") // see Options.MaxBytes
)

const (
	maxManifest  = 4 << 20 // bytes; what OCI distribution-spec suggests as the limit, "Pushing Manifests"
	maxConfig    = 8 << 20
	maxLayoutTag = 4 << 10 // of oci-layout
	maxImages    = 1000
	maxLayers    = 1000 // of one image
)

// Media types of what can be the manifest of an image.
const (
	ociIndex       = "application/vnd.oci.image.index.v1+json"
	ociManifest    = "application/vnd.oci.image.manifest.v1+json"
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
)

// Options say how to read an archive.
type Options struct {
	// TempDir is where archives go that are compressed or come through a pipe; "" is os.TempDir. It must exist.
	TempDir string
	// MaxBytes bounds what is written there; 0 is 64 GiB.
	MaxBytes int64
	// Inflate undoes gzip and zstd, of several members and frames; nil is klauspost/compress. It is called for streams that begin
	// like one of the two.
	Inflate func(io.Reader) (io.ReadCloser, error)
}

// Descriptor names content: OCI image specification, descriptor.md.
type Descriptor struct {
	MediaType string
	Digest    string // "sha256:HEX", checked to be one
	Size      int64  // bytes, not negative
}

// Platform is what an index says an image runs on; all of it may be empty.
type Platform struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Variant      string `json:"variant"`
}

// Image is an image of an archive, or several for different platforms behind one index.
type Image struct {
	// Names are the references and tags as they are recorded, and not checked: annotations io.containerd.image.name and
	// org.opencontainers.image.ref.name, or RepoTags. An image may have none.
	Names []string
	// Descriptor is that of a manifest or an index, of OCI or Docker.
	Descriptor
	// Platform is set if the layout lists the images for several platforms side by side.
	Platform Platform
}

// Archive is an open archive. Its methods may be called in parallel, Close after all others.
type Archive struct {
	members members
	source  io.Closer // what Open opened
	images  []Image
	known   map[string]Descriptor // manifests that index.json names
	made    map[string][]byte     // manifests that were made up
	blobs   map[string]string     // where blobs are, if not in a layout
}

// Open opens the archive or layout directory at path. A pipe will do, and is read to its end. Errors wrap ErrInvalid,
// ErrTooLarge, or the error of ctx, and leave it to the caller to name the path.
func Open(ctx context.Context, path string, o Options) (*Archive, error) {
	f, err := os.Open(path)
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, failed.Err // without the path, which is in the sentence already
	}
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && st.IsDir() {
		f.Close()
		var dir *directory
		if dir, err = openDirectory(path); err != nil {
			return nil, err
		}
		return load(ctx, dir, nil)
	}
	m, err := membersOf(ctx, f, o)
	if err != nil {
		f.Close()
		return nil, err
	}
	return load(ctx, m, f)
}

// Read opens the archive that r has from its present position on. If r is an *os.File of a regular file and not compressed, it
// must stay open, and its position does not matter any more; everything else is read to its end. Close does not close r.
// Errors are as those of Open.
func Read(ctx context.Context, r io.Reader, o Options) (*Archive, error) {
	m, err := membersOf(ctx, r, o)
	if err != nil {
		return nil, fmt.Errorf("reading an image archive: %w", err)
	}
	a, err := load(ctx, m, nil)
	if err != nil {
		return nil, fmt.Errorf("reading an image archive: %w", err)
	}
	return a, nil
}

// members are the files that make up an archive, by names without "." and "..".
type members interface {
	// open returns one of them, not longer than size. Errors wrap fs.ErrNotExist or ErrInvalid.
	open(name string) (content io.ReadCloser, size int64, err error)
	// names are those of all members, or only the first part of them.
	names() []string
	// short says in a few words why something may be missing, or is "".
	short() string
	io.Closer
}

// load finds the images. It closes m and source on errors.
func load(ctx context.Context, m members, source io.Closer) (*Archive, error) {
	a := &Archive{members: m, source: source, known: map[string]Descriptor{}, made: map[string][]byte{}}
	if err := a.find(ctx); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

func (a *Archive) find(ctx context.Context) error {
	switch {
	case a.has("oci-layout"), a.has("index.json"):
		return a.findLayout(ctx)
	case a.has("manifest.json"):
		return a.findDocker(ctx)
	}
	return fmt.Errorf("%w: it looks like %s", ErrInvalid, describe(a.members.names()))
}

func (a *Archive) has(name string) bool {
	f, _, err := a.members.open(name)
	if err == nil {
		f.Close()
	}
	return !errors.Is(err, fs.ErrNotExist)
}

// Images returns all images, in the order in which they are listed, and at least one. Two names of the same image are one image.
func (a *Archive) Images() []Image {
	images := slices.Clone(a.images)
	for i := range images {
		images[i].Names = slices.Clone(images[i].Names)
	}
	return images
}

// Manifest returns the manifest or index with a digest, verified, and its media type: what the index of the archive calls it,
// or what it calls itself, or, as OCI manifests need not say, what it has the form of. The three may still disagree. Errors wrap
// ErrMissing or ErrInvalid.
func (a *Archive) Manifest(ctx context.Context, digest string) (raw []byte, contentType string, err error) {
	if raw, ok := a.made[digest]; ok {
		return slices.Clone(raw), dockerManifest, ctx.Err()
	}
	fail := func(err error) ([]byte, string, error) {
		return nil, "", fmt.Errorf("reading the manifest %s: %w", oneLine(digest), err)
	}
	f, size, err := a.blob(digest)
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	named, isNamed := a.known[digest]
	if isNamed && named.Size != size {
		return fail(fmt.Errorf("%w: it has %d bytes, and the index says %d", ErrInvalid, size, named.Size))
	}
	if raw, err = readAll(ctx, f, size, maxManifest); err != nil {
		return fail(err)
	}
	if got := digestOf(raw); got != digest {
		return fail(fmt.Errorf("%w: its content is %s", ErrInvalid, got))
	}
	if isNamed {
		return raw, named.MediaType, nil
	}
	if contentType, err = typeOf(raw); err != nil {
		return fail(err)
	}
	return raw, contentType, nil
}

// Blob opens the blob with a digest, which the archive must have in just that size, in bytes. The content is not verified.
// Errors, those of reading it too, wrap ErrMissing, ErrInvalid, or the error of ctx.
func (a *Archive) Blob(ctx context.Context, digest string, size int64) (io.ReadCloser, error) {
	f, has, err := a.blob(digest)
	if err == nil && has != size {
		f.Close()
		err = fmt.Errorf("%w: it has %d bytes, and its manifest says %d", ErrInvalid, has, size)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the blob %s: %w", oneLine(digest), err)
	}
	return &blob{ctx: ctx, ReadCloser: f}, nil
}

func (a *Archive) blob(digest string) (io.ReadCloser, int64, error) {
	if err := checkDigest(digest); err != nil {
		return nil, 0, err
	}
	name := "blobs/" + strings.Replace(digest, ":", "/", 1)
	if a.blobs != nil {
		var ok bool
		if name, ok = a.blobs[digest]; !ok {
			return nil, 0, ErrMissing
		}
	}
	f, size, err := a.members.open(name)
	if errors.Is(err, fs.ErrNotExist) {
		err = ErrMissing
		if why := a.members.short(); why != "" {
			err = fmt.Errorf("%w, %s", ErrMissing, why)
		}
	}
	return f, size, err
}

// blob stops when its context does.
type blob struct {
	ctx context.Context
	io.ReadCloser
}

func (b *blob) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	return b.ReadCloser.Read(p)
}

// Close gives everything back, the temporary file too.
func (a *Archive) Close() error {
	err := a.members.Close()
	if a.source != nil {
		err = errors.Join(err, a.source.Close())
	}
	return err
}

// readAll reads a document that says it has size bytes.
func readAll(ctx context.Context, r io.Reader, size, limit int64) ([]byte, error) {
	if size > limit {
		return nil, fmt.Errorf("%w: %d bytes are more than %d", ErrInvalid, size, limit)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	raw := make([]byte, size)
	if _, err := io.ReadFull(r, raw); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("%w: it became shorter while it was read", ErrInvalid)
	} else if err != nil {
		return nil, err
	}
	return raw, nil
}

// typeOf is the media type that a manifest has by itself.
func typeOf(raw []byte) (string, error) {
	var m struct {
		MediaType string          `json:"mediaType"`
		Manifests json.RawMessage `json:"manifests"`
		Config    json.RawMessage `json:"config"`
	}
	switch err := json.Unmarshal(raw, &m); {
	case err != nil:
		return "", fmt.Errorf("%w: %w", ErrInvalid, err)
	case m.MediaType != "":
		return m.MediaType, nil
	case m.Manifests != nil:
		return ociIndex, nil
	case m.Config != nil:
		return ociManifest, nil
	}
	return "", fmt.Errorf("%w: it is neither a manifest nor an index", ErrInvalid)
}

func digestOf(raw []byte) string {
	sum := sha256.Sum256(raw)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// checkDigest accepts what is in use and no other: OCI image specification, descriptor.md, "Digests".
func checkDigest(s string) error {
	if h, ok := strings.CutPrefix(s, "sha256:"); !ok || !isHex(h) {
		return fmt.Errorf("%w: %q is not a sha256 digest", ErrInvalid, oneLine(s))
	}
	return nil
}

func isHex(s string) bool {
	return len(s) == hex.EncodedLen(sha256.Size) && strings.Trim(s, "0123456789abcdef") == ""
}

// oneLine makes text from an archive fit for an error message.
func oneLine(s string) string {
	if len(s) > 200 {
		s = s[:200] + "..."
	}
	q := fmt.Sprintf("%q", s)
	return q[1 : len(q)-1]
}
