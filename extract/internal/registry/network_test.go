package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

// network is one without latency, in which time is that of synctest: hosts are handlers, and what is said to be TLS is not.
type network struct {
	t         *testing.T
	over      chan struct{}
	transport *http.Transport

	mu       sync.Mutex
	hosts    map[string]*host
	requests []string // "HOST PATH RANGE"
	events   []string
}

type host struct {
	net.Listener
	conns chan net.Conn
	over  chan struct{}
}

func (h *host) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.over:
		return nil, net.ErrClosed
	}
}
func (h *host) Close() error   { return nil }
func (h *host) Addr() net.Addr { return &net.TCPAddr{} }

// inBubble runs f in a network of its own.
func inBubble(t *testing.T, f func(t *testing.T, n *network)) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{t: t, over: make(chan struct{}), hosts: map[string]*host{}}
		dial := func(ctx context.Context, _, addr string) (net.Conn, error) {
			n.mu.Lock()
			h := n.hosts[addr]
			n.mu.Unlock()
			if h == nil {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
			}
			here, there := net.Pipe()
			select {
			case h.conns <- there:
				return here, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-n.over:
				return nil, net.ErrClosed
			}
		}
		n.transport = &http.Transport{DialContext: dial, DialTLSContext: dial, MaxIdleConnsPerHost: 10}
		defer func() {
			n.transport.CloseIdleConnections()
			close(n.over)
		}()
		f(t, n)
	})
}

// serve puts a host, "NAME:PORT", on the network.
func (n *network) serve(addr string, handler http.HandlerFunc) {
	h := &host{conns: make(chan net.Conn), over: n.over}
	n.mu.Lock()
	n.hosts[addr] = h
	n.mu.Unlock()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.mu.Lock()
		n.requests = append(n.requests, strings.TrimSpace(r.Host+" "+r.URL.Path+" "+r.Header.Get("Range")))
		n.mu.Unlock()
		if got := r.Header.Get("Accept-Encoding"); got != "identity" {
			n.t.Errorf("a registry may encode what it sends as %q", got)
		}
		handler(w, r)
	})}
	go server.Serve(h)
}

// took returns what was asked for under a path with part in it.
func (n *network) took(part string) (took []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range n.requests {
		if strings.Contains(r, part) {
			took = append(took, r)
		}
	}
	return took
}

func (n *network) told() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.events, "\n")
}

type noKeys struct{}

func (noKeys) Resolve(authn.Resource) (authn.Authenticator, error) { return authn.Anonymous, nil }

var zero time.Time

// testChunk is small, so that tests have many of them.
const testChunk = 1000

func (n *network) open(o Options) *Repository {
	n.t.Helper()
	if o.Keychain == nil {
		o.Keychain = noKeys{}
	}
	o.Transport = n.transport
	o.Report = func(event string) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.events = append(n.events, event)
	}
	repo, err := name.NewRepository("registry.example/org/app")
	if err != nil {
		n.t.Fatal(err)
	}
	r, err := Open(repo, o)
	if err != nil {
		n.t.Fatal(err)
	}
	r.window.chunk = testChunk
	return r
}

func digestOf(raw []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(raw)) }

func randomBytes(n int) []byte {
	raw := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n)})
	r.Read(raw)
	return raw
}

// fault answers in place of a registry or says that it did not. nth counts the requests for the blob from 0.
type fault func(w http.ResponseWriter, r *http.Request, nth int) bool

// blobs answers as a registry does that has them.
func blobs(f fault, all ...[]byte) http.HandlerFunc {
	var mu sync.Mutex
	nth := -1
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/" {
			return
		}
		mu.Lock()
		nth++
		n := nth
		mu.Unlock()
		if f != nil && f(w, r, n) {
			return
		}
		for _, raw := range all {
			if strings.HasSuffix(r.URL.Path, "/"+digestOf(raw)) {
				w.Header().Set("Content-Type", "application/octet-stream")
				http.ServeContent(w, r, "", zero, bytes.NewReader(raw))
				return
			}
		}
		http.NotFound(w, r)
	}
}

// read reads a whole blob.
func read(t *testing.T, r *Repository, raw []byte) ([]byte, error) {
	t.Helper()
	b, err := r.Blob(t.Context(), digestOf(raw), int64(len(raw)), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	return io.ReadAll(b)
}

// whole checks that a blob is read as it is, and that nothing is left over.
func whole(t *testing.T, r *Repository, raw []byte) {
	t.Helper()
	got, err := read(t, r, raw)
	if err != nil || !bytes.Equal(got, raw) {
		t.Errorf("got %d bytes, equal: %v, err: %v; want %d bytes", len(got), bytes.Equal(got, raw), err, len(raw))
	}
	unused(t, r)
}

func unused(t *testing.T, r *Repository) {
	t.Helper()
	r.window.mu.Lock()
	defer r.window.mu.Unlock()
	if w := r.window; w.used != 0 || w.active != 0 || w.dropping != 0 || len(w.blobs) != 0 {
		t.Errorf("after Close: %d buffers, %d connections, %d dropping, %d blobs", w.used, w.active, w.dropping, len(w.blobs))
	}
}

// failsWith checks for one clean line that wraps kind and has all of want in it.
func failsWith(t *testing.T, err, kind error, want ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("got %v, want %v", err, kind)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("got %v\nwithout %q", err, w)
		}
	}
	if strings.ContainsAny(err.Error(), "\n\x1b") || len(err.Error()) > 1000 {
		t.Errorf("not one clean line: %q", err)
	}
}

var quiet = log.New(io.Discard, "", 0)
