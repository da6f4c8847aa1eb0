//go:build soak

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage"
	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
)

// harmless are the system calls that the sandbox denies real nodes, and why
// nothing follows from it. Any other is one that could matter.
var harmless = map[denied]string{
	{unix.SYS_CLONE3, unix.ENOSYS}: "RestrictNamespaces= cannot look into its arguments; the C library makes threads by clone then, and keeps to it",
}

// denied is a system call, by its number, and the error with which it ended.
type denied struct {
	call  int
	error syscall.Errno
}

// What the sandbox denies real nodes of each role, from their start to their
// stop, as the kernel of this machine sees it: all system calls that end with
// one of the errors that filters and missing rights give.
func TestSoakDenied(t *testing.T) {
	set, err := realimage.Build(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	for name, scene := range map[string]func(g *guest, set *realimage.Set) (act func()){
		"a sequencer and its peer": func(g *guest, set *realimage.Set) func() {
			g.configPair(set)
			return func() {
				g.startPair(set)
				g.publishes(set)
				g.publishes(set)
			}
		},
		"a prover": func(g *guest, set *realimage.Set) func() {
			g.configStack(set)
			return func() {
				g.startStack()
				g.stackHealthy()
				g.proves(set)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := stage.Set(t.Context(), stage.Options{Suite: "bookworm", Deb: debPath(t), Layouts: []string{set.Layout}, L1: set})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			g := &guest{s, t}
			act := scene(g, set)
			read := traced(t, s.Leader())
			act()
			g.sh("aztec-spartan stop --all")
			g.judgeDenied(read())
		})
	}
}

// judgeDenied holds what was denied to what is known to be harmless.
func (g *guest) judgeDenied(calls map[denied]*callers) {
	g.t.Helper()
	if len(calls) == 0 {
		g.t.Error("nothing was denied: was anything seen?")
	}
	for d, by := range calls {
		why, known := harmless[d]
		g.t.Logf("system call %d, %s, %d times by %v: %s", d.call, unix.ErrnoName(d.error), by.times, by.threads, why)
		if !known {
			g.t.Errorf("system call %d is denied with %s, and nobody has said that it does not matter", d.call, unix.ErrnoName(d.error))
		}
	}
}

// callers are who made a call.
type callers struct {
	times   int
	threads []string
}

// exited is a line of the kernel's trace: thread and its number, number of the
// call, result.
var exited = regexp.MustCompile(`^ *(.+)-([0-9]+) +\[.*sys_exit: NR ([0-9]+) = (-?[0-9]+)`)

// traced has the kernel note the calls that are denied to a process and to what
// it starts. What is returned ends that, and returns those of nodes. What a
// process did before it became a node was done by systemd, which gets over it
// that this machine's containers may not lower an OOM score, say.
func traced(t *testing.T, pid int) func() map[denied]*callers {
	const tracing = "/sys/kernel/tracing"
	if _, err := os.Stat(tracing + "/instances"); err != nil {
		if err := unix.Mount("tracefs", tracing, "tracefs", 0, ""); err != nil {
			t.Fatalf("mounting tracefs: %v", err)
		}
	}
	dir := filepath.Join(tracing, "instances", fmt.Sprintf("aztec-spartan-%d", os.Getpid()))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	set := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0); err != nil {
			t.Fatal(err)
		}
	}
	set("buffer_size_kb", "8192")
	set("set_event_pid", strconv.Itoa(pid))
	set("options/event-fork", "1")
	set("events/raw_syscalls/sys_exit/filter", fmt.Sprintf("id == %d && ret == 0 || ret == -%d || ret == -%d || ret == -%d || ret == -%d", unix.SYS_EXECVE, unix.EPERM, unix.EACCES, unix.ENOSYS, unix.EAFNOSUPPORT))
	set("events/raw_syscalls/sys_exit/enable", "1")
	return func() map[denied]*callers {
		set("events/raw_syscalls/sys_exit/enable", "0")
		text, err := os.ReadFile(filepath.Join(dir, "trace"))
		if err != nil {
			t.Fatal(err)
		}
		type made struct {
			denied
			by string
		}
		of := map[string][]made{} // by the number of the thread
		for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
			m := exited.FindStringSubmatch(lines.Text())
			if m == nil || !ofNode(m[1]) {
				continue
			}
			call, _ := strconv.Atoi(m[3])
			result, _ := strconv.Atoi(m[4])
			if result == 0 {
				delete(of, m[2])
				continue
			}
			of[m[2]] = append(of[m[2]], made{denied{call, syscall.Errno(-result)}, m[1]})
		}
		found := map[denied]*callers{}
		for _, calls := range of {
			for _, c := range calls {
				if found[c.denied] == nil {
					found[c.denied] = &callers{}
				}
				f := found[c.denied]
				if f.times++; !slices.Contains(f.threads, c.by) {
					f.threads = append(f.threads, c.by)
				}
			}
		}
		return found
	}
}

// ofNode reports whether a thread is one of a node, by its name, which the
// kernel may have forgotten.
func ofNode(thread string) bool {
	return slices.ContainsFunc([]string{"node", "bb", "libuv", "V8", "Delayed", "Signal", "MainThread", "<...>"}, func(s string) bool { return strings.HasPrefix(thread, s) })
}
