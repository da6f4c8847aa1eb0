package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of times in /proc, 1/sysconf(_SC_CLK_TCK) s; the kernel's
// USER_HZ is 100 on every architecture that Go has (proc(5)).
const tick = 10 * time.Millisecond

// process is what one line of /proc/PID/stat says, proc_pid_stat(5).
type process struct {
	pid, parent int
	// user and system include children that ended and were waited for.
	user, system time.Duration
}

func parseProcess(stat string) (process, error) {
	bad := fmt.Errorf("reading a process: %q", stat)
	// The name is in parentheses and may hold anything, parentheses too.
	pid, rest, ok := strings.Cut(stat, " (")
	end := strings.LastIndex(rest, ") ")
	if !ok || end < 0 {
		return process{}, bad
	}
	fields := strings.Fields(rest[end+2:])
	// The first of them is the third of the line: the state.
	if len(fields) < 15 {
		return process{}, bad
	}
	var n [6]int
	for i, s := range []string{pid, fields[1], fields[11], fields[12], fields[13], fields[14]} {
		v, err := strconv.Atoi(s)
		if err != nil {
			return process{}, bad
		}
		n[i] = v
	}
	return process{
		pid: n[0], parent: n[1],
		user: time.Duration(n[2]+n[4]) * tick, system: time.Duration(n[3]+n[5]) * tick,
	}, nil
}

// gone tells that a process ended between its listing and its reading.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

// family returns a running process and all that descend from it.
func family(root int) ([]process, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	children := map[int][]process{}
	var found []process
	for _, file := range files {
		b, err := os.ReadFile(file)
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		p, err := parseProcess(string(b))
		if err != nil {
			return nil, err
		}
		if p.pid == root {
			found = append(found, p)
		}
		children[p.parent] = append(children[p.parent], p)
	}
	for i := 0; i < len(found); i++ {
		found = append(found, children[found[i].pid]...)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("examining process %d: %w", root, fs.ErrNotExist)
	}
	return found, nil
}

// cpuOf sums the CPU time that a process and its family have had.
func cpuOf(root int) (user, system time.Duration, err error) {
	all, err := family(root)
	for _, p := range all {
		user, system = user+p.user, system+p.system
	}
	return user, system, err
}

// memoryOf sums a field of /proc/PID/FILE, in bytes, over a family.
func memoryOf(root int, file, field string) (sum int64, err error) {
	all, err := family(root)
	if err != nil {
		return 0, err
	}
	for _, p := range all {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.pid, file))
		if gone(err) {
			continue
		}
		if err != nil {
			return 0, err
		}
		n, err := kilobytes(string(b), field)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// kilobytes finds "Field:   123 kB" in a file of /proc and returns bytes. A
// field that is not there is 0: kernel threads and the dead have none.
func kilobytes(text, field string) (int64, error) {
	for l := range strings.Lines(text) {
		value, ok := strings.CutPrefix(l, field+":")
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading %s: %q", field, l)
		}
		return n << 10, nil
	}
	return 0, nil
}

// forgetPeak makes VmHWM of a family start anew, proc_pid_clear_refs(5).
func forgetPeak(root int) error {
	all, err := family(root)
	if err != nil {
		return err
	}
	for _, p := range all {
		err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.pid), []byte("5"), 0)
		if err != nil && !gone(err) {
			return err
		}
	}
	return nil
}

// busy is the CPU time that anything but idling has had since the machine
// booted, from the text of /proc/stat (proc_stat(5)).
func busy(stat string) (time.Duration, error) {
	first, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(first)
	if len(fields) < 8 || fields[0] != "cpu" {
		return 0, fmt.Errorf("reading /proc/stat: %q", first)
	}
	var sum int
	for i, s := range fields[1:8] {
		n, err := strconv.Atoi(s)
		if err != nil {
			return 0, fmt.Errorf("reading /proc/stat: %q", first)
		}
		if i != 3 && i != 4 { // idle, iowait
			sum += n
		}
	}
	return time.Duration(sum) * tick, nil
}

func busyNow() (time.Duration, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	return busy(string(b))
}
