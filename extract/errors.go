package extract

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/inroot"
)

// Errors that callers tell apart, always wrapped in a sentence with the reference and the cause.
var (
	ErrReference    = errors.New("not a valid reference")             // cannot be parsed
	ErrUnknown      = errors.New("the registry does not have it")     // HTTP 404: no such tag, digest or repository
	ErrUnauthorized = errors.New("the registry refuses access")       // HTTP 401 or 403; Docker Hub says so for unknown repositories too
	ErrUnreachable  = errors.New("the registry cannot be reached")    // name, connection, TLS
	ErrRegistry     = errors.New("the registry failed")               // any other answer, or one cut short: worth trying again
	ErrDigest       = errors.New("the content is not what was named") // digest or size mismatch
	ErrNoPlatform   = errors.New("no image for this platform")        // see NoPlatformError
	ErrInvalidImage = errors.New("not a valid image")                 // manifest, configuration or layer are malformed or refused
	ErrNotFound     = errors.New("no such image in the store")        // missing or incomplete
	ErrSchema       = errors.New("written by a newer version of this program")
	ErrBusy         = errors.New("another process is unpacking it")
	// ErrKernel says that the host lacks openat2(2), which came with Linux 5.6.
	ErrKernel = inroot.ErrKernel
)

// NoPlatformError is the ErrNoPlatform of an index, with what the index does offer.
type NoPlatformError struct {
	Want string
	Have []string
}

func (e *NoPlatformError) Error() string {
	if len(e.Have) == 0 {
		return fmt.Sprintf("%v %s", ErrNoPlatform, e.Want)
	}
	return fmt.Sprintf("%v %s, only for %s", ErrNoPlatform, e.Want, strings.Join(e.Have, ", "))
}

// Is makes errors.Is(err, ErrNoPlatform) true.
func (e *NoPlatformError) Is(target error) bool { return target == ErrNoPlatform }

// explain classifies an error of a request and reduces it to one clean line: what registries and proxies answer may be pages of HTML.
// A cancelled context goes before all else; its error alone does not show it, as that of a connection that timed out is the same.
func explain(ctx context.Context, err error) error {
	var status *transport.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &status):
		kind := ErrRegistry
		switch status.StatusCode {
		case http.StatusNotFound:
			kind = ErrUnknown
		case http.StatusUnauthorized, http.StatusForbidden:
			kind = ErrUnauthorized
		}
		return fmt.Errorf("%w: %s", kind, describe(status))
	}
	var (
		request *url.Error
		network net.Error
		unknown x509.UnknownAuthorityError
	)
	if errors.As(err, &request) {
		err = request.Err
	}
	if errors.As(err, &network) || errors.As(err, &unknown) || request != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return err
}

func describe(e *transport.Error) string {
	s := fmt.Sprintf("HTTP %d %s", e.StatusCode, http.StatusText(e.StatusCode))
	if len(e.Errors) > 0 {
		s += " (" + oneLine(strings.TrimSpace(string(e.Errors[0].Code)+" "+e.Errors[0].Message)) + ")"
	}
	return s
}

// oneLine makes text from a registry or an image fit for an error message.
func oneLine(s string) string {
	if len(s) > 200 {
		s = s[:200] + "..."
	}
	q := fmt.Sprintf("%q", s)
	return q[1 : len(q)-1]
}
