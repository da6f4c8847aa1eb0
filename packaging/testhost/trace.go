package testhost

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Call is a system call that a traced process is about to make, and that
// changes something: files, or what the service manager does.
type Call struct {
	Name   string // such as "fsync", or the method of the service manager
	Target string // the file; "": none
}

func (c Call) String() string { return strings.TrimSpace(c.Name + " " + c.Target) }

// Trace tells at of each Call of a program of the host before it is made, and
// returns when the program has ended. The call waits until at returns: there
// the program can be killed, or the host be reset, in the middle of its work.
// pid is the program's in the host, and it must have stopped itself (kill
// -STOP) so that nothing of it is missed. What it starts is not traced.
func (h *Host) Trace(ctx context.Context, pid int, at func(Call)) error {
	outside, err := h.Outside(pid)
	if err != nil {
		return fmt.Errorf("tracing: %w", err)
	}
	t := &tracer{pid: outside, begun: make(chan struct{}), calls: make(chan Call), resume: make(chan struct{}), quit: make(chan struct{}), ended: make(chan error, 1)}
	go t.run()
	// Nothing outlives a caller that leaves in the middle of at.
	defer close(t.quit)
	for {
		select {
		case c := <-t.calls:
			at(c)
			t.resume <- struct{}{}
		case err := <-t.ended:
			return err
		case <-ctx.Done():
			return fmt.Errorf("tracing: %w", errors.Join(ctx.Err(), t.kill()))
		}
	}
}

// Kill kills a program of the host, as from outside of it.
func (h *Host) Kill(pid int) error {
	outside, err := h.Outside(pid)
	if err != nil {
		return err
	}
	return unix.Kill(outside, unix.SIGKILL)
}

// Outside is the process ID on this machine of a process of the host.
func (h *Host) Outside(pid int) (int, error) {
	space, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", h.Leader()))
	if err != nil {
		return 0, fmt.Errorf("looking for process %d: %w", pid, err)
	}
	all, err := filepath.Glob("/proc/[0-9]*/status")
	if err != nil {
		return 0, err
	}
	for _, file := range all {
		if is, err := os.Readlink(filepath.Dir(file) + "/ns/pid"); err != nil || is != space {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		for line := range strings.Lines(string(text)) {
			ids := strings.Fields(line)
			if ids[0] == "NSpid:" && ids[len(ids)-1] == strconv.Itoa(pid) {
				return strconv.Atoi(filepath.Base(filepath.Dir(file)))
			}
		}
	}
	return 0, fmt.Errorf("process %d of the host is not there", pid)
}

// tracer has a thread of its own, which ptrace wants, and which has started no
// processes, since it waits for any.
type tracer struct {
	pid    int
	begun  chan struct{} // closed when that thread was found
	calls  chan Call
	resume chan struct{}
	quit   chan struct{}
	ended  chan error

	pending []event // met while a call was told of
}

// run never gives its thread back: with it everything traced ends. One that has
// started a command, for whoever had it before, would take its end away from
// those who wait for that: it is held until another is found.
func (t *tracer) run() {
	runtime.LockOSThread()
	switch children, err := os.ReadFile("/proc/thread-self/children"); {
	case err != nil:
		close(t.begun)
		t.ended <- err
		return
	case len(children) > 0:
		go t.run()
		<-t.begun
		runtime.UnlockOSThread()
		return
	}
	close(t.begun)
	t.ended <- t.trace()
}

func (t *tracer) kill() error { return unix.Kill(t.pid, unix.SIGKILL) }

func (t *tracer) trace() error {
	const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_EXITKILL
	if err := ptrace(unix.PTRACE_SEIZE, t.pid, 0, options); err != nil {
		return fmt.Errorf("tracing process %d: %w", t.pid, err)
	}
	if err := unix.Kill(t.pid, unix.SIGCONT); err != nil {
		return err
	}
	for {
		e, err := t.next(0)
		if errors.Is(err, unix.ECHILD) {
			return nil
		}
		if err != nil {
			return err
		}
		if !e.status.Stopped() {
			continue
		}
		signal := uintptr(0)
		switch stop := e.status.StopSignal(); {
		case stop == unix.SIGTRAP|0x80:
			if c, ok := t.call(e.thread); ok && !t.tell(c) {
				return t.kill()
			}
		case stop != unix.SIGTRAP && int(e.status)>>16 == 0:
			signal = uintptr(stop)
		}
		// A thread that is gone meanwhile is waited for.
		if err := ptrace(unix.PTRACE_SYSCALL, e.thread, 0, signal); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
}

// event is a thread that has stopped, or ended.
type event struct {
	thread int
	status unix.WaitStatus
}

// next is the oldest event that was not dealt with. With WNOHANG there may be
// none.
func (t *tracer) next(options int) (event, error) {
	if len(t.pending) > 0 && options == 0 {
		e := t.pending[0]
		t.pending = t.pending[1:]
		return e, nil
	}
	for {
		var e event
		var err error
		e.thread, err = unix.Wait4(-1, &e.status, unix.WALL|unix.WNOTHREAD|options, nil)
		if !errors.Is(err, unix.EINTR) {
			return e, err
		}
	}
}

// tell waits until at has returned, and reports whether it has. Meanwhile it
// takes notice of who dies: the host of a program that nobody buries does not
// end. Other threads that make a call wait.
func (t *tracer) tell(c Call) bool {
	select {
	case t.calls <- c:
	case <-t.quit:
		return false
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-t.resume:
			return true
		case <-t.quit:
			return false
		case <-tick.C:
		}
		for {
			e, err := t.next(unix.WNOHANG)
			if err != nil || e.thread == 0 {
				break
			}
			t.pending = append(t.pending, e)
		}
	}
}

// syscallInfo is what PTRACE_GET_SYSCALL_INFO fills in on entry.
type syscallInfo struct {
	op     uint8
	_      [3]uint8
	_      uint32 // architecture
	_      [2]uint64
	number uint64
	args   [6]uint64
}

func ptrace(request, pid int, addr, data uintptr) error {
	if _, _, e := unix.Syscall6(unix.SYS_PTRACE, uintptr(request), uintptr(pid), addr, data, 0, 0); e != 0 {
		return e
	}
	return nil
}

// call is the call that a thread is about to make, if it is of interest.
func (t *tracer) call(thread int) (Call, bool) {
	var info syscallInfo
	_, _, e := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(thread), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	if e != 0 || info.op != unix.PTRACE_SYSCALL_INFO_ENTRY {
		return Call{}, false
	}
	file := func(arg int) (string, bool) {
		name, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", thread, info.args[arg]))
		return name, err == nil && matters(name)
	}
	path := func(arg int) (string, bool) {
		name, _, _ := bytes.Cut(t.memory(thread, info.args[arg], unix.PathMax), []byte{0})
		return string(name), matters(string(name))
	}
	of := func(name string, target string, ok bool) (Call, bool) { return Call{name, temporary(target)}, ok }
	switch info.number {
	case unix.SYS_OPENAT:
		name, ok := path(1)
		return of("create", name, ok && info.args[2]&unix.O_CREAT != 0)
	case unix.SYS_WRITE:
		if name, ok := file(0); ok {
			return of("write", name, true)
		}
		return asked(t.memory(thread, info.args[1], int(min(info.args[2], 1<<12))))
	case unix.SYS_PWRITE64, unix.SYS_FTRUNCATE, unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_SYNCFS, unix.SYS_FCHMOD, unix.SYS_FCHOWN:
		name, ok := file(0)
		return of(map[uint64]string{
			unix.SYS_PWRITE64: "write", unix.SYS_FTRUNCATE: "truncate", unix.SYS_FSYNC: "fsync", unix.SYS_FDATASYNC: "fsync",
			unix.SYS_SYNCFS: "sync", unix.SYS_FCHMOD: "chmod", unix.SYS_FCHOWN: "chown",
		}[info.number], name, ok)
	case unix.SYS_MKDIRAT, unix.SYS_UNLINKAT, unix.SYS_FCHMODAT, unix.SYS_FCHOWNAT:
		name, ok := path(1)
		return of(map[uint64]string{
			unix.SYS_MKDIRAT: "mkdir", unix.SYS_UNLINKAT: "remove", unix.SYS_FCHMODAT: "chmod", unix.SYS_FCHOWNAT: "chown",
		}[info.number], name, ok)
	case unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2, unix.SYS_LINKAT:
		name, ok := path(3)
		return of(map[bool]string{true: "link", false: "rename"}[info.number == unix.SYS_LINKAT], name, ok)
	}
	return Call{}, false
}

// memory is what a thread has at an address.
func (t *tracer) memory(thread int, address uint64, most int) []byte {
	f, err := os.Open(fmt.Sprintf("/proc/%d/mem", thread))
	if err != nil {
		return nil
	}
	defer f.Close()
	b := make([]byte, most)
	n, err := f.ReadAt(b, int64(address))
	if err != nil && n == 0 && most > 1<<8 {
		// Not beyond the end of what is mapped.
		n, _ = f.ReadAt(b[:1<<8], int64(address))
	}
	return b[:n]
}

// matters is for files that outlive the process, and the names of such.
func matters(name string) bool {
	for _, of := range []string{"/dev/", "/proc/", "/sys/"} {
		if strings.HasPrefix(name, of) {
			return false
		}
	}
	return name != "" && !strings.Contains(name, ":[") && !strings.HasPrefix(name, "anon_inode")
}

// temporary is a name without what is random in it.
func temporary(name string) string {
	if before, _, ok := strings.Cut(name, "-tmp-"); ok {
		return before + "-tmp"
	}
	return name
}

// asked finds what the service manager is asked for in a message.
func asked(message []byte) (Call, bool) {
	if !bytes.Contains(message, []byte("org.freedesktop.systemd1")) {
		return Call{}, false
	}
	methods := []string{"StopUnit", "StartUnit", "TryRestartUnit", "RestartUnit", "ResetFailedUnit", "Reload", "EnableUnitFiles", "DisableUnitFiles"}
	n := slices.IndexFunc(methods, func(m string) bool { return bytes.Contains(message, []byte(m)) })
	if n < 0 {
		return Call{}, false
	}
	return Call{Name: methods[n]}, true
}
