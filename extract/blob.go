package extract

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
)

// blob reads a blob and checks size and digest of all of it. Read errors are sticky and classified, so that whoever decodes the
// bytes can be asked afterwards whose fault a failure was.
type blob struct {
	want   descriptor
	body   io.ReadCloser
	hash   hash.Hash
	read   int64
	err    error // other than io.EOF
	onRead func(n int64)
}

func (r *repository) blob(ctx context.Context, d descriptor) (*blob, error) {
	resp, err := r.get(ctx, "blobs", d.Digest, "")
	if err != nil {
		return nil, err
	}
	return newBlob(d, resp.Body), nil
}

func newBlob(d descriptor, body io.ReadCloser) *blob {
	return &blob{want: d, body: body, hash: sha256.New(), onRead: func(int64) {}}
}

func (b *blob) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.body.Read(p)
	b.hash.Write(p[:n])
	b.read += int64(n)
	b.onRead(int64(n))
	switch {
	case b.read > b.want.Size:
		b.err = fmt.Errorf("%w: %s is longer than the %d bytes its manifest says", ErrDigest, b.want.Digest, b.want.Size)
		return 0, b.err
	case err == io.EOF && b.read < b.want.Size: //nolint:errorlint // io.Reader: EOF is never wrapped
		b.err = fmt.Errorf("%w: %s ended after %d of %d bytes", ErrRegistry, b.want.Digest, b.read, b.want.Size)
		return n, b.err
	case err != nil && err != io.EOF: //nolint:errorlint // as above
		b.err = explainRead(err)
		return n, b.err
	}
	return n, err
}

// verify reads what is left and checks the whole.
func (b *blob) verify() error {
	if _, err := io.Copy(io.Discard, b); err != nil {
		return err
	}
	if got := "sha256:" + hex.EncodeToString(b.hash.Sum(nil)); got != b.want.Digest {
		return fmt.Errorf("%w: the registry sent %s for %s", ErrDigest, got, b.want.Digest)
	}
	return nil
}

func (b *blob) Close() error { return b.body.Close() }
