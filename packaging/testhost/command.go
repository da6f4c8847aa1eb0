package testhost

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Result is how a command ended.
type Result struct {
	Stdout, Stderr string
	Code           int // exit status; 128 plus the signal's number if one ended it
}

// Run runs a command in the host as root, like ssh would, and waits for it. The
// error says that it could not be run (no such program, the host is off, ctx has
// ended); a command that fails is a Code.
//
// What it leaves running in the background stays until the host ends, and loses
// its output when it kept Run's.
func (h *Host) Run(ctx context.Context, argv ...string) (Result, error) {
	cmd, group := h.command(ctx, nil, argv)
	// It stays, like other commands', if something runs on in the background.
	defer group.remove()
	return h.run(cmd, argv[0])
}

// Sh runs a script with bash in the way of Run.
func (h *Host) Sh(ctx context.Context, script string) (Result, error) {
	return h.Run(ctx, "bash", "-c", script)
}

// Journal returns what `journalctl --no-pager` prints with these arguments.
func (h *Host) Journal(ctx context.Context, args ...string) (string, error) {
	return h.output(h.Command(ctx, append([]string{"journalctl", "--no-pager"}, args...)...), "journalctl")
}

// Command returns a command that will run in the host, for streams, signals and
// terminals. It is in all namespaces of the host's PID 1, in a cgroup of its own
// outside of systemd's (as a login would be), with PID 1's capabilities and a
// login's environment: append to Env to add to it. The end of ctx kills the
// command together with its children. Everything ends with the host.
func (h *Host) Command(ctx context.Context, argv ...string) *exec.Cmd {
	cmd, _ := h.command(ctx, nil, argv)
	return cmd
}

// enterScript joins the cgroup of $1 before it becomes the rest of its
// arguments. nsenter of util-linux before 2.40 cannot do it: it enters the
// namespace and stays in a cgroup outside of it.
// No mkdir -p: after Close it would bring the whole tree back.
const enterScript = `mkdir "${1%/*}" 2>/dev/null
mkdir "$1" && echo 0 >"$1/cgroup.procs" && shift && exec "$@"`

// command puts the words of prefix, run inside the host, before those of argv.
// The cgroup comes to be when the command starts.
func (h *Host) command(ctx context.Context, prefix, argv []string) (*exec.Cmd, cgroup) {
	h.mu.Lock()
	h.commands++
	number, drop := h.commands, h.drop
	h.mu.Unlock()
	group := filepath.Join(string(h.group()), "machine/payload/testhost", strconv.Itoa(number))
	args := []string{
		"-c", enterScript, "testhost", group,
		"nsenter", "--target=" + strconv.Itoa(h.Leader()),
		"--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--",
		// nsenter keeps the full capabilities of the machine's root.
		"setpriv", "--bounding-set=" + drop, "--",
	}
	args = append(append(args, prefix...), argv...)
	cmd := exec.CommandContext(ctx, "sh", args...)
	cmd.Dir = "/"
	cmd.Env = []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/bash", "LANG=C.UTF-8", "TERM=xterm",
	}
	cmd.Cancel = func() error { return cgroup(group).end(cmd.Process) }
	return cmd, cgroup(group)
}

// group returns the cgroup of everything that belongs to the host.
func (h *Host) group() cgroup {
	return cgroup(filepath.Join(string(h.groups), groupPrefix+filepath.Base(h.dir)))
}

// run finishes a command for Run. name is what the user knows it by.
func (h *Host) run(cmd *exec.Cmd, name string) (Result, error) {
	select {
	case <-h.done:
		return Result{}, fmt.Errorf("running %s: the host has ended: %w", name, h.exit())
	default:
	}
	var r Result
	var err error
	r.Stdout, r.Stderr, err = outputs(cmd)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return r, nil
	case !errors.As(err, &exit):
		return r, fmt.Errorf("running %s: %w", name, err)
	}
	r.Code = exitCode(exit.ProcessState)
	// The messages of the three programs before the command.
	for _, ours := range []string{"testhost: ", "nsenter: ", "setpriv: failed to execute"} {
		if strings.HasPrefix(r.Stderr, ours) {
			return r, fmt.Errorf("running %s: %s", name, strings.TrimSpace(r.Stderr))
		}
	}
	return r, nil
}

// exitCode counts like a shell.
func exitCode(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

// output returns what a command prints, and an error if it fails.
func (h *Host) output(cmd *exec.Cmd, name string) (string, error) {
	r, err := h.run(cmd, name)
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("running %s: exit status %d: %s", name, r.Code, strings.TrimSpace(r.Stderr))
	}
	return r.Stdout, err
}

// missingCapabilities returns the capabilities that a process has been denied
// for good, in the form that setpriv wants to drop them.
func missingCapabilities(pid int) (string, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "", fmt.Errorf("reading the capabilities of PID 1: %w", err)
	}
	last, err := os.ReadFile("/proc/sys/kernel/cap_last_cap")
	if err != nil {
		return "", fmt.Errorf("reading the number of capabilities: %w", err)
	}
	highest, err := strconv.Atoi(strings.TrimSpace(string(last)))
	if err != nil {
		return "", fmt.Errorf("reading the number of capabilities: %w", err)
	}
	_, after, _ := strings.Cut(string(status), "\nCapBnd:\t")
	line, _, _ := strings.Cut(after, "\n")
	bound, err := strconv.ParseUint(line, 16, 64)
	if err != nil {
		return "", fmt.Errorf("reading the capabilities of PID 1: %w", err)
	}
	var drop []string
	for c := 0; c <= highest; c++ {
		if bound&(1<<c) == 0 {
			drop = append(drop, "-cap_"+strconv.Itoa(c))
		}
	}
	return strings.Join(drop, ","), nil
}
