package journal

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// maxLine bounds what one entry may take in journalctl's JSON. systemd cuts
// lines of standard output at 48 KiB (LineMax= in journald.conf(5)), which are
// at most some 200 KB in the form for bytes; only entries of the native
// protocol can be longer.
const maxLine = 4 << 20

// Read reads what q asks for and hands it to yield, oldest first, as it comes.
// An error of yield ends it and is returned as it is. When ctx ends, the error
// is that of ctx. journalctl does not outlive Read.
func Read(ctx context.Context, q Query, yield func(Entry) error) error {
	if err := q.check(); err != nil {
		return &QueryError{err}
	}
	var l levels
	if q.Lines > 0 && q.backwards() {
		last, after, err := tail(ctx, q)
		if err != nil {
			return err
		}
		for _, e := range last {
			l.of(e) // what follows may go on with them
			if err := yield(e); err != nil {
				return err
			}
		}
		if !q.Follow {
			return nil
		}
		// Where nothing was found there is nothing to skip either.
		q.Lines = -1
		if after != "" {
			q.Cursor, q.Since = after, ""
		}
	}
	return run(ctx, q, func(e Entry) error {
		e.Level = l.of(e)
		if q.Level != 0 && e.Level > q.Level {
			return nil
		}
		return yield(e)
	})
}

// errEnough ends a run early and is no error.
var errEnough = errors.New("enough")

// run runs journalctl once and hands over what it prints.
func run(parent context.Context, q Query, yield func(Entry) error, extra ...string) error {
	ctx, stop := context.WithCancel(parent)
	defer stop()
	name := q.command()
	cmd := exec.CommandContext(ctx, name, q.args(extra...)...)
	cmd.Env = append(os.Environ(), "SYSTEMD_COLORS=0", "SYSTEMD_URLIFY=0", "LC_ALL=C.UTF-8")
	// A group of its own: Ctrl-C of the terminal is for us to handle, and
	// killing it reaches whatever it started.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	var complaint beginning
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("running %s: %w", name, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("running %s: %w", name, err)
	}
	found := scan(out, yield)
	if found != nil {
		stop()
	}
	ended := cmd.Wait()
	switch {
	case errors.Is(found, errEnough):
		return nil
	case parent.Err() != nil:
		return parent.Err()
	case found != nil && !errors.Is(found, errCut):
		return found
	case found == nil && ended != nil && q.Grep != "" && exitCode(ended) == 1 && complaint.String() == "":
		return nil // nothing matched
	case ended != nil && complaint.String() != "":
		err := fmt.Errorf("running %s: %w: %s", name, ended, complaint.String())
		for _, c := range askedWrong {
			if strings.HasPrefix(complaint.String(), c) {
				return &QueryError{err}
			}
		}
		return err
	case ended != nil && found == nil:
		return fmt.Errorf("running %s: %w", name, ended)
	}
	return found
}

// askedWrong is how journalctl begins to complain of times and patterns.
var askedWrong = []string{"Failed to parse timestamp", "--since= must be before --until=", "Bad pattern"}

func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return -1
}

// errCut is found where the output ends within an entry.
var errCut = errors.New("the output of journalctl ends within an entry")

func scan(out io.Reader, yield func(Entry) error) error {
	r := bufio.NewReaderSize(out, 64<<10)
	var long []byte // a line that did not fit into r's buffer
	var last Entry
	for {
		part, err := r.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			if len(long) <= maxLine {
				long = append(long, part...)
			}
			continue
		case errors.Is(err, io.EOF) && len(part) == 0 && len(long) == 0:
			return nil
		case errors.Is(err, io.EOF):
			return errCut
		case err != nil:
			return fmt.Errorf("reading what journalctl prints: %w", err)
		}
		text := part
		if long != nil {
			text = append(long, part...)
			long = nil
		}
		if !bytes.HasPrefix(text, []byte("{")) {
			continue // a remark: "-- No entries --"
		}
		e := last
		if len(text) > maxLine {
			e.Message = "(an entry that is longer than 4 MiB is not shown)"
		} else if e, err = parse(text); err != nil {
			return err
		}
		last = e
		if err := yield(e); err != nil {
			return err
		}
	}
}

// beginning keeps the first part of what is written to it.
type beginning struct{ b bytes.Buffer }

func (h *beginning) Write(p []byte) (int, error) {
	h.b.Write(p[:min(len(p), max(0, 4096-h.b.Len()))])
	return len(p), nil
}

func (h *beginning) String() string { return harmless(strings.TrimSpace(h.b.String())) }
