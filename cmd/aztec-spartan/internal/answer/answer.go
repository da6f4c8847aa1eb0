// Package answer lets one process hear what another says and how that ended, by
// a file: the other runs as root, for members of a group who may read it.
package answer

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// utterance is a piece of an answer, a line of JSON in its file.
type utterance struct {
	Text  string `json:"text,omitempty"`
	Error bool   `json:"error,omitempty"` // on standard error
	Code  *int   `json:"code,omitempty"`  // the last one has the exit code
}

// Kept is how long what was said can be read; who asked reads it at once.
const Kept = 10 * time.Minute

// Answer is what is said to a request, for members of a group to read.
type Answer struct {
	mu   sync.Mutex
	file *os.File
	err  error // the first
}

// pathOf is where what is said to a request is.
func pathOf(dir, request string) string { return filepath.Join(dir, request) }

// New begins the answer to a request in dir, in a file that no other answer had,
// and that the group gid may read. It removes answers older than [Kept].
func New(dir, request string, gid int) (*Answer, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	if err := os.Chown(dir, -1, gid); err != nil {
		return nil, err
	}
	dropOld(dir)
	f, err := os.CreateTemp(dir, ".new-")
	if err != nil {
		return nil, err
	}
	err = errors.Join(f.Chown(-1, gid), f.Chmod(0o640), os.Rename(f.Name(), pathOf(dir, request)))
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	return &Answer{file: f}, nil
}

// dropOld removes those that whoever asked has read long ago.
func dropOld(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > Kept {
			_ = os.Remove(filepath.Join(dir, e.Name())) // the next one tries again
		}
	}
}

func (a *Answer) add(s utterance) {
	line, err := json.Marshal(s)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		_, err = a.file.Write(append(line, '\n'))
	}
	if a.err == nil {
		a.err = err
	}
}

// End says how it ended, with an exit code. Its error is the first of what was
// said, too.
func (a *Answer) End(code int) error {
	a.add(utterance{Code: &code})
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := errors.Join(a.err, a.file.Close()); err != nil {
		return fmt.Errorf("answering: %w", err)
	}
	return nil
}

// Stream is one of a run's two streams, that of errors or the other. What is
// written is in the journal, too.
func (a *Answer) Stream(isError bool, journal io.Writer) io.Writer {
	return stream{a, isError, journal}
}

type stream struct {
	*Answer
	isError bool
	journal io.Writer
}

func (s stream) Write(p []byte) (int, error) {
	s.add(utterance{Text: string(p), Error: s.isError})
	_, _ = s.journal.Write(p) // a courtesy
	return len(p), nil
}

// Hearer reads an answer while it is written.
type Hearer struct {
	path     string
	before   fs.FileInfo // of the answer to who asked the same before
	file     *os.File
	lines    *bufio.Reader
	rest     []byte // of a line that is not whole
	out, err io.Writer
	code     int
	ended    bool
}

// Hear listens for the answer to a request that is made after it, and passes on
// what is said to out and err.
func Hear(dir, request string, out, err io.Writer) *Hearer {
	h := &Hearer{path: pathOf(dir, request), out: out, err: err}
	h.before, _ = os.Stat(h.path)
	return h
}

// ErrNoEnd says that an answer breaks off.
var ErrNoEnd = errors.New("the answer has no end")

// More passes on what was said since. At last there is no more to come, but in
// what somebody has begun to be told meanwhile who asked the same: ErrNoEnd,
// and more may be asked for again. An answer that was there before is then that to
// who asked the same at the same time.
func (h *Hearer) More(last bool) error {
	if h.file == nil {
		f, err := os.Open(h.path)
		if err != nil {
			if last {
				return err
			}
			return nil // it is not there yet, or will be said at last
		}
		if now, err := f.Stat(); !last && (err != nil || h.before != nil && os.SameFile(h.before, now)) {
			return f.Close()
		}
		h.file, h.lines = f, bufio.NewReader(f)
	}
	for {
		part, err := h.lines.ReadBytes('\n')
		h.rest = append(h.rest, part...)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return errors.Join(err, h.file.Close())
		}
		if err := h.pass(h.rest); err != nil {
			return errors.Join(err, h.file.Close())
		}
		h.rest = h.rest[:0]
	}
	switch {
	case !last:
		return nil
	case !h.ended:
		return ErrNoEnd
	}
	return h.file.Close()
}

// Code is the exit code of an answer that has ended, else 0.
func (h *Hearer) Code() int { return h.code }

func (h *Hearer) pass(line []byte) error {
	var s utterance
	if err := json.Unmarshal(line, &s); err != nil {
		return err
	}
	if s.Code != nil {
		h.code, h.ended = *s.Code, true
	}
	to := h.out
	if s.Error {
		to = h.err
	}
	_, err := io.WriteString(to, s.Text)
	return err
}
