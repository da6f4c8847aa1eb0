package registry

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	firstWait = 500 * time.Millisecond
	longest   = 30 * time.Second
	// maxRetryAfter bounds what a registry may ask for by Retry-After.
	maxRetryAfter = 5 * time.Minute
	// earlyAttempts is how often a host is tried that refuses connections and never answered: it is rather not there at all.
	earlyAttempts = 3
)

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// retryAfter reads both forms of the header, RFC 9110 section 10.2.3. It is 0 without one.
func retryAfter(h http.Header) time.Duration {
	s := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(s, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// wait waits until host may be asked again.
func (c *client) wait(ctx context.Context, host string) error {
	c.mu.Lock()
	d := time.Until(c.gates[host])
	c.mu.Unlock()
	if d <= 0 {
		return ctx.Err()
	}
	return c.sleep(ctx, d)
}

// hold makes all requests to host wait. It says how long.
func (c *client) hold(host string, d time.Duration) time.Duration {
	d = min(d, maxRetryAfter)
	c.mu.Lock()
	defer c.mu.Unlock()
	if until := time.Now().Add(d); until.After(c.gates[host]) {
		c.gates[host] = until
	}
	return d
}

// search is the pursuit of one thing through the sources that may have it.
type search struct {
	c        *client
	what     string
	sources  []*source
	failures int      // in a row
	lost     []string // what sources said that were given up
}

// search begins to look for something where it may be: not in mirrors that are no good at all, nor the first skip sources.
func (r *Repository) search(what string, skip int) *search {
	s := &search{c: r.client, what: what, sources: r.sources[skip:]}
	for len(s.sources) > 1 && s.sources[0].down.Load() {
		s.sources = s.sources[1:]
	}
	return s
}

func (s *search) source() *source { return s.sources[0] }

// do calls f until it works.
func (s *search) do(ctx context.Context, f func(*source) error) error {
	for {
		err := f(s.source())
		if err == nil {
			return nil
		}
		if err := s.again(ctx, err, false); err != nil {
			return err
		}
	}
}

// again is called after a failure. It returns nil when it is time to ask source once more, and otherwise what to say about the
// end. progress says that something came before it failed.
func (s *search) again(ctx context.Context, err error, progress bool) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	f := asFailure(s.source().host(), err)
	if progress {
		s.failures = 0
		s.c.progressed()
	}
	s.failures++
	if len(s.sources) > 1 && (!progress || !f.again) {
		s.next(f)
		return nil
	}
	limit := s.c.attempts
	if f.early && !s.source().answered.Load() {
		limit = min(limit, earlyAttempts)
	}
	if !f.again || s.failures >= limit {
		return s.end(f)
	}
	if f.after > 0 {
		asked := ""
		if d := s.c.hold(f.host, f.after); d < f.after {
			asked = fmt.Sprintf(", though it asked for %v", f.after.Round(time.Second))
		} else {
			f.after = d
		}
		s.c.report("%s: %v; trying again in %v%s", f.host, f, min(f.after, maxRetryAfter).Round(time.Second), asked)
		return ctx.Err() // the request itself waits, as those of all connections do
	}
	d := backoff(s.failures)
	s.c.report("%s: %v; trying again in %v", f.host, f, max(time.Second, d.Round(time.Second)))
	return s.c.sleep(ctx, d)
}

// next gives a mirror up, for this search or, if it does not work at all, for good.
func (s *search) next(f *failure) {
	m := s.source()
	if f.status != http.StatusNotFound {
		m.down.Store(true)
	}
	s.sources = s.sources[1:]
	s.failures = 0
	lost := fmt.Sprintf("the mirror %s: %v", m.host(), f)
	s.lost = append(s.lost, lost)
	s.c.report("asking %s for %s: %v; asking %s instead", m.host(), s.what, f, s.source().host())
}

func (s *search) end(f *failure) error {
	host := s.source().host()
	via := ""
	if f.host != host {
		via = ", redirected to " + oneLine(f.host)
	}
	err := fmt.Errorf("asking %s for %s%s: %w", host, s.what, via, f.err)
	if s.failures > 1 {
		err = fmt.Errorf("%w (%d times)", err, s.failures)
	}
	if len(s.lost) > 0 {
		err = fmt.Errorf("%w; before that, %s", err, strings.Join(s.lost, "; "))
	}
	return err
}

// backoff doubles, and differs so that connections that failed together do not come back together.
func backoff(failures int) time.Duration {
	d := min(longest, firstWait<<min(failures-1, 10))
	return d/2 + rand.N(d)
}
