package testhost

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
