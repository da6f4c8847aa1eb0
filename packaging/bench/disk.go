package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// place is a directory on the file system to measure on.
type place struct {
	// Path is as the user gave it; dir below it holds the stores.
	Path string `json:"path"`
	Type string `json:"type"`
	// Memory tells that files live in memory: a store has to go before the next
	// one comes, and there is nothing to sync.
	Memory bool `json:"memory"`
	dir    string
}

// Room that must be left before a tool begins: for what four versions take, and
// for whoever else uses the disk.
const (
	roomOnDisk   = 25 << 30
	roomInMemory = 6 << 30
)

func newPlace(path string) (*place, error) {
	dir, err := os.MkdirTemp(path, "aztec-spartan-bench.")
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	m, err := mountOf(string(text), dir)
	if err != nil {
		return nil, err
	}
	return &place{Path: path, Type: m.fs, Memory: m.fs == "tmpfs", dir: dir}, nil
}

// room refuses to begin on a file system that is nearly full.
func (p *place) room() error {
	var st unix.Statfs_t
	if err := unix.Statfs(p.dir, &st); err != nil {
		return err
	}
	want, free := int64(roomOnDisk), int64(st.Bavail)*st.Bsize
	if p.Memory {
		want = roomInMemory
		text, err := os.ReadFile("/proc/meminfo")
		if err != nil {
			return err
		}
		available, err := kilobytes(string(text), "MemAvailable")
		if err != nil {
			return err
		}
		free = min(free, available)
	}
	if free < want {
		return fmt.Errorf("measuring in %s: %d MB are free, want %d MB", p.Path, free/1e6, want/1e6)
	}
	return nil
}

// remove deletes stores, and what tools left mounted in them.
func (p *place) remove(name string) error {
	dir := filepath.Join(p.dir, name)
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for _, m := range slices.Backward(parseMounts(string(text))) {
		if m.point == dir || strings.HasPrefix(m.point, dir+"/") {
			if err := unix.Unmount(m.point, unix.MNT_DETACH); err != nil {
				return fmt.Errorf("unmounting %s: %w", m.point, err)
			}
		}
	}
	return os.RemoveAll(dir)
}

// used returns how much disk a store takes, in bytes: hard links are counted
// once. Extents that copies share (reflinks) are counted each time.
func used(ctx context.Context, dir string) (int64, error) {
	// Another process: a map of all inodes in this one would count as the peak
	// memory of every tool started after it, for a child inherits the figure of
	// the parent it was forked from.
	l, err := line(ctx, `du --one-file-system --summarize --block-size=1 "$STORE"`, "STORE="+dir)
	if err != nil {
		return 0, err
	}
	size, _, _ := strings.Cut(l, "\t")
	return strconv.ParseInt(size, 10, 64)
}

// syncTime is how long it takes until what was written is on the disk.
func syncTime(dir string) (time.Duration, error) {
	f, err := os.Open(dir)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	began := time.Now()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return 0, fmt.Errorf("syncing %s: %w", dir, err)
	}
	return time.Since(began), nil
}

// What a disk at rest does at most in a second, and the dirty memory there is at
// most: a system has always something to write.
const (
	restSectors = 8 << 20 / 512
	restDirty   = 32 << 20
)

// settle waits for the disk to come to rest. After a large tree was removed the
// file system goes on freeing and discarding its blocks well after a sync, and
// whatever writes meanwhile takes two to three times as long.
func (p *place) settle(ctx context.Context) error {
	unix.Sync()
	if p.Memory {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Stat(p.dir, &st); err != nil {
		return err
	}
	statistics := fmt.Sprintf("/sys/dev/block/%d:%d/stat", unix.Major(st.Dev), unix.Minor(st.Dev))
	var last int64 = -1
	quiet := 0
	for range 120 {
		sectors, err := written(statistics)
		if err != nil {
			return err
		}
		text, err := os.ReadFile("/proc/meminfo")
		if err != nil {
			return err
		}
		dirty, err1 := kilobytes(string(text), "Dirty")
		back, err2 := kilobytes(string(text), "Writeback")
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		if last >= 0 && sectors-last < restSectors && dirty+back < restDirty {
			quiet++
		} else {
			quiet = 0
		}
		if quiet == 3 {
			return nil
		}
		last = sectors
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
	fmt.Fprintf(os.Stderr, "bench: the disk of %s does not come to rest; figures will be high\n", p.Path)
	return nil
}

// written reads how many sectors a device has written and discarded. A file
// system without a device of its own (btrfs, overlay) has no such file.
func written(statistics string) (int64, error) {
	b, err := os.ReadFile(statistics)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return parseWritten(string(b))
}

// parseWritten adds up fields of /sys/block/*/stat, see
// Documentation/block/stat.rst of the kernel; discards are there since 4.18.
func parseWritten(text string) (sum int64, err error) {
	fields := strings.Fields(text)
	if len(fields) < 11 {
		return 0, fmt.Errorf("reading the statistics of a disk: %q", text)
	}
	for _, i := range []int{6, 13} {
		if i >= len(fields) {
			continue
		}
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading the statistics of a disk: %q", text)
		}
		sum += n
	}
	return sum, nil
}

// mount is a line of /proc/self/mountinfo, proc_pid_mountinfo(5).
type mount struct{ point, fs string }

// parseMounts returns mounts in their order; lines that are none are left out.
func parseMounts(text string) (list []mount) {
	for l := range strings.Lines(text) {
		left, right, ok := strings.Cut(l, " - ")
		before, after := strings.Fields(left), strings.Fields(right)
		if ok && len(before) >= 6 && len(after) >= 1 {
			list = append(list, mount{unescape(before[4]), after[0]})
		}
	}
	return list
}

// unescape undoes the octal escapes of space, tab, newline and backslash.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// mountOf finds the mount that a path is on: of the deepest that hold it the
// last, which covers those before it.
func mountOf(text, path string) (best mount, err error) {
	found := false
	for _, m := range parseMounts(text) {
		holds := m.point == "/" || path == m.point || strings.HasPrefix(path, m.point+"/")
		if holds && len(m.point) >= len(best.point) {
			best, found = m, true
		}
	}
	if !found {
		return best, fmt.Errorf("finding the file system of %s: no mount holds it", path)
	}
	return best, nil
}
