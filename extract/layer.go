package extract

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/tree"
)

// Layer is what an image records of one of its layers.
type Layer struct {
	Digest    string `json:"digest"`  // of the blob, as downloaded
	DiffID    string `json:"diff_id"` // of the tar archive in it
	Size      int64  `json:"size"`    // of the blob, in bytes
	MediaType string `json:"media_type"`
}

// applier takes the plain tar archive of a layer, oldest first.
type applier interface {
	Apply(ctx context.Context, layer io.Reader) error
}

// unpack feeds one layer through to the applier: download, check, inflate, check. Nothing is kept in between.
func unpack(ctx context.Context, b *blob, diffID string, into applier) error {
	err := inflateTo(ctx, b, diffID, into)
	// A decoder that stumbles over wrong bytes names its own symptom. The cause is the blob's, if the blob has one.
	switch {
	case err == nil:
		return nil
	case b.err != nil:
		return b.err
	case errors.Is(err, ErrInvalidImage):
		if verr := b.verify(); verr != nil {
			return verr
		}
	}
	return err
}

func inflateTo(ctx context.Context, b *blob, diffID string, into applier) error {
	plain, err := inflate(b)
	if err != nil {
		return fmt.Errorf("%w: inflating: %w", ErrInvalidImage, err)
	}
	defer plain.Close()
	h := &hashReader{r: plain, hash: sha256.New()}
	if err := into.Apply(ctx, h); err != nil {
		if errors.Is(err, tree.ErrInvalid) || h.err != nil {
			return fmt.Errorf("%w: %w", ErrInvalidImage, err)
		}
		return err
	}
	// The diffID covers what follows the end of the archive too.
	if _, err := io.Copy(io.Discard, ctxReader{ctx, h}); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%w: inflating: %w", ErrInvalidImage, err)
	}
	if err := b.verify(); err != nil {
		return err
	}
	if got := "sha256:" + hex.EncodeToString(h.hash.Sum(nil)); got != diffID {
		return fmt.Errorf("%w: it unpacks to %s, its configuration says %s", ErrDigest, got, diffID)
	}
	return nil
}

// maxWindow is the largest zstd window accepted, in bytes: what `zstd --ultra -22` uses.
const maxWindow = 128 << 20

// inflate goes by the first bytes alone: media types are wrong in practice, and the diffID judges the result.
func inflate(r io.Reader) (io.ReadCloser, error) {
	buf := bufio.NewReaderSize(r, 256<<10)
	magic, err := buf.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}): // RFC 1952
		return gzip.NewReader(buf)
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}), // RFC 8878: a frame,
		len(magic) == 4 && magic[0]&0xf0 == 0x50 && bytes.Equal(magic[1:], []byte{0x2a, 0x4d, 0x18}): // or a skippable one
		d, err := zstd.NewReader(buf, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	}
	return io.NopCloser(buf), nil
}

// hashReader hashes what passes, and keeps the error that is not io.EOF.
type hashReader struct {
	r    io.Reader
	hash hash.Hash
	err  error
}

func (h *hashReader) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	h.hash.Write(p[:n])
	if err != nil && !errors.Is(err, io.EOF) {
		h.err = err
	}
	return n, err
}

type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
