package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

// Options are the choices of a Repository. The zero value asks the registry itself with the credentials of ~/.docker/config.json.
type Options struct {
	// Mirrors are asked in their order before the registry itself: "host[:port][/prefix]", where the repository is
	// prefix/NAME; "http://" in front means plain HTTP, "https://" nothing else. Whatever a mirror fails at, the next one is asked for.
	Mirrors []string
	// CredentialsFile is a file in the format of ~/.docker/config.json ("auths" only) that goes before Keychain. It may be
	// missing; if others than root and its owner could read it, it is a *CredentialsError. Default: none.
	CredentialsFile string
	Keychain        authn.Keychain // default: authn.DefaultKeychain: Docker's and Podman's files, and credential helpers
	// CAFile holds PEM certificates of authorities to trust besides the system's. It needs the default Transport, or a
	// *http.Transport, of which a copy for HTTP/1.1 is used then.
	CAFile string
	// Transport makes the requests. Default: HTTP/1.1, so that parallel requests have connections of their own, through the
	// proxies of HTTP_PROXY, HTTPS_PROXY and NO_PROXY.
	Transport http.RoundTripper
	// Report is told, in one line without secrets, what is waited for and which mirror was given up. Calls do not overlap,
	// and must not lead back into the Repository.
	Report func(event string)

	// Stall is how long a connection may be silent. Default: 30 s.
	Stall time.Duration
	// Attempts is how often in a row the same may fail without a byte of progress. Default: 6, which takes 10 to 20 s, or as
	// long as the registry asks for by Retry-After: 5 min each time at most.
	Attempts int
	// Sleep waits between attempts, or returns the context's error. Default: it does that.
	Sleep func(ctx context.Context, d time.Duration) error
}

// Repository is a client of one repository. Its methods may be called at the same time.
type Repository struct {
	sources []*source // mirrors in their order, and the registry last
	client  *client
	window  *window
}

// Open returns a client of repo, which allows plain HTTP if it was made with name.Insecure. It makes no request.
func Open(repo name.Repository, o Options) (*Repository, error) {
	fail := func(err error) (*Repository, error) {
		return nil, fmt.Errorf("preparing to pull from %s: %w", repo.RegistryStr(), err)
	}
	c, err := newClient(o)
	if err != nil {
		return fail(err)
	}
	keys := keychain{file: o.CredentialsFile, rest: o.Keychain}
	if _, err := keys.read(); err != nil {
		return fail(err)
	}
	r := &Repository{client: c, window: newWindow()}
	for _, m := range o.Mirrors {
		s, err := newMirror(m, repo, keys, c)
		if err != nil {
			return fail(err)
		}
		r.sources = append(r.sources, s)
	}
	r.sources = append(r.sources, newSource(repo, keys, c))
	return r, nil
}

// Origin returns the same repository without its mirrors, for what a mirror had wrong. It shares connections and memory with r.
func (r *Repository) Origin() *Repository {
	o := *r
	o.sources = r.sources[len(r.sources)-1:]
	return &o
}

// Close lets go of idle connections. Blobs are to be closed before.
func (r *Repository) Close() { r.client.idle() }

// maxManifest is what the OCI distribution specification asks registries to accept at least, "Pushing Manifests".
const maxManifest = 4 << 20

// accept are the manifests and indexes of both specifications.
const accept = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, " +
	"application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"

// Tags and digests, OCI distribution specification, "Pulling manifests". What else a path could hold never gets into one.
var (
	validTag    = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
	validDigest = regexp.MustCompile(`^sha256:[a-f0-9]{64}$`)
)

// Manifest fetches a manifest or index by tag or digest, and returns it as it is with the Content-Type it was sent with. What a
// digest names is checked against it. More than 4 MiB are ErrTooLarge.
func (r *Repository) Manifest(ctx context.Context, id string) (raw []byte, contentType string, err error) {
	if !validDigest.MatchString(id) && !validTag.MatchString(id) {
		return nil, "", fmt.Errorf("asking for the manifest %s: %w: neither a tag nor a sha256 digest", oneLine(id), ErrUnknown)
	}
	err = r.search("the manifest "+id, 0).do(ctx, func(s *source) error {
		raw, contentType, err = s.manifest(ctx, id)
		return err
	})
	return raw, contentType, err
}

func (s *source) manifest(ctx context.Context, id string) ([]byte, string, error) {
	a, err := s.get(ctx, request{path: "manifests/" + id, accept: accept})
	if err != nil {
		return nil, "", err
	}
	defer a.Body.Close()
	raw, err := readAll(a, maxManifest)
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(raw)
	if digest := "sha256:" + hex.EncodeToString(sum[:]); strings.HasPrefix(id, "sha256:") && digest != id {
		return nil, "", mismatch(a.host(), "the registry sent manifest %s for %s", digest, id)
	}
	return raw, a.Header.Get("Content-Type"), nil
}

// readAll reads an answer that may not be longer than limit bytes.
func readAll(a *answer, limit int64) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(a.Body, limit+1))
	if err != nil {
		return nil, cut(a.host(), err)
	}
	if int64(len(raw)) > limit {
		return nil, &failure{host: a.host(), err: fmt.Errorf("%w: it is longer than %d bytes", ErrTooLarge, limit)}
	}
	return raw, nil
}

// client is what all sources of a repository share: connections, and the word of hosts that asked to be left alone.
type client struct {
	transport http.RoundTripper
	owned     bool // the transport is of our making
	stall     time.Duration
	attempts  int
	sleep     func(ctx context.Context, d time.Duration) error

	mu    sync.Mutex
	tell  func(event string)
	last  string               // event, told once however many connections it happens to
	gates map[string]time.Time // by host: not before
}

func newClient(o Options) (*client, error) {
	t, owned, err := newTransport(o)
	if err != nil {
		return nil, err
	}
	c := &client{transport: t, owned: owned, stall: o.Stall, attempts: o.Attempts, sleep: o.Sleep, tell: o.Report, gates: map[string]time.Time{}}
	if c.stall <= 0 {
		c.stall = 30 * time.Second
	}
	if c.attempts <= 0 {
		c.attempts = 6
	}
	if c.sleep == nil {
		c.sleep = sleep
	}
	return c, nil
}

func (c *client) idle() {
	if t, ok := c.transport.(*http.Transport); ok && c.owned {
		t.CloseIdleConnections()
	}
}

func (c *client) report(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if event := fmt.Sprintf(format, args...); c.tell != nil && event != c.last {
		c.last = event
		c.tell(event)
	}
}

// progressed makes the next event worth telling even if it is the one before again.
func (c *client) progressed() {
	c.mu.Lock()
	c.last = ""
	c.mu.Unlock()
}
