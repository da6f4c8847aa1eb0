package extract

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/inroot"
	"github.com/aztec-spartan/aztec-spartan/extract/internal/registry"
	"github.com/aztec-spartan/aztec-spartan/extract/internal/stage"
)

// Errors that callers tell apart, always wrapped in a sentence with the reference and the cause.
var (
	ErrReference    = errors.New("not a valid reference")         // cannot be parsed
	ErrPlatform     = errors.New("not a valid platform")          // cannot be parsed
	ErrUnknown      = registry.ErrUnknown                         // HTTP 404: no such tag, digest or repository
	ErrUnauthorized = registry.ErrUnauthorized                    // HTTP 401 or 403; Docker Hub says so for unknown repositories too
	ErrUnreachable  = registry.ErrUnreachable                     // name, connection, TLS
	ErrRegistry     = registry.ErrRegistry                        // any other answer, or one cut short: worth trying again
	ErrDigest       = registry.ErrDigest                          // digest or size mismatch
	ErrNoPlatform   = errors.New("no image for this platform")    // see NoPlatformError
	ErrInvalidImage = errors.New("not a valid image")             // manifest, configuration or layer are malformed or refused
	ErrIncomplete   = errors.New("not all of the image is there") // of an archive
	ErrNotFound     = errors.New("no such image in the store")    // missing or incomplete
	ErrSpace        = stage.ErrSpace                              // the disk is full, or would be
	ErrSchema       = errors.New("written by a newer version of this program")
	ErrRecord       = errors.New("what was recorded of it cannot be read") // see RecordError
	ErrBusy         = errors.New("another process is unpacking it")
	// ErrKernel says that the host lacks openat2(2), which came with Linux 5.6.
	ErrKernel = inroot.ErrKernel
)

// RecordError is the ErrRecord of one file of the store.
type RecordError struct {
	Path string // of the file
	// ID is the image that the file is about, "" if it is about the store.
	ID string
	// Reference is a name of that image, with its digest, by which a pull makes the file anew; "" if none is known.
	Reference string
	Err       error // why it cannot be read
}

func (e *RecordError) Error() string {
	return fmt.Sprintf("%s cannot be read: %v", oneLine(e.Path), e.Err)
}

func (e *RecordError) Unwrap() error { return e.Err }

// Digest is that of the image, "" if the file is about the store.
func (e *RecordError) Digest() string { return digestIn(e.ID) }

// Is makes errors.Is(err, ErrRecord) true.
func (e *RecordError) Is(target error) bool { return target == ErrRecord }

// AuthoritiesError says why the certificates of PullOptions.CAFile are not used.
type AuthoritiesError = registry.AuthoritiesError

// CredentialsError says why credentials are not used, and how that is changed.
type CredentialsError = registry.CredentialsError

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

// full counts every way in which a file system says that it is full as ErrSpace.
func full(err error) error {
	if (errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)) && !errors.Is(err, ErrSpace) {
		return fmt.Errorf("%w: %w", ErrSpace, err)
	}
	return err
}

// oneLine makes text from a registry or an image fit for an error message.
func oneLine(s string) string {
	if len(s) > 200 {
		s = s[:200] + "..."
	}
	q := fmt.Sprintf("%q", s)
	return q[1 : len(q)-1]
}
