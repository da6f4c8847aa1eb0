package testhost

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cgroup is the directory of one control group, version 2, seen from outside.
type cgroup string

// unified returns where the machine has mounted the version 2 hierarchy, be it
// alone on /sys/fs/cgroup or next to version 1 (proc_pid_mountinfo(5)).
func unified() (cgroup, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", fmt.Errorf("looking for cgroups: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		left, right, _ := strings.Cut(line, " - ")
		if fields := strings.Fields(left); len(fields) > 4 && strings.HasPrefix(right, "cgroup2 ") {
			return cgroup(fields[4]), nil
		}
	}
	return "", errors.New("looking for cgroups: no cgroup2 file system is mounted; " +
		"mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified")
}

// create makes the group of a host. Processes may only be in its leaves once a
// controller is on (cgroup-v2.rst, "No Internal Process Constraint"): owner is
// for the script that boots, machine for systemd-nspawn, which divides it.
func (g cgroup) create() (owner *os.File, err error) {
	for _, d := range []string{"", "owner", "machine"} {
		if err := os.Mkdir(filepath.Join(string(g), d), 0o755); err != nil {
			return nil, fmt.Errorf("creating a cgroup: %w", err)
		}
	}
	return os.Open(filepath.Join(string(g), "owner"))
}

// kill sends SIGKILL to every process of the group and its children, waits until
// they are gone and removes the groups. A group that does not exist is no error.
func (g cgroup) kill(ctx context.Context) error {
	err := os.WriteFile(filepath.Join(string(g), "cgroup.kill"), []byte("1"), 0)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(string(g)); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("killing the processes of %s: %w", g, err)
	}
	return Wait(ctx, "the processes of "+string(g)+" to end", func() (bool, error) {
		events, err := os.ReadFile(filepath.Join(string(g), "cgroup.events"))
		if err != nil {
			return errors.Is(err, fs.ErrNotExist), nil
		}
		if strings.Contains(string(events), "populated 1") {
			return false, nil
		}
		// Removal may find a group busy for a moment after its last process.
		return g.remove() == nil, nil
	})
}

// end kills the processes of a command's group, of which nsenter waits for the
// others from outside of the host. It goes last: a command that it does not live
// to reap would stay a zombie which the host's PID 1 cannot reap either, and
// over which a reboot then ponders for ten seconds.
func (g cgroup) end(nsenter *os.Process) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	// Again and again, since nsenter may not have started the command yet.
	reaped := poll(ctx, func() (bool, error) {
		members, err := os.ReadFile(filepath.Join(string(g), "cgroup.procs"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
		for member := range strings.FieldsSeq(string(members)) {
			if pid, err := strconv.Atoi(member); err == nil && pid > 0 && pid != nsenter.Pid {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		return errors.Is(nsenter.Signal(syscall.Signal(0)), os.ErrProcessDone), nil
	})
	os.WriteFile(filepath.Join(string(g), "cgroup.kill"), []byte("1"), 0)
	if reaped == nil {
		return nil
	}
	return nsenter.Kill()
}

// remove removes the group and its children, which must be empty.
func (g cgroup) remove() error {
	var groups []string
	err := filepath.WalkDir(string(g), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			groups = append(groups, path)
		}
		return err
	})
	for _, group := range slices.Backward(groups) {
		if e := os.Remove(group); e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}
