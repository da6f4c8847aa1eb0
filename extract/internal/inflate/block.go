package inflate

import (
	"context"
	"sync/atomic"
)

const (
	// windowSize is how far back a match may reach (RFC 1951, section 2).
	windowSize = 32 << 10
	// BlockSize is about how many plain bytes a block holds; all but the last of a layer hold at least as many.
	BlockSize = 256<<10 - windowSize
	// slack is what one turn of the fast loop may write past the end of a block: a match, literals, and copies in whole words.
	slack = 1 << 10
	// Blocks is how many blocks a reader has.
	Blocks = 4
)

// buffer is a window, then a block.
type buffer [windowSize + BlockSize + slack]byte

// Block is a piece of the plain bytes. It is handed out with one reference, and goes back to its Reader with the last one.
type Block struct {
	buf  buffer
	data []byte // what was decoded, in buf
	refs atomic.Int32
	home chan<- *Block
}

// Bytes returns the plain bytes. They must not be changed: the bytes to come are copied from them. They are valid until the
// caller's reference is released.
func (b *Block) Bytes() []byte { return b.data }

// Retain adds a reference, for one more goroutine that will call Release. The caller must hold one.
func (b *Block) Retain() {
	if b.refs.Add(1) <= 1 {
		panic("inflate: retaining a block that was released")
	}
}

// Release gives a reference up; after the last one the Reader may fill the block again.
func (b *Block) Release() {
	switch n := b.refs.Add(-1); {
	case n == 0:
		b.home <- b
	case n < 0:
		panic("inflate: releasing a block twice")
	}
}

// blocks is the fixed set of blocks of a reader; each is made when it is first needed.
type blocks struct {
	free chan *Block
	made int
}

// take returns a block with one reference. It waits for one to be released where all are held.
func (s *blocks) take(ctx context.Context) (*Block, error) {
	select {
	case b := <-s.free:
		b.refs.Store(1)
		return b, nil
	default:
	}
	if s.made < cap(s.free) {
		s.made++
		b := &Block{home: s.free}
		b.refs.Store(1)
		return b, nil
	}
	select {
	case b := <-s.free:
		b.refs.Store(1)
		return b, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
