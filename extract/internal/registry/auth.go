package registry

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// session is what a source knows about being let in. go-containerregistry finds out what a registry wants and fetches tokens;
// its transport that would also renew them is not used, as it does so for each of several connections at once, and without a
// lock for the refresh token.
type session struct {
	base      *url.URL // nil before the first request
	challenge *transport.Challenge
	auth      authn.Authenticator // instead of the keychain's: a refresh token
	token     token
	secrets   []string // never to be seen in an error
}

// token is the value of an Authorization header. Each new one has a new serial number.
type token struct {
	header string
	serial int
	works  bool // it was accepted at least once
}

// connect returns where the registry is and how to be let in.
func (s *source) connect(ctx context.Context) (*url.URL, token, error) {
	if err := s.lock(ctx); err != nil {
		return nil, token{}, err
	}
	defer s.unlock()
	if base, t := s.state(); base != nil {
		return base, t, nil
	}
	g := &guard{s: s, ping: true}
	challenge, err := transport.Ping(ctx, s.repo.Registry, g)
	if err != nil {
		return nil, token{}, g.explain(ctx, err)
	}
	s.answered.Store(true)
	base := &url.URL{Scheme: "https", Host: s.host()}
	if challenge.Insecure {
		base.Scheme = "http"
	}
	t, err := s.authenticate(ctx, challenge)
	if err != nil {
		return nil, token{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.auth.base, s.auth.challenge = base, challenge
	return base, t, nil
}

func (s *source) lock(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *source) unlock() { <-s.turn }

func (s *source) state() (*url.URL, token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.auth.base, s.auth.token
}

// accepted remembers that a token works: only such a one can have expired later.
func (s *source) accepted(t token, resp *http.Response, redirected bool) {
	if resp.StatusCode == http.StatusUnauthorized || redirected {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.auth.token.serial == t.serial {
		s.auth.token.works = true
	}
}

// renew returns a token to try after one was refused by resp: what another connection got in the meantime, or a new one. A
// token that never worked is not renewed, so that a registry that refuses all of them is asked once; then the error is f.
func (s *source) renew(ctx context.Context, resp *http.Response, old token, f *failure) (token, error) {
	if err := s.lock(ctx); err != nil {
		return token{}, err
	}
	defer s.unlock()
	s.mu.Lock()
	now, challenge := s.auth.token, s.auth.challenge
	s.mu.Unlock()
	if now.serial != old.serial {
		return now, nil
	}
	// Some registries let anybody ask for /v2/ and say here first what they want.
	if said := challengeOf(ctx, s.repo.Registry, resp); said != nil {
		said.Insecure = challenge.Insecure
		first := !strings.EqualFold(said.Scheme, challenge.Scheme) || said.Parameters["realm"] != challenge.Parameters["realm"] ||
			said.Parameters["scope"] != "" && said.Parameters["scope"] != s.scope() && said.Parameters["scope"] != challenge.Parameters["scope"]
		if first || now.works {
			challenge = said
		}
		now.works = now.works || first
	}
	if !now.works {
		return token{}, f
	}
	t, err := s.authenticate(ctx, challenge)
	if err != nil {
		return token{}, err
	}
	s.mu.Lock()
	s.auth.challenge = challenge
	s.mu.Unlock()
	if t.header == "" || t.header == old.header && strings.HasPrefix(t.header, "Basic ") {
		return token{}, f
	}
	return t, nil
}

func (s *source) scope() string { return s.repo.Scope(transport.PullScope) }

// challengeOf has go-containerregistry read the challenge of an answer that we have already: its parser comes only with Ping.
func challengeOf(ctx context.Context, r name.Registry, resp *http.Response) *transport.Challenge {
	secure, err := name.NewRegistry(r.RegistryStr())
	if err != nil || resp.Header.Get("WWW-Authenticate") == "" {
		return nil
	}
	challenge, err := transport.Ping(ctx, secure, canned{resp.Header})
	if err != nil || challenge.Scheme == "" {
		return nil
	}
	return challenge
}

type canned struct{ header http.Header }

func (c canned) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusUnauthorized, Header: c.header, Body: http.NoBody, Request: req}, nil
}

// authenticate gets and keeps a new token for a challenge. The caller holds the turn.
func (s *source) authenticate(ctx context.Context, c *transport.Challenge) (token, error) {
	s.mu.Lock()
	auth := s.auth.auth
	s.mu.Unlock()
	if auth == nil {
		var err error
		if auth, err = s.keys.resolve(ctx, s.repo); err != nil {
			return token{}, err
		}
	}
	cfg, err := authn.Authorization(ctx, auth)
	if err != nil {
		return token{}, &failure{host: s.host(), err: fmt.Errorf("%w: reading credentials: %w", ErrUnauthorized, clean(err))}
	}
	secrets := []string{cfg.Password, cfg.Auth, cfg.IdentityToken, cfg.RegistryToken}
	header := basic(cfg)
	if strings.EqualFold(c.Scheme, "bearer") && cfg.RegistryToken == "" {
		scopes := []string{s.scope()}
		if more := c.Parameters["scope"]; more != "" && more != scopes[0] {
			scopes = []string{more, scopes[0]}
		}
		t, err := transport.Exchange(ctx, s.repo.Registry, auth, &guard{s: s}, scopes, c)
		if err != nil {
			s.remember(secrets)
			return token{}, s.badExchange(ctx, err)
		}
		header = "Bearer " + cmp.Or(t.AccessToken, t.Token)
		secrets = append(secrets, t.AccessToken, t.Token, t.RefreshToken)
		if t.RefreshToken != "" {
			auth = authn.FromConfig(authn.AuthConfig{IdentityToken: t.RefreshToken})
			s.mu.Lock()
			s.auth.auth = auth
			s.mu.Unlock()
		}
	}
	s.remember(append(secrets, header))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.auth.token = token{header: header, serial: s.auth.token.serial + 1}
	return s.auth.token, nil
}

// badExchange explains why there is no token. What is not an answer of the server's is its fault as well: a bad realm, no JSON.
func (s *source) badExchange(ctx context.Context, err error) error {
	var status *transport.Error
	var f *failure
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &f):
		return f
	case errors.As(err, &status):
		f = &failure{host: s.host(), status: status.StatusCode}
		kind := ErrRegistry
		if status.StatusCode == http.StatusUnauthorized || status.StatusCode == http.StatusForbidden {
			kind = ErrUnauthorized
		}
		f.err = fmt.Errorf("%w: asking for a token: HTTP %d %s", kind, status.StatusCode, http.StatusText(status.StatusCode))
		return f
	}
	return &failure{host: s.host(), err: fmt.Errorf("%w: asking for a token: %w", ErrRegistry, clean(err))}
}

// basic is the header for credentials that need no exchange, "" for none.
func basic(c *authn.AuthConfig) string {
	switch {
	case c.RegistryToken != "":
		return "Bearer " + c.RegistryToken
	case c.Username != "" && c.Password != "":
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(c.Username+":"+c.Password))
	case c.Auth != "":
		return "Basic " + c.Auth
	}
	return ""
}
