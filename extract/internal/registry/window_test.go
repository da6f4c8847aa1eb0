package registry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func (n *network) blob(r *Repository, raw []byte) *Blob {
	n.t.Helper()
	b, err := r.Blob(n.t.Context(), digestOf(raw), int64(len(raw)), 0)
	if err != nil {
		n.t.Fatal(err)
	}
	return b
}

// held returns how many spans each has, once nothing moves any more.
func held(bs ...*Blob) (n []int) {
	synctest.Wait()
	bs[0].window.mu.Lock()
	defer bs[0].window.mu.Unlock()
	for _, b := range bs {
		n = append(n, len(b.spans))
	}
	return n
}

func all(t *testing.T, b *Blob, want []byte) {
	t.Helper()
	if got, err := io.ReadAll(b); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, equal: %v, %v", len(got), bytes.Equal(got, want), err)
	}
}

// TestWindowAlone: one blob gets all buffers but the one that is kept.
func TestWindowAlone(t *testing.T) {
	raw := randomBytes(50 * testChunk)
	inBubble(t, func(t *testing.T, n *network) {
		n.serve("registry.example:443", blobs(nil, raw))
		r := n.open(Options{})
		b := n.blob(r, raw)
		if got := held(b); got[0] != buffers-1 {
			t.Errorf("has %d buffers, want %d", got[0], buffers-1)
		}
		all(t, b, raw)
		b.Close()
		unused(t, r)
	})
}

// TestWindowNotRead: of three blobs, one is not read at all. It has its share at most, and the others come to their end.
func TestWindowNotRead(t *testing.T) {
	a, b, c := randomBytes(50*testChunk), randomBytes(60*testChunk), randomBytes(40*testChunk)
	inBubble(t, func(t *testing.T, n *network) {
		n.serve("registry.example:443", blobs(nil, a, b, c))
		r := n.open(Options{})
		lazy := n.blob(r, a) // has all buffers to begin with
		if got := held(lazy); got[0] != buffers-1 {
			t.Fatalf("has %d buffers", got[0])
		}
		first, second := n.blob(r, b), n.blob(r, c)
		io.CopyN(io.Discard, first, 20*testChunk)
		io.CopyN(io.Discard, second, 20*testChunk)
		if got := held(lazy, first, second); got[0] > (buffers-1)/3 || got[0] < 1 {
			t.Errorf("buffers are shared %v", got)
		}
		var wg sync.WaitGroup
		wg.Go(func() { all(t, first, b[20*testChunk:]) })
		wg.Go(func() { all(t, second, c[20*testChunk:]) })
		wg.Wait()
		all(t, lazy, a)
		for _, b := range []*Blob{lazy, first, second} {
			b.Close()
		}
		unused(t, r)
	})
}

// TestWindowMany: more blobs than buffers, and the last one must be read first, then the one before, and so on; each has been
// read a little. With sources that know no ranges, each also holds a connection.
func TestWindowMany(t *testing.T) {
	for name, f := range map[string]func(raw []byte) http.HandlerFunc{
		"ranges":    func(raw []byte) http.HandlerFunc { return blobs(nil, raw) },
		"no ranges": func(raw []byte) http.HandlerFunc { return blobs(deaf(raw), raw) },
	} {
		t.Run(name, func(t *testing.T) {
			raw := randomBytes(10 * testChunk)
			inBubble(t, func(t *testing.T, n *network) {
				n.serve("registry.example:443", f(raw))
				r := n.open(Options{})
				var open []*Blob
				for range 3 * buffers {
					open = append(open, n.blob(r, raw))
				}
				for _, b := range open {
					if _, err := io.ReadFull(b, make([]byte, 10)); err != nil {
						t.Fatal(err)
					}
					held(b)
				}
				for i := len(open) - 1; i >= 0; i-- {
					all(t, open[i], raw[10:])
				}
				for _, b := range open {
					b.Close()
				}
				unused(t, r)
			})
		})
	}
}

// TestWindowGivesUpItself: the only connection is that of a blob whose reader is away, and it gets stuck when another blob is
// waited for already.
func TestWindowGivesUpItself(t *testing.T) {
	a, b := randomBytes(10*testChunk), randomBytes(11*testChunk)
	inBubble(t, func(t *testing.T, n *network) {
		more := make(chan struct{})
		serve := blobs(nil, a, b)
		n.serve("registry.example:443", func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasSuffix(r.URL.Path, digestOf(a)) {
				serve(w, r)
				return
			}
			w.Write(a[:testChunk/2])
			w.(http.Flusher).Flush()
			<-more
			w.Write(a[testChunk/2:])
		})
		r := n.open(Options{})
		r.window.conns = 1
		away := n.blob(r, a)
		synctest.Wait()
		here := n.blob(r, b)
		done := make(chan struct{})
		go func() {
			defer close(done)
			all(t, here, b)
		}()
		synctest.Wait()
		close(more)
		<-done
		here.Close()
		all(t, away, a)
		away.Close()
		unused(t, r)
	})
}

// TestWindowBounds: there are never more connections or buffers in use than there should be, and they are used.
func TestWindowBounds(t *testing.T) {
	a, b := randomBytes(60*testChunk), randomBytes(61*testChunk)
	inBubble(t, func(t *testing.T, n *network) {
		var now, most atomic.Int64
		release := make(chan struct{})
		n.serve("registry.example:443", blobs(func(http.ResponseWriter, *http.Request, int) bool {
			most.Store(max(most.Load(), now.Add(1)))
			<-release
			now.Add(-1)
			return false
		}, a, b))
		r := n.open(Options{})
		var wg sync.WaitGroup
		for _, raw := range [][]byte{a, b} {
			wg.Go(func() {
				b := n.blob(r, raw)
				defer b.Close()
				all(t, b, raw)
			})
		}
		// Whenever everything waits no more connections are to come, and those that there are may answer.
		for synctest.Wait(); now.Load() > 0; synctest.Wait() {
			for range now.Load() {
				release <- struct{}{}
			}
		}
		wg.Wait()
		unused(t, r)
		if most.Load() != conns || len(r.window.free) > buffers {
			t.Errorf("%d connections and %d buffers", most.Load(), len(r.window.free))
		}
	})
}

// TestWriteTo is a copy without a buffer in between.
func TestWriteTo(t *testing.T) {
	raw := randomBytes(10*testChunk + 3)
	inBubble(t, func(t *testing.T, n *network) {
		n.serve("registry.example:443", blobs(nil, raw))
		r := n.open(Options{})
		b := n.blob(r, raw)
		var buf bytes.Buffer
		if n, err := io.Copy(&buf, b); n != int64(len(raw)) || err != nil || !bytes.Equal(buf.Bytes(), raw) {
			t.Errorf("copied %d bytes: %v", n, err)
		}
		b.Close()
		full := errors.New("full")
		b = n.blob(r, raw)
		if _, err := io.Copy(failing{full}, b); !errors.Is(err, full) {
			t.Errorf("got %v, want the writer's error", err)
		}
		b.Close()
		unused(t, r)
	})
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// TestCancel: a context ends a reader whatever it waits for, and with its own error.
func TestCancel(t *testing.T) {
	raw := randomBytes(10 * testChunk)
	wait := func(w http.ResponseWriter, r *http.Request, _ int) bool { stall(w, r); return true }
	for name, f := range map[string]fault{
		"answer":      wait,
		"byte":        partly(raw, 10, stall),
		"retry":       status(503),
		"retry-after": status(429, "Retry-After", "100"),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *network) {
				n.serve("registry.example:443", blobs(f, raw))
				r := n.open(Options{})
				ctx, cancel := context.WithCancelCause(t.Context())
				b, err := r.Blob(ctx, digestOf(raw), int64(len(raw)), 0)
				if err != nil {
					t.Fatal(err)
				}
				result := make(chan error)
				go func() {
					_, err := io.ReadAll(b)
					result <- err
				}()
				synctest.Wait()
				cancel(errors.New("no more"))
				if err := <-result; !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
				b.Close()
				if _, err := b.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
					t.Errorf("after Close: %v", err)
				}
				unused(t, r)
				if _, _, err := r.Manifest(ctx, "v1"); !errors.Is(err, context.Canceled) {
					t.Errorf("Manifest: %v", err)
				}
				if _, err := r.Tags(ctx); !errors.Is(err, context.Canceled) {
					t.Errorf("Tags: %v", err)
				}
			})
		})
	}
}

// TestClose ends what is under way, and what is read later.
func TestClose(t *testing.T) {
	raw := randomBytes(50 * testChunk)
	inBubble(t, func(t *testing.T, n *network) {
		n.serve("registry.example:443", blobs(nil, raw))
		r := n.open(Options{})
		b := n.blob(r, raw)
		io.CopyN(io.Discard, b, 1500)
		b.Close()
		unused(t, r)
		if _, err := b.Read(make([]byte, 1)); err == nil {
			t.Error("a closed blob can be read")
		}
		if b.Close() != nil {
			t.Error("closing twice")
		}
		unused(t, r)
	})
}

func TestBadArguments(t *testing.T) {
	inBubble(t, func(t *testing.T, n *network) {
		r := n.open(Options{})
		good := digestOf(nil)
		for _, test := range []struct {
			digest       string
			size, offset int64
		}{{"sha256:../../x", 1, 0}, {"sha512:" + good[7:], 1, 0}, {good, -1, 0}, {good, 1 << 62, 0}, {good, 5, 6}, {good, 5, -1}} {
			if _, err := r.Blob(t.Context(), test.digest, test.size, test.offset); err == nil {
				t.Errorf("%v is accepted", test)
			}
		}
		for _, id := range []string{"", "../x", "a/b", "x?y", "sha256:" + good[8:], "\x1b"} {
			_, _, err := r.Manifest(t.Context(), id)
			failsWith(t, err, ErrUnknown, "neither a tag nor a sha256 digest")
		}
	})
}
