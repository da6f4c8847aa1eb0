package registry

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Errors that callers tell apart, always wrapped in one line that names the host and what it was asked for. A context that is
// over goes before all of them.
var (
	ErrUnknown      = errors.New("the registry does not have it")     // HTTP 404: no such tag, digest or repository
	ErrUnauthorized = errors.New("the registry refuses access")       // HTTP 401 or 403; Docker Hub says so for unknown repositories too
	ErrUnreachable  = errors.New("the registry cannot be reached")    // name, connection, TLS, refused redirects
	ErrRegistry     = errors.New("the registry failed")               // any other answer, or one cut short, again and again
	ErrDigest       = errors.New("the content is not what was named") // digest or size mismatch
	ErrTooLarge     = errors.New("larger than any manifest may be")   // OCI distribution specification, "Pushing Manifests": 4 MiB
)

// failure is why one request, or one answer to it, came to nothing.
type failure struct {
	host   string // whose fault it is: not the registry's name if there was a redirect
	err    error  // one clean line that wraps one of the errors above
	status int    // of HTTP; 0 without an answer
	again  bool   // the same may work later
	after  time.Duration
	early  bool // there was no connection at all
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// refused is the failure of an answer that is neither 200 nor 206. redirected tells those of a blob store from those of the
// registry: what a store refuses may be granted to the next redirect, as redirects are signed and expire.
func refused(resp *http.Response, redirected bool) *failure {
	// The status matters more than the page that comes with it, however long or broken that is.
	page, _ := io.ReadAll(io.LimitReader(resp.Body, 32<<10))
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(page))
	text := fmt.Sprintf("HTTP %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	var status *transport.Error
	if errors.As(transport.CheckError(resp), &status) && len(status.Errors) > 0 {
		text += " (" + oneLine(strings.TrimSpace(string(status.Errors[0].Code)+" "+status.Errors[0].Message)) + ")"
	}
	f := &failure{host: resp.Request.URL.Host, status: resp.StatusCode, after: retryAfter(resp.Header)}
	kind := ErrRegistry
	switch code := resp.StatusCode; {
	case code == http.StatusNotFound || code == http.StatusGone:
		kind, f.again = ErrUnknown, redirected
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		f.again = redirected
		if !redirected {
			kind = ErrUnauthorized
		}
	case code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code == http.StatusRequestedRangeNotSatisfiable,
		code >= 500 && code != http.StatusNotImplemented:
		f.again = true
	default:
		f.again = redirected && code >= 400
	}
	f.err = fmt.Errorf("%w: %s", kind, text)
	return f
}

// unanswered is the failure of a request that got no answer.
func unanswered(host string, err error) *failure {
	f := &failure{host: host, again: true, err: fmt.Errorf("%w: %w", ErrUnreachable, clean(err))}
	var (
		certificate *tls.CertificateVerificationError
		dial        *net.OpError
		lookup      *net.DNSError
		record      tls.RecordHeaderError // no TLS there
	)
	switch {
	case errors.As(err, &certificate), errors.As(err, &lookup) && lookup.IsNotFound, errors.Is(err, errRefusedURL),
		errors.As(err, &record):
		f.again = false
	case errors.As(err, &dial) && dial.Op == "dial", errors.Is(err, syscall.ECONNREFUSED):
		f.early = true
	}
	return f
}

// cut is the failure of an answer that ended or went wrong in the middle.
func cut(host string, err error) *failure {
	return &failure{host: host, again: true, status: http.StatusOK, err: fmt.Errorf("%w: its answer was cut short: %w", ErrRegistry, clean(err))}
}

// mismatch is the failure of an answer that cannot be what was asked for, and will not be next time.
func mismatch(host, format string, args ...any) *failure {
	return &failure{host: host, status: http.StatusOK, err: fmt.Errorf("%w: %s", ErrDigest, fmt.Sprintf(format, args...))}
}

// asFailure makes a failure of any error.
func asFailure(host string, err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	return unanswered(host, err)
}

// clean puts an error of another's making on one line. All lines but the first are left out, since go-containerregistry puts
// answers of token servers on those. It is text from here on: time-outs of the network pass for context.DeadlineExceeded, and
// whoever sees that must be able to trust that a context is over.
func clean(err error) error {
	first, _, _ := strings.Cut(err.Error(), "\n")
	return errors.New(oneLine(first))
}

// oneLine makes text from a registry fit for an error message.
func oneLine(s string) string {
	if len(s) > 300 {
		s = s[:300] + "..."
	}
	q := fmt.Sprintf("%q", s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}
