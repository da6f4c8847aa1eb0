package testhost

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// groupPrefix goes before a host's identity in the name of its cgroup.
const groupPrefix = "aztec-spartan-testhost-"

// claim makes the directory of a new host and returns it with its lock, which
// the caller holds for as long as the host is wanted. It first removes hosts
// that nobody holds. The lock over all of it keeps another process from taking
// a directory for abandoned that is only not locked yet.
func claim(ctx context.Context, cache, id string, groups cgroup) (_ string, _ *os.File, err error) {
	hosts := filepath.Join(cache, "hosts")
	if err := os.MkdirAll(hosts, 0o700); err != nil {
		return "", nil, err
	}
	all, err := acquire(ctx, filepath.Join(cache, "hosts.lock"))
	if err != nil {
		return "", nil, err
	}
	defer all.Close()
	if err := sweep(ctx, hosts, groups); err != nil {
		return "", nil, err
	}
	dir := filepath.Join(hosts, id)
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
		}
	}()
	for _, d := range []string{dir, filepath.Join(dir, "upper"), filepath.Join(dir, "work"), filepath.Join(dir, "root")} {
		// The upper directory's mode becomes that of the guest's root.
		if err := os.Mkdir(d, 0o755); err != nil {
			return "", nil, err
		}
	}
	lock, err := acquire(ctx, filepath.Join(dir, "owner"))
	if err != nil {
		return "", nil, err
	}
	return dir, lock, nil
}

// sweep removes the hosts whose owners are gone.
func sweep(ctx context.Context, hosts string, groups cgroup) error {
	entries, err := os.ReadDir(hosts)
	if err != nil {
		return fmt.Errorf("removing abandoned test hosts: %w", err)
	}
	for _, e := range entries {
		dir := filepath.Join(hosts, e.Name())
		lock, err := os.Open(filepath.Join(dir, "owner"))
		if err == nil {
			err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
			lock.Close()
		}
		if errors.Is(err, unix.EWOULDBLOCK) {
			continue
		}
		if err := demolish(ctx, dir, groups); err != nil {
			return fmt.Errorf("removing an abandoned test host: %w", err)
		}
	}
	return nil
}

// demolish ends what runs in a host and removes it. Its mounts are in a mount
// namespace that ends with its processes.
func demolish(ctx context.Context, dir string, groups cgroup) error {
	group := cgroup(filepath.Join(string(groups), groupPrefix+filepath.Base(dir)))
	if err := group.kill(ctx); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("removing %s: %w", dir, err)
	}
	return nil
}
