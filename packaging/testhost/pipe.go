package testhost

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// linger is how long the output of a command that has ended is waited for: what
// it left running may have the last words. A daemon never ends it.
const linger = 200 * time.Millisecond

// collector reads one output of a command. The WaitDelay of exec.Cmd is not
// enough for that: on a machine that stands still for so long it closes the
// pipe before what is in it was read, and says nothing of the loss.
type collector struct {
	r, w *os.File
	got  bytes.Buffer
	done chan error
}

func newCollector() (*collector, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	return &collector{r: r, w: w, done: make(chan error, 1)}, nil
}

// read begins once the command has the other end.
func (c *collector) read() {
	c.w.Close()
	go func() {
		_, err := c.got.ReadFrom(c.r)
		c.done <- err
	}()
}

// finish returns all that was written until now, when the command has ended.
func (c *collector) finish() (string, error) {
	defer c.r.Close()
	if err := c.r.SetReadDeadline(time.Now().Add(linger)); err != nil {
		return "", err
	}
	err := <-c.done
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return c.got.String(), err
	}
	raw, err := c.r.SyscallConn()
	if err != nil {
		return "", err
	}
	// A deadline says nothing of what is there.
	buffer := make([]byte, 1<<16)
	cerr := raw.Control(func(fd uintptr) {
		var n int
		for {
			if n, err = unix.Read(int(fd), buffer); n <= 0 {
				break
			}
			c.got.Write(buffer[:n])
		}
	})
	if errors.Is(err, unix.EAGAIN) {
		err = nil
	}
	return c.got.String(), errors.Join(cerr, err)
}

// outputs runs a command and returns what it printed. err is that of cmd.Run.
func outputs(cmd *exec.Cmd) (stdout, stderr string, err error) {
	var both [2]*collector
	for n := range both {
		if both[n], err = newCollector(); err != nil {
			return "", "", err
		}
		defer both[n].r.Close()
		defer both[n].w.Close()
	}
	cmd.Stdout, cmd.Stderr = both[0].w, both[1].w
	if err := cmd.Start(); err != nil {
		return "", "", err
	}
	both[0].read()
	both[1].read()
	err = cmd.Wait()
	var errOut, errErr error
	stdout, errOut = both[0].finish()
	stderr, errErr = both[1].finish()
	if lost := errors.Join(errOut, errErr); lost != nil {
		return stdout, stderr, fmt.Errorf("reading its output: %w", lost)
	}
	return stdout, stderr, err
}
