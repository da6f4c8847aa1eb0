package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
)

// guard makes the requests of go-containerregistry: pings, and those to token servers, with the time limits, the waiting and the
// rules for redirects that all others have.
type guard struct {
	s    *source
	ping bool

	mu    sync.Mutex
	heard *failure // the one that says most, of HTTPS and HTTP
}

func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	here := &url.URL{Scheme: "https", Host: g.s.host()}
	if g.s.repo.Scheme() == "http" {
		here.Scheme = "http"
	}
	if g.s.plain && req.URL.Scheme == "https" && req.URL.Host == here.Host {
		return nil, errors.New("it was named with http://")
	}
	if g.s.secure && req.URL.Scheme == "http" && req.URL.Host == here.Host {
		return nil, errors.New("it was named with https://")
	}
	if err := checkURL(here, here, req.URL); err != nil {
		return nil, g.hear(unanswered(req.URL.Host, err))
	}
	resp, err := g.s.client.send(req.Clone(req.Context()))
	if err != nil {
		return nil, g.hear(asFailure(req.URL.Host, err))
	}
	resp.Request = req
	// What may be another answer later is told apart here: go-containerregistry's errors are without the Retry-After.
	switch c := resp.StatusCode; {
	case c == http.StatusRequestTimeout, c == http.StatusTooManyRequests, c >= 500:
		return nil, g.hear(refused(resp, false))
	case g.ping && c >= 400 && c != http.StatusUnauthorized:
		f := refused(resp, false)
		f.err = fmt.Errorf("%w: HTTP %d %s for /v2/, which every registry has", ErrRegistry, c, http.StatusText(c))
		return nil, g.hear(f)
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, 64<<10), resp.Body}
	return resp, nil
}

func (g *guard) hear(f *failure) *failure {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.heard == nil || f.status != 0 || g.heard.status == 0 {
		g.heard = f
	}
	return f
}

func (g *guard) explain(ctx context.Context, err error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if ctx.Err() == nil && g.heard != nil {
		return g.heard
	}
	return err
}
