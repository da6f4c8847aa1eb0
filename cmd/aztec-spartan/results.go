package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
)

// results is standard output where it is no terminal. It remembers the first write
// that failed, since hardly any who prints looks: what is not there must not be
// taken for an empty answer.
type results struct {
	io.Writer
	mu  sync.Mutex
	err error
}

func (r *results) Write(p []byte) (int, error) {
	n, err := r.Writer.Write(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
	return n, err
}

// failed is nil as well where nobody reads any more, as head(1) after its lines, or
// a journal that was restarted.
func (r *results) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil || errors.Is(r.err, syscall.EPIPE) || errors.Is(r.err, syscall.ECONNRESET) {
		return nil
	}
	return fmt.Errorf("writing the results: %w", r.err)
}

// fileOf is the file of a stream, if it is one.
func fileOf(stream any) (*os.File, bool) {
	if r, ok := stream.(*results); ok {
		stream = r.Writer
	}
	f, ok := stream.(*os.File)
	return f, ok
}
