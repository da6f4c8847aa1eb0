package doctor

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
)

// skylake are the features, as in /proc/cpuinfo, that bb is built for and dies
// without (SIGILL). Older processors and some of virtual machines lack them.
var skylake = []string{"adx", "avx2", "bmi2", "fma"}

func (e exam) read(path string) ([]byte, error) { return os.ReadFile(filepath.Join(e.Root, path)) }

func (e exam) cpu(context.Context) []Finding {
	data, err := e.read("/proc/cpuinfo")
	if err != nil {
		return one(warn("", "the processor is not known: %v", err))
	}
	count, model := 0, "processor"
	var flags []string
	for sc := bufio.NewScanner(bytes.NewReader(data)); sc.Scan(); {
		key, value, _ := strings.Cut(sc.Text(), ":")
		switch strings.TrimSpace(key) {
		case "processor":
			count++
		case "model name":
			model = clip(strings.TrimSpace(value))
		case "flags":
			flags = strings.Fields(value)
		}
	}
	var lacks []string
	for _, f := range skylake {
		if len(flags) > 0 && !slices.Contains(flags, f) { // arm64 has none of them
			lacks = append(lacks, f)
		}
	}
	switch {
	case len(lacks) > 0:
		return one(fail("use a machine of Skylake's generation or newer, or pass the host's processor through to the virtual machine",
			"%s lacks %s: the node's prover and verifier would die", model, strings.Join(lacks, ", ")))
	case count < e.Floor.CPUs:
		return one(warn("", "%d virtual processors, and the role wants %d", count, e.Floor.CPUs))
	}
	return one(ok("%d times %s", count, model))
}

// nearly is the part of a floor that is enough: 8 GB machines say 7.7.
const nearly = 0.9

func (e exam) memory(context.Context) []Finding {
	data, err := e.read("/proc/meminfo")
	if err != nil {
		return one(warn("", "the memory is not known: %v", err))
	}
	total, free := meminfo(data, "MemTotal"), meminfo(data, "MemAvailable")
	seen := fmt.Sprintf("%s of memory, %s of it available", humanize.IBytes(total), humanize.IBytes(free))
	floor := uint64(float64(e.Floor.Memory) * nearly)
	switch {
	case total < floor/2:
		return one(fail("", "%s, and the role wants %s: the kernel would kill it", seen, humanize.IBytes(uint64(e.Floor.Memory))))
	case total < floor:
		return one(warn("", "%s, and the role wants %s", seen, humanize.IBytes(uint64(e.Floor.Memory))))
	}
	return one(ok("%s", seen))
}

// meminfo is a line of /proc/meminfo, which counts in KiB.
func meminfo(data []byte, name string) uint64 {
	for sc := bufio.NewScanner(bytes.NewReader(data)); sc.Scan(); {
		key, value, _ := strings.Cut(sc.Text(), ":")
		if fields := strings.Fields(value); key == name && len(fields) > 0 {
			n, _ := strconv.ParseUint(fields[0], 10, 54)
			return n << 10
		}
	}
	return 0
}

// oldestSystemd has what units of this program need.
const oldestSystemd = 247

func (e exam) systemd(context.Context) []Finding {
	switch {
	case e.Systemd == 0:
		return one(warn("", "the version of systemd is not known"))
	case e.Systemd < oldestSystemd:
		return one(fail("upgrade the distribution: Debian 11, Ubuntu 22.04 or newer", "systemd %d, and units need %d", e.Systemd, oldestSystemd))
	}
	list := one(ok("systemd %d", e.Systemd))
	if e.Systemd < 250 {
		list[0].Seen += ": keystores cannot be encrypted for the host, which 250 can"
	}
	switch e.State {
	case "degraded":
		list = append(list, warn("systemctl --failed; nodes run beside them", "units of this host failed: %s", strings.Join(e.Lost, ", ")))
	case "maintenance":
		list = append(list, fail("journalctl -b -p err; systemctl default", "this host is in rescue or emergency mode"))
	case "stopping":
		list = append(list, fail("wait until it is up again", "this host is shutting down"))
	}
	return list
}

// kernel looks for openat2 (5.6), with which images are unpacked, and for the
// unified control groups, without which limits and weights of units do nothing.
func (e exam) kernel(context.Context) []Finding {
	release, err := e.read("/proc/sys/kernel/osrelease")
	if err != nil {
		return one(warn("", "the kernel is not known: %v", err))
	}
	name := clip(strings.TrimSpace(string(release)))
	var major, minor int
	if _, err := fmt.Sscanf(name, "%d.%d", &major, &minor); err == nil && (major < 5 || major == 5 && minor < 6) {
		return one(fail("upgrade the kernel: Debian 11, Ubuntu 22.04 or newer", "Linux %s, and 5.6 is needed", name))
	}
	if _, err := os.Stat(filepath.Join(e.Root, "/sys/fs/cgroup/cgroup.controllers")); err != nil {
		return one(warn("boot without systemd.unified_cgroup_hierarchy=0", "Linux %s with control groups of version 1: weights and memory limits of units do nothing", name))
	}
	return one(ok("Linux %s", name))
}
