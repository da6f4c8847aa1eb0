package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/name"
)

// source is one place that may have the repository: a mirror, or the registry itself.
type source struct {
	repo     name.Repository
	plain    bool // HTTP only
	secure   bool // HTTPS only, wherever it is
	keys     keychain
	client   *client
	down     atomic.Bool // a mirror that was given up
	answered atomic.Bool // the host is there

	turn chan struct{} // holds the right to authenticate: one at a time is enough for all
	mu   sync.Mutex
	auth session
}

func newSource(repo name.Repository, keys keychain, c *client) *source {
	return &source{repo: repo, keys: keys, client: c, turn: make(chan struct{}, 1)}
}

// newMirror parses "[http[s]://]host[:port][/prefix]".
func newMirror(mirror string, repo name.Repository, keys keychain, c *client) (*source, error) {
	var options []name.Option
	rest, plain := strings.CutPrefix(mirror, "http://")
	if plain {
		options = append(options, name.Insecure)
	}
	rest, secure := strings.CutPrefix(rest, "https://")
	rest = strings.TrimSuffix(rest, "/")
	host, prefix, _ := strings.Cut(rest, "/")
	bad := func(err error) (*source, error) {
		return nil, fmt.Errorf("using the mirror %s, which should be host[:port][/prefix]: %s", oneLine(mirror), oneLine(err.Error()))
	}
	if strings.Contains(prefix, "//") || strings.HasPrefix(prefix, "/") {
		return bad(errors.New("there is an empty name in it"))
	}
	registry, err := name.NewRegistry(host, append(options, name.StrictValidation)...)
	if err != nil {
		return bad(err)
	}
	if prefix != "" {
		prefix += "/"
	}
	path := prefix + repo.RepositoryStr()
	// The host stays out of this: one without a dot would be a namespace of Docker Hub.
	if _, err := name.NewRepository("registry.invalid/" + path); err != nil {
		return bad(err)
	}
	s := newSource(registry.Repo(path), keys, c)
	s.plain, s.secure = plain, secure
	return s, nil
}

func (s *source) host() string { return s.repo.RegistryStr() }

// request is one thing to GET.
type request struct {
	path   string // after the repository
	query  string
	accept string
	span   string   // Range, "" for all
	at     *url.URL // where an earlier request was redirected to; nil for the registry
}

// answer is a response with the status 200 or 206.
type answer struct {
	*http.Response
	at *url.URL // where a redirect led, nil if there was none
}

func (a *answer) host() string { return a.Request.URL.Host }

// maxRenewals bounds how many tokens one request may use up. Others share them, so that one may expire before it is used.
const maxRenewals = 3

// get makes one request, with a new token if the old one expired. Its errors are a *failure, or the context's. The caller
// closes the body.
func (s *source) get(ctx context.Context, r request) (*answer, error) {
	base, token, err := s.connect(ctx)
	if err != nil {
		return nil, s.explain(ctx, err)
	}
	u := r.at
	if u == nil {
		u = &url.URL{Scheme: base.Scheme, Host: base.Host, Path: "/v2/" + s.repo.RepositoryStr() + "/" + r.path, RawQuery: r.query}
	}
	for renewals := 0; ; renewals++ {
		resp, err := s.follow(ctx, base, u, r, token)
		if err != nil {
			return nil, s.explain(ctx, err)
		}
		redirected := !sameOrigin(resp.Request.URL, base)
		s.accepted(token, resp, redirected)
		switch {
		case resp.StatusCode == http.StatusOK, resp.StatusCode == http.StatusPartialContent:
			a := &answer{Response: resp}
			if redirected {
				a.at = resp.Request.URL
			}
			return a, nil
		case resp.StatusCode == http.StatusUnauthorized && !redirected:
			f := refused(resp, false)
			if renewals == maxRenewals {
				return nil, s.explain(ctx, f)
			}
			if token, err = s.renew(ctx, resp, token, f); err != nil {
				return nil, s.explain(ctx, err)
			}
		default:
			return nil, s.explain(ctx, refused(resp, redirected))
		}
	}
}

func (s *source) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	f := asFailure(s.host(), err)
	f.err = s.redact(f.err)
	return f
}

// maxRedirects is what browsers and net/http follow.
const maxRedirects = 10

// follow makes a request and follows its redirects. net/http would do that too, but sends credentials to other ports and to
// subdomains of the registry, and its errors have signed addresses in them.
func (s *source) follow(ctx context.Context, base, u *url.URL, r request, token token) (*http.Response, error) {
	for range maxRedirects + 1 {
		req := (&http.Request{Method: http.MethodGet, URL: u, Host: u.Host, Header: http.Header{}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(ctx)
		if r.accept != "" {
			req.Header.Set("Accept", r.accept)
		}
		if r.span != "" {
			req.Header.Set("Range", r.span)
		}
		if token.header != "" && sameOrigin(u, base) {
			req.Header.Set("Authorization", token.header)
		}
		resp, err := s.client.send(req)
		if err != nil {
			return nil, unansweredIn(ctx, u.Host, err)
		}
		s.answered.Store(true)
		resp.Request = req
		switch resp.StatusCode {
		case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		default:
			return resp, nil
		}
		resp.Body.Close()
		to, err := url.Parse(resp.Header.Get("Location"))
		if err != nil || resp.Header.Get("Location") == "" {
			return nil, &failure{host: u.Host, status: resp.StatusCode, err: fmt.Errorf("%w: HTTP %d without a valid Location", ErrRegistry, resp.StatusCode)}
		}
		to = u.ResolveReference(to)
		to.User, to.Fragment = nil, ""
		if err := checkURL(base, u, to); err != nil {
			return nil, unanswered(u.Host, err)
		}
		u = to
	}
	return nil, &failure{host: u.Host, err: fmt.Errorf("%w: more than %d redirects", ErrRegistry, maxRedirects)}
}

func unansweredIn(ctx context.Context, host string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return unanswered(host, err)
}

func sameOrigin(a, b *url.URL) bool { return a.Scheme == b.Scheme && a.Host == b.Host }
