// Package hook runs programs of the operator's as root. Only those are trusted that
// nobody but root could have put there.
package hook

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"syscall"
	"time"
)

// KillDelay is how long a program may take to end after SIGTERM.
const KillDelay = 5 * time.Second

// Run runs a program without arguments, in /, and with no environment but env; it
// calls heard with each line that is printed, as it is. When limit, the deadline of
// ctx or a cancel ends the program, it goes with all that it has started. Whether
// it may be run at all is for [Trusted] to say.
func Run(ctx context.Context, path string, env []string, limit time.Duration, heard func(line string)) error {
	if until, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(until).Round(time.Second))
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, path)
	cmd.Env, cmd.Dir = env, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = KillDelay
	out, in := io.Pipe()
	cmd.Stdout, cmd.Stderr = in, in
	said := make(chan struct{})
	go func() {
		defer close(said)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			heard(lines.Text())
		}
		_, _ = io.Copy(io.Discard, out) // a line that is too long ends the lines, not the program
	}()
	err := cmd.Run()
	in.Close()
	<-said
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // who outlived the leader of the group
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("it took longer than %s", limit)
	}
	return err
}
