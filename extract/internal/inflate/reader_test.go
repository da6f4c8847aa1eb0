package inflate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"sync"
	"testing"
)

// TestTwoConsumers is how an extraction uses a reader: one goroutine hashes, another one keeps blocks a while.
func TestTwoConsumers(t *testing.T) {
	t.Parallel()
	plain := sourceTar(t, 12*BlockSize)
	for name, blob := range map[string][]byte{"gzip": gz(t, plain), "zstd": zst(t, plain), "plain": plain} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			z, err := New(bytes.NewReader(blob))
			if err != nil {
				t.Fatal(err)
			}
			defer z.Close()
			hashed, kept := make(chan *Block), make(chan *Block, Blocks-2)
			sum := sha256.New()
			var got []byte
			var wg sync.WaitGroup
			wg.Go(func() {
				for b := range hashed {
					sum.Write(b.Bytes())
					b.Release()
				}
			})
			wg.Go(func() {
				for b := range kept {
					got = append(got, b.Bytes()...)
					b.Release()
				}
			})
			for err == nil {
				var b *Block
				if b, err = z.Next(t.Context()); err == nil {
					b.Retain()
					hashed <- b
					kept <- b
				}
			}
			close(hashed)
			close(kept)
			wg.Wait()
			if err != io.EOF || !bytes.Equal(got, plain) || [32]byte(sum.Sum(nil)) != sha256.Sum256(plain) {
				t.Errorf("got %d bytes, %v; want %d", len(got), err, len(plain))
			}
			if z.blocks.made > Blocks {
				t.Errorf("%d blocks were made", z.blocks.made)
			}
		})
	}
}

func TestHeldBlocks(t *testing.T) {
	t.Parallel()
	plain := sourceTar(t, (Blocks+2)*BlockSize)
	z, err := New(bytes.NewReader(gz(t, plain)))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var held []*Block
	for range Blocks {
		b, err := z.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, b)
	}
	// None is left: only the context can end this.
	cause := errors.New("given up")
	ctx, cancel := context.WithCancelCause(t.Context())
	failed := make(chan error)
	go func() {
		_, err := z.Next(ctx)
		failed <- err
	}()
	cancel(cause)
	if err := <-failed; !errors.Is(err, cause) {
		t.Fatalf("got %v, want %v", err, cause)
	}
	// What is held is as it was, and the reader goes on where it was.
	var got []byte
	for _, b := range held {
		got = append(got, b.Bytes()...)
		b.Release()
	}
	more, err := rest(z)
	if err != nil || !bytes.Equal(append(got, more...), plain) {
		t.Errorf("got %d bytes, %v; want %d", len(got)+len(more), err, len(plain))
	}
	if _, err := z.Next(t.Context()); err != io.EOF {
		t.Errorf("at the end: got %v", err)
	}
}

// TestOrder: a block is filled with the window of one that was released long before, or is still held.
func TestOrder(t *testing.T) {
	t.Parallel()
	plain := periodic(8 * BlockSize)
	z, err := New(bytes.NewReader(gz(t, plain)))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var got []byte
	var before *Block
	for {
		b, err := z.Next(t.Context())
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, b.Bytes()...)
		if before != nil {
			before.Release()
		}
		before = b
	}
	before.Release()
	if !bytes.Equal(got, plain) {
		t.Errorf("got %d bytes, want %d", len(got), len(plain))
	}
}

func TestReset(t *testing.T) {
	t.Parallel()
	plain := sourceTar(t, BlockSize)
	gzipped, zstded := gz(t, plain), zst(t, plain)
	z, err := New(bytes.NewReader(gzipped))
	if err != nil {
		t.Fatal(err)
	}
	for i, blob := range [][]byte{zstded, gzipped, plain, gzipped[:1000], zstded, zstded[:1000], gzipped} {
		if _, err := io.CopyN(io.Discard, z, int64(i)); err != nil {
			t.Fatal(err)
		}
		if err := z.Reset(bytes.NewReader(blob)); err != nil {
			t.Fatal(err)
		}
		got, err := rest(z)
		if len(blob) == 1000 {
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("layer %d: got %v", i, err)
			}
		} else if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("layer %d: got %d bytes, %v", i, len(got), err)
		}
		if err := z.Reset(bytes.NewReader(gzipped)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Error(err)
	}
	if _, err := z.Next(t.Context()); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("after Close: got %v", err)
	}
	if err := z.Reset(bytes.NewReader(zstded)); err != nil {
		t.Fatal(err)
	}
	if got, err := rest(z); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("opened again: got %d bytes, %v", len(got), err)
	}
}

func TestReadThenNext(t *testing.T) {
	t.Parallel()
	plain := sourceTar(t, 2*BlockSize)
	z, err := New(bytes.NewReader(gz(t, plain)))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	head := make([]byte, 1000)
	if _, err := io.ReadFull(z, head); err != nil {
		t.Fatal(err)
	}
	tail, err := rest(z)
	if err != nil || !bytes.Equal(append(head, tail...), plain) {
		t.Errorf("got %d bytes, %v; want %d", len(head)+len(tail), err, len(plain))
	}
}

func TestReferences(t *testing.T) {
	t.Parallel()
	for name, misuse := range map[string]func(b *Block){
		"released twice":         func(b *Block) { b.Release(); b.Release() },
		"retained when released": func(b *Block) { b.Release(); b.Retain() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			z, err := New(bytes.NewReader([]byte("plain")))
			if err != nil {
				t.Fatal(err)
			}
			b, err := z.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			misuse(b)
		})
	}
}
