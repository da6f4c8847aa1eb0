package inflate

import (
	"bytes"
	"context"
	"errors"
	"io"
)

// ErrCorrupt says that the bytes are not what a compressor wrote. The error that wraps it says what is wrong, and at which byte.
var ErrCorrupt = errors.New("corrupt compressed data")

// ErrWindow says that a zstd frame needs more memory than MaxWindow.
var ErrWindow = errors.New("zstd window too large")

// Reader inflates one layer after another. It starts no goroutine. Its methods are for one goroutine; the blocks it hands out
// may be used and released by any.
type Reader struct {
	src    source
	blocks blocks
	format format
	gzip   gzipFormat
	zstd   zstdFormat
	plain  plainFormat
	cur    *Block // the block that Read is in
	rest   []byte // of it, what Read has not returned
	err    error  // of the block to come
}

// format is one way in which a layer is compressed.
type format interface {
	// fill sets the data of a block, with an error if nothing follows it: io.EOF after all is well.
	fill(b *Block) error
}

// New returns a reader of the plain bytes of r.
//
// It reads the first bytes, so it returns the errors that Reset does. What is shorter than the magic number of a format is taken
// for plain. The memory of a reader is bounded: about 160 KiB, 260 KiB for each block that was ever needed because the others
// were held, and for zstd the window of the frames.
func New(r io.Reader) (*Reader, error) {
	z := &Reader{blocks: blocks{free: make(chan *Block, Blocks)}}
	if err := z.Reset(r); err != nil {
		return nil, err
	}
	return z, nil
}

// Reset makes the reader begin with another layer, as New does, with the buffers that it has. Blocks that are still held stay
// valid. The errors are those of r, wrapped, and for zstd those of Next. A reader that was closed is open again.
func (z *Reader) Reset(r io.Reader) error {
	z.drop()
	z.src.reset(r)
	z.err = nil
	if err := z.src.want(4); err != nil && z.src.err != io.EOF {
		z.err = err
		return z.err
	}
	switch magic := z.src.unread(); {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z.gzip.reset(&z.src)
		z.format = &z.gzip
	case isZstd(magic):
		if err := z.zstd.reset(&z.src); err != nil {
			z.err = err
			return err
		}
		z.format = &z.zstd
	default:
		z.plain.src = &z.src
		z.format = &z.plain
	}
	return nil
}

// Next returns the next block, which the caller must release. Up to Blocks of them may be held; Next then waits until one is
// released or ctx is done. An error comes after all the bytes that precede it:
//   - io.EOF after the last block, every checksum being right;
//   - io.ErrUnexpectedEOF, wrapped, if the layer ends too early;
//   - ErrCorrupt or ErrWindow, wrapped;
//   - an error of the underlying reader, wrapped.
//
// All but that of ctx are final.
func (z *Reader) Next(ctx context.Context) (*Block, error) {
	if z.cur != nil {
		b := z.cur
		b.data = z.rest
		z.cur, z.rest = nil, nil
		return b, nil
	}
	if z.err != nil {
		return nil, z.err
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	b, err := z.blocks.take(ctx)
	if err != nil {
		return nil, err
	}
	if z.err = z.format.fill(b); len(b.data) == 0 {
		b.Release()
		return nil, z.err
	}
	return b, nil
}

// Window returns how large a window the zstd frame at the beginning of the layer asks for, in bytes, and 0 for other formats.
// That memory is taken on top while the layer is read: a program that reads several layers at a time may want to wait here.
func (z *Reader) Window() int {
	if z.format == &z.zstd {
		return z.zstd.window
	}
	return 0
}

// Read implements io.Reader, with the errors of Next.
func (z *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if z.cur == nil {
		b, err := z.Next(context.Background())
		if err != nil {
			return 0, err
		}
		z.cur, z.rest = b, b.data
	}
	n := copy(p, z.rest)
	if z.rest = z.rest[n:]; len(z.rest) == 0 {
		z.drop()
	}
	return n, nil
}

// Close gives up what the reader holds. It neither closes the underlying reader nor waits for blocks that are held.
func (z *Reader) Close() error {
	z.drop()
	z.zstd.close()
	z.err = errClosed
	return nil
}

var errClosed = errors.New("inflate: reader is closed")

func (z *Reader) drop() {
	if z.cur != nil {
		z.cur.Release()
		z.cur, z.rest = nil, nil
	}
}

// plainFormat is the format of layers that are not compressed.
type plainFormat struct{ src *source }

func (p *plainFormat) fill(b *Block) error {
	dst := b.buf[windowSize : windowSize+BlockSize]
	n := 0
	for n < len(dst) {
		m, err := p.src.Read(dst[n:])
		n += m
		if err != nil {
			b.data = dst[:n]
			return err
		}
	}
	b.data = dst
	return nil
}
