package main

import (
	"io/fs"
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
