package extract

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/inflate"
	"github.com/aztec-spartan/aztec-spartan/extract/internal/layer"
)

// Layer is what an image records of one of its layers.
type Layer struct {
	Digest    string `json:"digest"`  // of the blob, as downloaded
	DiffID    string `json:"diff_id"` // of the tar archive in it
	Size      int64  `json:"size"`    // of the blob, in bytes
	MediaType string `json:"media_type"`
}

// blob hashes a blob while it is read. Errors other than io.EOF are kept, so that whoever decodes the bytes can be asked
// afterwards whose fault a failure was.
type blob struct {
	body io.Reader
	want descriptor
	hash hash.Hash
	read int64
	err  error
	on   func(n int64)
}

func newBlob(body io.Reader, want descriptor, on func(int64)) *blob {
	return &blob{body: body, want: want, hash: sha256.New(), on: on}
}

func (b *blob) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	b.hash.Write(p[:n])
	b.read += int64(n)
	b.on(int64(n))
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// verify reads what is left and checks the whole.
func (b *blob) verify() error {
	if b.err == nil {
		io.Copy(io.Discard, b) // the error is kept
	}
	if b.err != nil {
		return b.err
	}
	if got := digestString(b.hash.Sum(nil)); got != b.want.Digest || b.read != b.want.Size {
		return fmt.Errorf("%w: %s (%d bytes) was sent for %s (%d bytes)", ErrDigest, got, b.read, b.want.Digest, b.want.Size)
	}
	return nil
}

// turn is held by the one layer at a time that needs much memory to be inflated.
type turn chan struct{}

// muchMemory is what a layer needs to have to wait for its turn: bytes of its zstd window, which encoders keep below unless they
// are told otherwise.
const muchMemory = 8 << 20

// unpack feeds a layer through to read, which gets the tar archive in it: check, inflate, check. Nothing is kept in between.
func unpack(ctx context.Context, b *blob, diffID string, t turn, read func(archive io.Reader) error) error {
	p, err := inflateAhead(ctx, b, t)
	if err == nil {
		err = read(p)
		if err == nil {
			// The diffID covers what follows the end of the archive too.
			_, err = io.Copy(io.Discard, p)
		}
		got := p.close()
		if err == nil && got != diffID {
			err = fmt.Errorf("%w: it unpacks to %s, its configuration says %s", ErrDigest, got, diffID)
		}
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case b.err != nil:
		return b.err
	case err == nil:
		return b.verify()
	}
	if errors.Is(err, layer.ErrInvalid) || errors.Is(err, inflate.ErrCorrupt) || errors.Is(err, inflate.ErrWindow) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%w: %w", ErrInvalidImage, err)
	}
	// A decoder that stumbles over wrong bytes names its own symptom. The cause is the blob's, if the blob has one.
	if errors.Is(err, ErrInvalidImage) || errors.Is(err, ErrDigest) {
		if verr := b.verify(); verr != nil {
			return verr
		}
	}
	return err
}

// plain is the tar archive in a layer. Two goroutines keep ahead of its reader: one inflates, one hashes.
type plain struct {
	cancel  context.CancelFunc
	turn    turn // nil if it has none
	inflate *inflate.Reader
	blocks  chan *inflate.Block
	hashed  chan *inflate.Block
	running sync.WaitGroup
	hash    hash.Hash
	err     error // why there are no more blocks; set before blocks is closed

	block *inflate.Block
	rest  []byte
}

func inflateAhead(ctx context.Context, r io.Reader, t turn) (*plain, error) {
	z, err := inflate.New(r)
	if err != nil {
		return nil, err
	}
	if z.Window() <= muchMemory {
		t = nil
	} else {
		select {
		case t <- struct{}{}:
		case <-ctx.Done():
			z.Close()
			return nil, ctx.Err()
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	p := &plain{
		cancel: cancel, turn: t, inflate: z, hash: sha256.New(),
		blocks: make(chan *inflate.Block, inflate.Blocks), hashed: make(chan *inflate.Block, inflate.Blocks),
	}
	p.running.Go(func() {
		defer close(p.blocks)
		defer close(p.hashed)
		for {
			b, err := z.Next(ctx)
			if err != nil {
				p.err = err
				return
			}
			// There is room: no more blocks exist than fit.
			b.Retain()
			p.hashed <- b
			p.blocks <- b
		}
	})
	p.running.Go(func() {
		for b := range p.hashed {
			p.hash.Write(b.Bytes())
			b.Release()
		}
	})
	return p, nil
}

func (p *plain) Read(to []byte) (int, error) {
	for len(p.rest) == 0 {
		if p.block != nil {
			p.block.Release()
			p.block = nil
		}
		b, ok := <-p.blocks
		if !ok {
			return 0, p.err
		}
		p.block, p.rest = b, b.Bytes()
	}
	n := copy(to, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// close ends the goroutines and returns the digest of what was inflated: of all of it, if the reader has seen io.EOF.
func (p *plain) close() string {
	p.cancel()
	if p.block != nil {
		p.block.Release()
		p.block = nil
	}
	for b := range p.blocks {
		b.Release()
	}
	p.running.Wait()
	p.inflate.Close()
	if p.turn != nil {
		<-p.turn
	}
	return digestString(p.hash.Sum(nil))
}
