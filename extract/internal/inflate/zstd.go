package inflate

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

const (
	// MaxWindow is the largest zstd window that is decoded, in bytes. BuildKit's levels and `zstd -19` use 8 MiB at most; BuildKit
	// has used 16 and 32 MiB for its best levels, and `zstd --ultra -20` uses 32 MiB. Larger ones, up to the 128 MiB of
	// `--ultra -22` or `--long`, would take more memory than the whole program is to: a reader takes its window and some 3 MiB,
	// so that of 32 MiB two may be read at a time within 100 MB, of 16 MiB four.
	MaxWindow = 32 << 20
	// usualWindow is what every decoder should support (RFC 8878, section 3.1.1.1.2).
	usualWindow = 8 << 20
)

// zstdFormat is the format of layers of RFC 8878.
type zstdFormat struct {
	src    *source
	dec    *zstd.Decoder
	window int
}

func isZstd(magic []byte) bool {
	return bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}) || isSkippable(magic)
}

func isSkippable(magic []byte) bool {
	return len(magic) >= 4 && magic[0]&0xf0 == 0x50 && bytes.Equal(magic[1:4], []byte{0x2a, 0x4d, 0x18})
}

// reset finds out how large a window the first frame needs; those that follow may use no more, or the usual one.
func (z *zstdFormat) reset(s *source) error {
	z.src = s
	var h zstd.Header
	for {
		if err := s.want(zstd.HeaderMaxSize); err != nil && err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		if len(s.unread()) == 0 {
			break // nothing but frames to skip, or nothing: h is empty
		}
		err := h.Decode(s.unread())
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("inflating: header of a zstd frame at byte %d: %w", s.offset(), err)
		}
		if err != nil {
			return fmt.Errorf("inflating: %w: header of a zstd frame at byte %d: %w", ErrCorrupt, s.offset(), err)
		}
		if !h.Skippable {
			break
		}
		if err := s.skip(int64(h.HeaderSize) + int64(h.SkippableSize)); err != nil {
			return err
		}
	}
	window := h.WindowSize
	if h.SingleSegment {
		window = h.FrameContentSize
	}
	if window > MaxWindow {
		return fmt.Errorf("inflating: %w: %d bytes, where %d are allowed", ErrWindow, window, MaxWindow)
	}
	z.window = int(window)
	limit := zstd.WithDecoderMaxWindow(max(window, usualWindow))
	if z.dec != nil {
		return z.dec.ResetWithOptions(s, limit)
	}
	var err error
	z.dec, err = zstd.NewReader(s, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), limit)
	return err
}

func (z *zstdFormat) fill(b *Block) error {
	dst := b.buf[windowSize : windowSize+BlockSize]
	n := 0
	for n < len(dst) {
		m, err := z.dec.Read(dst[n:])
		n += m
		if err != nil {
			b.data = dst[:n]
			return z.explain(err)
		}
	}
	b.data = dst
	return nil
}

func (z *zstdFormat) explain(err error) error {
	switch {
	case z.src.err != nil && z.src.err != io.EOF: // whatever the decoder made of it
		return z.src.failure()
	case err == io.EOF:
		return io.EOF
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("inflating: zstd frame at byte %d: %w", z.src.offset(), err)
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return fmt.Errorf("inflating: %w: before byte %d: %w", ErrWindow, z.src.offset(), err)
	}
	return fmt.Errorf("inflating: %w: before byte %d: %w", ErrCorrupt, z.src.offset(), err)
}

func (z *zstdFormat) close() {
	if z.dec != nil {
		z.dec.Close()
		z.dec = nil
	}
}
