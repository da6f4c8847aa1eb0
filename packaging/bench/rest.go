package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// What a disk at rest does at most in a second, and the dirty memory there is at
// most: a system has always something to write.
const (
	restSectors = 8 << 20 / 512
	restDirty   = 32 << 20
)

// reuse is how long an ext4 without a journal does not use inodes again that
// were removed, RECENTCY_MIN + RECENTCY_DIRTY of fs/ext4/ialloc.c. Until then
// whoever makes files passes over all of them, each time: it makes no disk busy,
// but two to three times the system time.
const reuse = (60 + 300) * time.Second

// forget waits until inodes that were removed before a time are used again.
func (p *place) forget(ctx context.Context, since time.Time) error {
	wait := reuse - time.Since(since)
	if !p.Bare || wait <= 0 {
		return nil
	}
	fmt.Fprintf(os.Stderr, "bench: %s is on ext4 without a journal: waiting %.0f s\n", p.Path, wait.Seconds())
	unix.Sync()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(wait):
		return nil
	}
}

// settle waits for the disk to come to rest. After a large tree was removed the
// file system goes on freeing and discarding its blocks well after a sync, and
// whatever writes meanwhile has to wait for that.
func (p *place) settle(ctx context.Context) error {
	unix.Sync()
	if p.Memory {
		return nil
	}
	if err := p.forget(ctx, time.Now()); err != nil {
		return err
	}
	device, err := p.device()
	if err != nil {
		return err
	}
	statistics := device + "/stat"
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
