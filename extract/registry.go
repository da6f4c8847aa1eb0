package extract

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// repository is a client of one repository of a registry, by the OCI distribution specification. Names, authentication, tokens
// and retries are go-containerregistry's; requests are made here, because its readers take manifests of up to 100 MiB and hash
// every blob once more.
type repository struct {
	name   name.Repository
	client *http.Client
}

// retried are the answers that may be better a second later.
var retried = []int{http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}

// connect authenticates for pulling from repo.
func connect(ctx context.Context, repo name.Repository, o PullOptions) (*repository, error) {
	keychain := o.Keychain
	if keychain == nil {
		keychain = authn.DefaultKeychain
	}
	auth, err := authn.Resolve(ctx, keychain, repo)
	if err != nil {
		return nil, fmt.Errorf("%w: reading credentials: %w", ErrUnauthorized, err)
	}
	base := o.Transport
	if base == nil {
		base = remote.DefaultTransport
	}
	base = transport.NewRetry(base, transport.WithRetryStatusCodes(retried...))
	rt, err := transport.NewWithContext(ctx, repo.Registry, auth, base, []string{repo.Scope(transport.PullScope)})
	if err != nil {
		return nil, explain(ctx, err)
	}
	return &repository{repo, &http.Client{Transport: rt, CheckRedirect: checkRedirect}}, nil
}

// checkRedirect follows redirects to blob stores, but not from a named host to an address that only this machine's network has:
// a registry must not make us ask the cloud's metadata service.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("more than 10 redirects")
	}
	if req.URL.Hostname() == via[0].URL.Hostname() {
		return nil
	}
	addr, err := netip.ParseAddr(req.URL.Hostname())
	if err == nil && (addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast() || addr.IsUnspecified()) {
		return fmt.Errorf("a redirect to the private address %s", addr)
	}
	return nil
}

// get requests kind ("manifests" or "blobs") id. The caller closes the body.
func (r *repository) get(ctx context.Context, kind, id, accept string) (*http.Response, error) {
	u := url.URL{Scheme: r.name.Scheme(), Host: r.name.RegistryStr(), Path: fmt.Sprintf("/v2/%s/%s/%s", r.name.RepositoryStr(), kind, id)}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, explain(ctx, err)
	}
	if err := transport.CheckError(resp, http.StatusOK); err != nil {
		resp.Body.Close()
		return nil, explain(ctx, err)
	}
	return resp, nil
}

// manifest fetches a manifest or index by tag or digest, and checks it against the digest.
func (r *repository) manifest(ctx context.Context, id string) (*document, error) {
	var accept []string
	for _, t := range slices.Concat(indexTypes, manifestTypes) {
		accept = append(accept, string(t))
	}
	resp, err := r.get(ctx, "manifests", id, strings.Join(accept, ","))
	if err != nil {
		return nil, fmt.Errorf("asking for the manifest %s: %w", id, err)
	}
	defer resp.Body.Close()
	raw, err := readAll(resp.Body, maxManifest)
	if err != nil {
		return nil, fmt.Errorf("reading the manifest %s: %w", id, err)
	}
	digest := digestOf(raw)
	if strings.HasPrefix(id, "sha256:") && digest != id {
		return nil, fmt.Errorf("%w: the registry sent manifest %s for %s", ErrDigest, digest, id)
	}
	return parseDocument(raw, resp.Header.Get("Content-Type"), digest)
}

// small fetches a blob into memory and checks it.
func (r *repository) small(ctx context.Context, d descriptor) ([]byte, error) {
	blob, err := r.blob(ctx, d)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	raw, err := readAll(blob, d.Size)
	if err != nil {
		return nil, err
	}
	return raw, blob.verify()
}

// readAll reads r, which must not hold more than limit bytes.
func readAll(r io.Reader, limit int64) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, explainRead(err)
	}
	if int64(len(raw)) > limit {
		return nil, fmt.Errorf("%w: it is longer than %d bytes", ErrInvalidImage, limit)
	}
	return raw, nil
}

func digestOf(raw []byte) string {
	sum := sha256.Sum256(raw)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// explainRead classifies an error in the middle of a body.
func explainRead(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrDigest) || errors.Is(err, ErrRegistry) {
		return err
	}
	return fmt.Errorf("%w: its answer was cut short: %w", ErrRegistry, err)
}

// Tags lists the tags of a repository ("registry/name"), in the registry's order.
func Tags(ctx context.Context, repository string, o PullOptions) ([]string, error) {
	fail := func(err error) ([]string, error) {
		return nil, fmt.Errorf("listing the tags of %s: %w", oneLine(repository), err)
	}
	repo, err := name.NewRepository(repository, nameOptions(o.Insecure)...)
	if err != nil {
		return fail(fmt.Errorf("%w: %s", ErrReference, oneLine(err.Error())))
	}
	r, err := connect(ctx, repo, o)
	if err != nil {
		return fail(err)
	}
	tags, err := remote.List(repo, remote.WithContext(ctx), remote.WithTransport(r.client.Transport))
	if err != nil {
		return fail(explain(ctx, err))
	}
	return tags, nil
}
