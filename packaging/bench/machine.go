package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// machine is where a run took place.
type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory int64  `json:"memory_bytes"`
	Kernel string `json:"kernel"`
	System string `json:"system"`
}

func thisMachine() (machine, error) {
	text := map[string]string{}
	for _, file := range []string{"/proc/cpuinfo", "/proc/meminfo", "/etc/os-release"} {
		b, err := os.ReadFile(file)
		if err != nil {
			return machine{}, fmt.Errorf("describing the machine: %w", err)
		}
		text[file] = string(b)
	}
	memory, err := kilobytes(text["/proc/meminfo"], "MemTotal")
	if err != nil {
		return machine{}, fmt.Errorf("describing the machine: %w", err)
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return machine{}, fmt.Errorf("describing the machine: %w", err)
	}
	return machine{
		CPU:    or(property(text["/proc/cpuinfo"], "model name", ":"), runtime.GOARCH),
		Cores:  runtime.NumCPU(),
		Memory: memory,
		Kernel: unix.ByteSliceToString(name.Release[:]),
		System: strings.Trim(property(text["/etc/os-release"], "PRETTY_NAME", "="), `"`),
	}, nil
}

// property is the first value of a name in lines of "name SEPARATOR value".
func property(text, name, separator string) string {
	for l := range strings.Lines(text) {
		key, value, ok := strings.Cut(l, separator)
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
