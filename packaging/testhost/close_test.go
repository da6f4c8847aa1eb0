//go:build booted

package testhost

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// childVariable makes the test binary boot a host, tell its directory and wait:
// the owner that the tests kill.
const childVariable = "TESTHOST_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) == "" {
		os.Exit(m.Run())
	}
	h, err := Boot(context.Background(), Options{Name: "orphan"})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	r, err := h.Sh(context.Background(), "systemctl is-system-running; stat -fc %T /sys/fs/cgroup")
	fmt.Printf("%s %d %q %v\n", h.dir, h.Leader(), r.Stdout, err)
	os.Stdin.Read(make([]byte, 1)) // until it is killed, or its parent ends
	h.Close()
}

// child starts another owner, with words before the test binary's name.
func child(t *testing.T, before ...string) (cmd *exec.Cmd, dir string, leader int, said string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	argv := append(before, exe)
	cmd = exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), childVariable+"=1")
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(line, &dir, &leader); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return cmd, dir, leader, line
}

// traces lists what there is on this machine of the host with that directory.
func traces(t *testing.T, dir string) (found []string) {
	t.Helper()
	id := filepath.Base(dir)
	if _, err := os.Lstat(dir); err == nil {
		found = append(found, dir)
	}
	groups, err := unified()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(string(groups), groupPrefix+id)); err == nil {
		found = append(found, "cgroup")
	}
	texts, err := filepath.Glob("/proc/[0-9]*/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(texts, lines...) {
		if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), id) {
			found = append(found, file)
		}
	}
	run, err := filepath.Glob("/run/systemd/nspawn/*/*" + id + "*")
	if err != nil {
		t.Fatal(err)
	}
	return append(found, run...)
}

func TestCloseLeavesNothing(t *testing.T) {
	h := boot(t, Options{})
	cmd := h.Command(t.Context(), "sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	sh(t, h, "mkdir /mnt/m && mount -t tmpfs tmpfs /mnt/m; (setsid sleep 1000 >/dev/null 2>&1 &)")
	term, err := h.TTY(t.Context(), "cat")
	if err != nil {
		t.Fatal(err)
	}
	if found := traces(t, h.dir); len(found) < 4 {
		t.Fatalf("a running host has only %s", found)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("a command outlived its host")
	}
	if code, err := term.Wait(t.Context()); err != nil || code == 0 {
		t.Errorf("a command on a terminal ended with %d, %v", code, err)
	}
	if err := term.Close(); err != nil {
		t.Error(err)
	}
	if found := traces(t, h.dir); len(found) > 0 {
		t.Errorf("left %s", found)
	}
	if _, err := h.Run(t.Context(), "true"); err == nil || !strings.Contains(err.Error(), "the host has ended") {
		t.Errorf("running in a closed host: %v", err)
	}
	if err := h.Command(t.Context(), "true").Run(); err == nil {
		t.Error("a command ran in a closed host")
	}
	if found := traces(t, h.dir); len(found) > 0 {
		t.Errorf("a late command left %s", found)
	}
	if err := h.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
}

func TestPowerOff(t *testing.T) {
	h := boot(t, Options{})
	sh(t, h, "systemctl --no-block poweroff")
	<-h.done
	if _, err := h.Run(t.Context(), "true"); err == nil || !strings.Contains(err.Error(), "powered off") {
		t.Errorf("got %v", err)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if found := traces(t, h.dir); len(found) > 0 {
		t.Errorf("left %s", found)
	}
}

func TestBootCanceled(t *testing.T) {
	boot(t, Options{}) // the base is there, and no sweeping is due
	hosts := func() []string {
		cache, err := cacheDir()
		if err != nil {
			t.Fatal(err)
		}
		dirs, err := filepath.Glob(filepath.Join(cache, "hosts", "canceled-*"))
		if err != nil {
			t.Fatal(err)
		}
		return dirs
	}
	// From before the first step to somewhere in the middle of booting.
	for _, after := range []time.Duration{0, 5 * time.Millisecond, 30 * time.Millisecond, 100 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		h, err := Boot(ctx, Options{Name: "canceled"})
		cancel()
		if err == nil {
			t.Errorf("booted within %s", after)
			h.Close()
		}
		if left := hosts(); len(left) > 0 {
			t.Errorf("canceled after %s: left %s; %v", after, left, err)
		}
	}
}

// TestKilledOwner kills the process that owns a host, which gets no chance to
// clean up.
func TestKilledOwner(t *testing.T) {
	cmd, dir, leader, _ := child(t)
	// A host with an owner is not swept.
	boot(t, Options{})
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", leader)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	// The processes and mounts end with the owner.
	err := Wait(t.Context(), "the host to end", func() (bool, error) {
		return slices.Equal(traces(t, dir), []string{dir, "cgroup"}), nil
	})
	if err != nil {
		t.Errorf("%v: there is %s", err, traces(t, dir))
	}
	// The rest goes with the next boot.
	boot(t, Options{})
	if found := traces(t, dir); len(found) > 0 {
		t.Errorf("left %s", found)
	}
}

// TestUnifiedOnly boots where cgroup version 2 is all there is, whatever this
// machine has.
func TestUnifiedOnly(t *testing.T) {
	const script = `umount -R -l /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$@"`
	cmd, dir, _, said := child(t, "unshare", "--mount", "sh", "-c", script, "sh")
	if !strings.Contains(said, `"running\ncgroup2fs\n" <nil>`) {
		t.Error(said)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	boot(t, Options{})
	if found := traces(t, dir); len(found) > 0 {
		t.Errorf("left %s", found)
	}
}
