package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"
)

var (
	errStall      = errors.New("not a byte")
	errRefusedURL = errors.New("refused")
)

// newTransport returns the transport to use, and whether it is only for us.
func newTransport(o Options) (rt http.RoundTripper, owned bool, err error) {
	rt = o.Transport
	if rt == nil {
		rt, owned = http1(remote.DefaultTransport.(*http.Transport)), true
	}
	if o.CAFile == "" {
		return rt, owned, nil
	}
	t, ok := rt.(*http.Transport)
	if !ok {
		return nil, false, fmt.Errorf("trusting %s: not with a transport of type %T", o.CAFile, rt)
	}
	t = http1(t)
	t.TLSClientConfig.RootCAs, err = authorities(o.CAFile)
	if err != nil {
		return nil, false, err
	}
	return t, true, nil
}

// http1 is a transport as t is, but with a connection for each request. HTTP/2 would send all ranges over one, whose congestion
// window then bounds them together.
func http1(t *http.Transport) *http.Transport {
	t = t.Clone()
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t.ForceAttemptHTTP2 = false
	t.TLSNextProto = nil
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	t.TLSClientConfig.NextProtos = nil // t may offer HTTP/2 in it
	return t
}

// AuthoritiesError says that the file of Options.CAFile is of no use.
type AuthoritiesError struct {
	Path string
	Err  error
}

func (e *AuthoritiesError) Error() string {
	return fmt.Sprintf("trusting the certificates of %s: %v", e.Path, e.Err)
}

func (e *AuthoritiesError) Unwrap() error { return e.Err }

func authorities(file string) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("trusting the system's certificates: %w", err)
	}
	pem, err := os.ReadFile(file)
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		err = failed.Err // without the path, which is said once
	}
	if err == nil && !pool.AppendCertsFromPEM(pem) {
		err = errors.New("there is no PEM certificate in it")
	}
	if err != nil {
		return nil, &AuthoritiesError{Path: file, Err: err}
	}
	return pool, nil
}

// send makes one request once the host wants any, and gives it up when nothing happens for too long.
func (c *client) send(req *http.Request) (*http.Response, error) {
	if err := c.wait(req.Context(), req.URL.Host); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	w := &watched{ctx: ctx, cancel: cancel, stall: c.stall}
	w.timer = time.AfterFunc(c.stall, func() { cancel(fmt.Errorf("%w for %v", errStall, c.stall)) })
	req = req.WithContext(ctx)
	req.Header.Set("User-Agent", "aztec-spartan")
	// Blobs are compressed, and ranges are ranges of what is stored.
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := c.transport.RoundTrip(req)
	w.timer.Stop()
	if err != nil {
		err = w.cause(err)
		cancel(nil)
		return nil, err
	}
	w.body = resp.Body
	resp.Body = w
	return resp, nil
}

// watched is a body that gives up when nothing comes for too long. It waits only while it is being read.
type watched struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	stall  time.Duration
	body   io.ReadCloser
}

func (w *watched) Read(p []byte) (int, error) {
	w.timer.Reset(w.stall)
	n, err := w.body.Read(p)
	w.timer.Stop()
	if err != nil && err != io.EOF { //nolint:errorlint // io.Reader: EOF is never wrapped
		err = w.cause(err)
	}
	return n, err
}

// Close does not cancel first: that would end a connection that can be used again.
func (w *watched) Close() error {
	err := w.body.Close()
	w.timer.Stop()
	w.cancel(nil)
	return err
}

func (w *watched) cause(err error) error {
	if cause := context.Cause(w.ctx); errors.Is(cause, errStall) {
		return cause
	}
	return err
}

// checkURL judges where a registry sends us. Blob stores are elsewhere as a rule, but no public name may make us ask what only
// this machine's network has, such as the cloud's metadata service, nor send what was asked for by HTTPS in the clear.
func checkURL(registry, from, to *url.URL) error {
	switch {
	case to.Scheme != "https" && to.Scheme != "http" || to.Host == "":
		return fmt.Errorf("%w: a redirect to %s", errRefusedURL, oneLine(to.Scheme+"://"+to.Host))
	case from.Scheme == "https" && to.Scheme == "http":
		return fmt.Errorf("%w: a redirect from HTTPS to plain HTTP at %s", errRefusedURL, oneLine(to.Host))
	case to.Hostname() == registry.Hostname():
		return nil
	}
	here, _ := address(registry.Hostname())
	addr, ok := address(to.Hostname())
	if !ok || !addr.IsPrivate() && !addr.IsLoopback() && !addr.IsLinkLocalUnicast() && !addr.IsUnspecified() {
		return nil
	}
	if addr.IsPrivate() && (here.IsPrivate() || here.IsLoopback()) { // a registry and its blob store, both in this network
		return nil
	}
	return fmt.Errorf("%w: a redirect to the private address %s", errRefusedURL, addr)
}

// address is the address that host is, if it is one and not a name.
func address(host string) (netip.Addr, bool) {
	if h := strings.TrimSuffix(strings.ToLower(host), "."); h == "localhost" || strings.HasSuffix(h, ".localhost") {
		return netip.IPv6Loopback(), true
	}
	addr, err := netip.ParseAddr(host)
	return addr.Unmap(), err == nil
}
