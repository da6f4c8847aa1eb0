package testhost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// Terminal is a command that runs on a pseudo-terminal of the host, as for a
// user who has logged in, with the other end in the hands of a test. It is 80
// columns wide and 24 rows high at first.
type Terminal struct {
	cmd    *exec.Cmd
	master *os.File
	done   chan struct{} // closed when all output has been read and code is known
	code   int

	mu      sync.Mutex
	screen  screen
	seen    int           // how much of screen.text Expect has consumed
	changed chan struct{} // closed and replaced when there is more text
}

// TTY starts a command on a terminal. The end of ctx kills it. The caller must
// Close the terminal.
func (h *Host) TTY(ctx context.Context, argv ...string) (*Terminal, error) {
	fail := func(err error) (*Terminal, error) {
		return nil, fmt.Errorf("opening a terminal for %s: %w", argv[0], err)
	}
	// The host's own multiplexer, so that tty(1) and /dev/pts agree inside.
	master, err := os.OpenFile(h.Path("/dev/pts/ptmx"), os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return fail(err)
	}
	slave, err := openSlave(h, master)
	if err != nil {
		master.Close()
		return fail(err)
	}
	defer slave.Close()
	// setsid inside the host makes the command its session's leader, which is the
	// one that a hangup reaches.
	cmd, _ := h.command(ctx, []string{"setsid", "--ctty", "--wait"}, argv)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	t := &Terminal{cmd: cmd, master: master, done: make(chan struct{}), changed: make(chan struct{})}
	err = t.Resize(24, 80)
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		master.Close()
		return fail(err)
	}
	go t.read()
	return t, nil
}

// openSlave opens the command's side of a pseudo-terminal (ptmx(4), pts(4)).
func openSlave(h *Host, master *os.File) (*os.File, error) {
	conn, err := master.SyscallConn()
	if err != nil {
		return nil, err
	}
	var number int
	var failed error
	err = conn.Control(func(fd uintptr) {
		if failed = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); failed == nil {
			number, failed = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	})
	if err := errors.Join(err, failed); err != nil {
		return nil, err
	}
	return os.OpenFile(h.Path("/dev/pts/"+strconv.Itoa(number)), os.O_RDWR|unix.O_NOCTTY, 0)
}

// read collects the output until the last process has let go of the terminal.
func (t *Terminal) read() {
	buffer := make([]byte, 4096)
	for {
		n, err := t.master.Read(buffer)
		t.mu.Lock()
		answer := t.screen.write(buffer[:n])
		close(t.changed)
		t.changed = make(chan struct{})
		t.mu.Unlock()
		if answer != "" {
			io.WriteString(t.master, answer)
		}
		// EIO is how a terminal without a process on it reads (pty(7)).
		if err != nil {
			break
		}
	}
	t.cmd.Wait()
	t.code = exitCode(t.cmd.ProcessState)
	close(t.done)
}

// Send types text. Enter is "\r".
func (t *Terminal) Send(text string) error {
	if _, err := io.WriteString(t.master, text); err != nil {
		return fmt.Errorf("typing %q: %w", text, err)
	}
	return nil
}

// Expect waits until the output that no Expect has consumed yet matches the
// regular expression, consumes it to the end of the match and returns it. Escape
// sequences are taken out before. It fails when ctx ends (after one minute if it
// has no deadline) or when the command is done without a match; the error shows
// what was there instead.
func (t *Terminal) Expect(ctx context.Context, pattern string) (string, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return "", fmt.Errorf("expecting %q: %w", pattern, err)
	}
	if _, ok := ctx.Deadline(); !ok {
		bounded, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		ctx = bounded
	}
	ended := false
	for {
		t.mu.Lock()
		rest := string(t.screen.text[t.seen:])
		changed := t.changed
		at := re.FindStringIndex(rest)
		if at != nil {
			t.seen += at[1]
		}
		t.mu.Unlock()
		switch {
		case at != nil:
			return rest[:at[1]], nil
		case ended:
			return "", fmt.Errorf("expecting %q: the command ended with %d after\n%s", pattern, t.code, rest)
		}
		select {
		case <-changed:
		case <-t.done:
			ended = true
		case <-ctx.Done():
			return "", fmt.Errorf("expecting %q: %w after\n%s", pattern, ctx.Err(), rest)
		}
	}
}

// Output returns everything printed so far, without escape sequences.
func (t *Terminal) Output() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.screen.text)
}

// Resize changes the size, which the command learns by SIGWINCH.
func (t *Terminal) Resize(rows, columns uint16) error {
	conn, err := t.master.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = conn.Control(func(fd uintptr) {
		failed = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns})
	})
	return errors.Join(err, failed)
}

// Wait waits for the command's end and returns its exit status as in Result.
func (t *Terminal) Wait(ctx context.Context) (int, error) {
	select {
	case <-t.done:
		return t.code, nil
	case <-ctx.Done():
		return 0, fmt.Errorf("waiting for a command on a terminal: %w after\n%s", ctx.Err(), t.Output())
	}
}

// Close hangs up, kills what is left of the command, and waits for its end.
func (t *Terminal) Close() error {
	err := t.master.Close()
	t.cmd.Cancel()
	<-t.done
	return err
}
