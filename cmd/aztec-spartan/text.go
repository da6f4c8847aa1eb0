package main

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

func join(list []string) string { return strings.Join(list, ", ") }

// allocated is what a file takes on disk, in bytes: stat(2) counts blocks of 512.
func allocated(fi fs.FileInfo) int64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512
	}
	return fi.Size()
}

// residentBytes is the resident memory of one process (proc(5), statm); 0 if
// there is none.
func residentBytes(pid uint32) uint64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	var size, resident uint64
	if _, err := fmt.Sscan(string(data), &size, &resident); err != nil {
		return 0
	}
	return resident * uint64(os.Getpagesize())
}
