package probe

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ErrGone is returned by Alive when the process has ended.
var ErrGone = errors.New("the main process has ended")

// AliveParams say what Alive waits for.
type AliveParams struct {
	PID    int           // main process of the unit: $MAINPID
	URL    string        // of the RPC
	Budget time.Duration // for which it may take at most
}

const (
	// aliveEvery is how often /status is tried.
	aliveEvery = 100 * time.Millisecond
	// pollEvery is how often the wait for the process looks up.
	pollEvery = 50 * time.Millisecond
)

// Alive waits until a node that was just started answers /status with anything
// at all, or its budget ends, and returns nil. When its process ends
// meanwhile, the error is an ErrGone, at once. A node that answers nothing yet
// is alive: fetching a snapshot takes half an hour, in which no port is open.
func Alive(ctx context.Context, p AliveParams) error {
	n, err := newNode(Client(), p.URL)
	if err != nil {
		return fmt.Errorf("waiting for the node: %w", err)
	}
	process, err := watch(p.PID)
	if err != nil {
		return fmt.Errorf("waiting for process %d: %w", p.PID, err)
	}
	defer process.close()
	inner, end := context.WithCancelCause(ctx)
	defer end(nil)
	budget := time.AfterFunc(p.Budget, func() { end(errBudget) })
	defer budget.Stop()
	var watcher sync.WaitGroup
	watcher.Go(func() {
		for inner.Err() == nil {
			if process.gone(pollEvery) {
				end(ErrGone)
			}
		}
	})
	n.answers(inner)
	answered := inner.Err() == nil
	end(nil)
	watcher.Wait()
	switch {
	case process.gone(0):
		return fmt.Errorf("waiting for process %d: %w", p.PID, ErrGone)
	case answered || errors.Is(context.Cause(inner), errBudget):
		return nil
	}
	return fmt.Errorf("waiting for process %d: %w", p.PID, ctx.Err())
}

var errBudget = errors.New("the budget has ended")

// answers returns when /status answers with any code, or ctx ends.
func (n *node) answers(ctx context.Context) {
	tick := time.NewTicker(aliveEvery)
	defer tick.Stop()
	for {
		if code, _ := n.status(ctx); code != 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// process is a process to be watched.
type process struct {
	pid int
	fd  int // pidfd, or -1
}

// watch begins to watch a process. A pidfd cannot be fooled by another process
// with the same number, and knows of a zombie that it has ended
// (pidfd_open(2)). Where a sandbox or an old kernel refuses one, /proc has to
// do.
func watch(pid int) (*process, error) {
	if pid <= 0 {
		return nil, fmt.Errorf("%d is no process", pid)
	}
	fd, err := unix.PidfdOpen(pid, 0)
	switch {
	case err == nil:
		return &process{pid, fd}, nil
	case errors.Is(err, unix.ESRCH):
		return nil, ErrGone
	}
	return &process{pid, -1}, nil
}

func (p *process) close() {
	if p.fd >= 0 {
		unix.Close(p.fd)
	}
}

// gone waits up to d for the end of the process and reports whether it came.
func (p *process) gone(d time.Duration) bool {
	if p.fd < 0 {
		time.Sleep(d)
		return ended(p.pid)
	}
	fds := []unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, int(d.Milliseconds()))
	return err == nil && n > 0
}

// ended reports whether there is no such process, or only its zombie, which
// kill(2) still finds.
func ended(pid int) bool {
	if errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
		return true
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	// pid (comm) state: a comm may contain anything (proc_pid_stat(5)).
	i := strings.LastIndexByte(string(stat), ')')
	return i >= 0 && i+2 < len(stat) && strings.IndexByte("ZXx", stat[i+2]) >= 0
}
