package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// daemon is a process that was started here and is stopped here.
type daemon struct {
	name   string
	cmd    *exec.Cmd
	output *bytes.Buffer
	// done is closed when the process has been waited for.
	done chan struct{}
}

// patience is how long a daemon may take to answer, or to end.
const patience = 30 * time.Second

// start runs a daemon and returns once ready succeeds. The command must not be
// tied to a context: stop ends it, in the order in which things are ended.
func start(ctx context.Context, name string, cmd *exec.Cmd, ready func(context.Context) error) (*daemon, error) {
	d := &daemon{name: name, cmd: cmd, output: &bytes.Buffer{}, done: make(chan struct{})}
	if cmd.Stdout == nil {
		cmd.Stdout = d.output
	}
	cmd.Stderr = d.output
	// What it started and left behind must not keep Wait waiting for its output.
	cmd.WaitDelay = time.Second
	// Ctrl-C is for the benchmark, which then ends its daemons in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() {
		// How it ended is of no interest: whoever needs it running sees that it is not.
		_ = cmd.Wait()
		close(d.done)
	}()
	answer, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := ready(answer)
		if err == nil {
			return d, nil
		}
		select {
		case <-d.done:
			d.stop()
			return nil, fmt.Errorf("starting %s: it ended: %s", name, d.output)
		case <-answer.Done():
			d.stop()
			return nil, fmt.Errorf("starting %s: it does not answer: %w: %s", name, errors.Join(err, answer.Err()), d.output)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// stop ends the daemon and, should some of them outlive it, its children.
func (d *daemon) stop() {
	if d == nil {
		return
	}
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.done:
	case <-time.After(patience):
		fmt.Fprintf(os.Stderr, "bench: %s has to be killed\n", d.name)
	}
	_ = syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL)
	<-d.done
}

func (d *daemon) pid() int { return d.cmd.Process.Pid }

// idle waits until the family uses no CPU for a second and returns its
// proportional share of memory in bytes (proc_pid_smaps(5), Pss).
func (d *daemon) idle(ctx context.Context) (int64, error) {
	var last time.Duration = -1
	for range 60 {
		user, system, err := cpuOf(d.pid())
		if err != nil {
			return 0, err
		}
		if user+system-last < 2*tick && last >= 0 {
			break
		}
		last = user + system
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(time.Second):
		}
	}
	return memoryOf(d.pid(), "smaps_rollup", "Pss")
}
