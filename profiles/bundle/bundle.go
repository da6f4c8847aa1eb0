// Package bundle is the form in which an instance travels from host to host: a
// tar, compressed with zstd, encrypted with age to a passphrase or to a
// recipient. Nothing of it can be read or changed without the one or the other.
//
// Who reads a bundle believes nothing of it but that its maker had the
// recipient or passphrase: names, sizes and types are checked, and links and
// devices do not exist in it.
package bundle

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

// MaxSmall bounds an entry that is read into memory, in bytes.
const MaxSmall = 16 << 20

// ErrForm says that a file is no bundle, or was damaged, or is not for whom
// reads it.
var ErrForm = errors.New("it is no bundle of an instance")

// Writer makes a bundle.
type Writer struct {
	sealed io.WriteCloser
	zip    *zstd.Encoder
	tar    *tar.Writer
}

// NewWriter begins a bundle for a recipient.
func NewWriter(w io.Writer, to age.Recipient) (*Writer, error) {
	sealed, err := age.Encrypt(w, to)
	if err != nil {
		return nil, fmt.Errorf("encrypting: %w", err)
	}
	zip, err := zstd.NewWriter(sealed, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("encrypting: %w", err)
	}
	return &Writer{sealed, zip, tar.NewWriter(zip)}, nil
}

// Add adds an entry of size bytes.
func (w *Writer) Add(name string, size int64, r io.Reader) error {
	if err := validName(name); err != nil {
		return err
	}
	h := &tar.Header{Name: name, Mode: 0o600, Size: size, Typeflag: tar.TypeReg, ModTime: time.Unix(0, 0), Format: tar.FormatPAX}
	if err := w.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("adding %s: %w", name, err)
	}
	if _, err := io.CopyN(w.tar, r, size); err != nil {
		return fmt.Errorf("adding %s: %w", name, err)
	}
	return nil
}

// Close ends the bundle. One that was not closed is none.
func (w *Writer) Close() error {
	return errors.Join(w.tar.Close(), w.zip.Close(), w.sealed.Close())
}

// Entry is one file of a bundle.
type Entry struct {
	Name string // clean, relative, with slashes
	Size int64
	io.Reader
}

// Reader reads one.
type Reader struct {
	zip *zstd.Decoder
	tar *tar.Reader
}

// NewReader opens a bundle. An error wraps ErrForm, unless r fails.
func NewReader(r io.Reader, who age.Identity) (*Reader, error) {
	plain, err := age.Decrypt(r, who)
	if err != nil {
		if _, wrong := errors.AsType[*age.NoIdentityMatchError](err); wrong {
			return nil, fmt.Errorf("%w: the passphrase or the identity is not the one that it was made for", ErrForm)
		}
		return nil, fmt.Errorf("%w: %w", ErrForm, err)
	}
	zip, err := zstd.NewReader(plain, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForm, err)
	}
	return &Reader{zip, tar.NewReader(zip)}, nil
}

// Next returns the next entry, io.EOF after the last. Its contents are read
// before the next one.
func (r *Reader) Next() (Entry, error) {
	h, err := r.tar.Next()
	switch {
	case errors.Is(err, io.EOF):
		// What follows the tar must be read too: a cut is noticed at the end.
		if _, err := io.Copy(io.Discard, r.zip); err != nil {
			return Entry{}, fmt.Errorf("%w: %w", ErrForm, err)
		}
		return Entry{}, io.EOF
	case err != nil:
		return Entry{}, fmt.Errorf("%w: %w", ErrForm, err)
	case h.Typeflag != tar.TypeReg || h.Size < 0:
		return Entry{}, fmt.Errorf("%w: it has something else than files", ErrForm)
	}
	if err := validName(h.Name); err != nil {
		return Entry{}, fmt.Errorf("%w: %w", ErrForm, err)
	}
	return Entry{h.Name, h.Size, r.tar}, nil
}

// Close frees what a Reader uses.
func (r *Reader) Close() { r.zip.Close() }

// All reads a small entry.
func (e Entry) All() ([]byte, error) {
	if e.Size > MaxSmall {
		return nil, fmt.Errorf("%w: %s has more than %d MiB", ErrForm, e.Name, MaxSmall>>20)
	}
	data, err := io.ReadAll(e)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForm, err)
	}
	return data, nil
}

func validName(name string) error {
	bad := name == "" || len(name) > 1024 || path.IsAbs(name) || path.Clean(name) != name || name == ".." || strings.HasPrefix(name, "../") ||
		strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' })
	if bad {
		return fmt.Errorf("%.100q is not the name of a file in a bundle", name)
	}
	return nil
}
