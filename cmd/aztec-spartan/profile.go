//go:build profile

package main

import (
	"fmt"
	"os"
	"runtime/pprof"
)

// profile writes a CPU profile of this run to the file that the environment
// names. Only benchmarks are built with it: a program that root runs does not
// write wherever its environment says.
func profile() (stop func()) {
	name := os.Getenv("AZTEC_SPARTAN_CPUPROFILE")
	if name == "" {
		return func() {}
	}
	f, err := os.Create(name)
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "profiling:", err)
		os.Exit(1)
	}
	return func() {
		pprof.StopCPUProfile()
		if err := f.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "profiling:", err)
		}
	}
}
