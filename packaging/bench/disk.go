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
	// Bare tells of an ext4 without a journal.
	Bare bool `json:"no_journal,omitempty"`
	dir  string
	// kept are the stores that are still there. On a disk they stay as long as
	// there is room: what is removed slows down what comes next.
	kept []string
	need int64 // free bytes that a tool may expect
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
	p := &place{Path: path, Type: m.fs, Memory: m.fs == "tmpfs", dir: dir, need: roomOnDisk}
	if p.Memory {
		p.need = roomInMemory
	}
	if m.fs == "ext4" {
		device, err := p.device()
		if err != nil {
			return nil, errors.Join(err, os.Remove(dir))
		}
		name, err := os.Readlink(device)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("finding the disk of %s: %w", path, err), os.Remove(dir))
		}
		journals, err := filepath.Glob("/proc/fs/jbd2/" + filepath.Base(name) + "-*")
		if err != nil {
			return nil, errors.Join(err, os.Remove(dir))
		}
		p.Bare = len(journals) == 0
	}
	return p, nil
}

// device is the directory of a place's disk in sysfs; for a file system without
// a disk of its own (tmpfs, btrfs, overlay) it does not exist.
func (p *place) device() (string, error) {
	var st unix.Stat_t
	if err := unix.Stat(p.dir, &st); err != nil {
		return "", fmt.Errorf("finding the disk of %s: %w", p.dir, err)
	}
	return fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev)), nil
}

// makeRoom removes what earlier tools left if the next one needs the room.
func (p *place) makeRoom(ctx context.Context) error {
	full := p.room()
	if full == nil || len(p.kept) == 0 {
		return full
	}
	fmt.Fprintf(os.Stderr, "bench: removing stores from %s, then waiting for the disk\n", p.Path)
	if err := p.removeKept(); err != nil {
		return err
	}
	if err := p.settle(ctx); err != nil {
		return err
	}
	return p.room()
}

func (p *place) removeKept() error {
	for _, name := range p.kept {
		if err := p.remove(name); err != nil {
			return err
		}
	}
	p.kept = nil
	return nil
}

// room refuses to begin on a file system that is nearly full.
func (p *place) room() error {
	var st unix.Statfs_t
	if err := unix.Statfs(p.dir, &st); err != nil {
		return err
	}
	free := int64(st.Bavail) * st.Bsize
	if p.Memory {
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
	if free < p.need {
		return fmt.Errorf("measuring in %s: %d MB are free, want %d MB", p.Path, free/1e6, p.need/1e6)
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
