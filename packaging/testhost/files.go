package testhost

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// Put copies a file of this machine into the host, with directories as needed.
// An existing file is replaced, not written into: a running program can be.
func (h *Host) Put(ctx context.Context, localPath, hostPath string, mode fs.FileMode) error {
	f, err := os.Open(localPath)
	if err != nil {
		return err
	}
	defer f.Close()
	return h.install(ctx, f, hostPath, mode)
}

// Write makes a file in the host in the way of Put.
func (h *Host) Write(ctx context.Context, hostPath string, data []byte, mode fs.FileMode) error {
	return h.install(ctx, bytes.NewReader(data), hostPath, mode)
}

// install works inside the host, where symbolic links mean what they should.
func (h *Host) install(ctx context.Context, from io.Reader, path string, mode fs.FileMode) error {
	const script = `set -e; umask 022; mkdir -p "$(dirname "$1")"; cat >"$1.testhost"; chmod "$2" "$1.testhost"; mv -T "$1.testhost" "$1"`
	cmd := h.Command(ctx, "sh", "-c", script, "sh", path, strconv.FormatUint(uint64(mode.Perm()), 8))
	cmd.Stdin = from
	if _, err := h.output(cmd, "sh"); err != nil {
		return fmt.Errorf("writing %s in the host: %w", path, err)
	}
	return nil
}

// Read returns a file of the host. The error wraps fs.ErrNotExist if there is
// none.
func (h *Host) Read(ctx context.Context, hostPath string) ([]byte, error) {
	const absent = 44
	const script = `[ -e "$1" ] || [ -L "$1" ] || exit 44; exec cat -- "$1"`
	r, err := h.Run(ctx, "sh", "-c", script, "sh", hostPath)
	switch {
	case err != nil:
	case r.Code == absent:
		err = fs.ErrNotExist
	case r.Code != 0:
		err = fmt.Errorf("exit status %d: %s", r.Code, r.Stderr)
	default:
		return []byte(r.Stdout), nil
	}
	return nil, fmt.Errorf("reading %s in the host: %w", hostPath, err)
}

// Path returns where this machine sees a path of the running host, mounts in it
// included. An absolute symbolic link on the way leads out of the host: with
// those use Read, or Run. A reboot invalidates it.
func (h *Host) Path(hostPath string) string {
	return filepath.Join("/proc", strconv.Itoa(h.Leader()), "root", hostPath)
}

// Listen listens in the host's network, so that a server in this process (a
// registry, a fake node) can be reached from the host, on 127.0.0.1 for
// instance, and from nowhere else.
func (h *Host) Listen(network, address string) (net.Listener, error) {
	type result struct {
		listener net.Listener
		err      error
	}
	// A network namespace belongs to a thread. This one is not given back to the
	// runtime but ends with its goroutine, which never unlocks it.
	done := make(chan result)
	go func() {
		runtime.LockOSThread()
		ns, err := os.Open(filepath.Join("/proc", strconv.Itoa(h.Leader()), "ns/net"))
		if err != nil {
			done <- result{err: err}
			return
		}
		defer ns.Close()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- result{err: fmt.Errorf("entering its network: %w", err)}
			return
		}
		l, err := net.Listen(network, address)
		done <- result{l, err}
	}()
	r := <-done
	if r.err != nil {
		return nil, fmt.Errorf("listening on %s in the host: %w", address, r.err)
	}
	return r.listener, nil
}
