// Command bench measures how this program and others get an image from a
// registry to a root file system. It runs from the root of the repository, as
// root:
//
//	go run ./packaging/bench -binary dist/aztec-spartan-amd64 -out dist/bench
//
// The registry serves the real image (packaging/realimage) on this machine. In
// each round every tool starts with an empty store, pulls the first version and
// then, into the same store, a second version of which one layer of four is
// another, and two rebuilds of the first, whose files differ in their mtimes
// only: those of one layer, and all. Rounds turn the order of the tools, and a
// ratio is the median of the ratios within rounds, so that what slows the
// machine for a while slows both sides of a comparison.
//
// Nothing else may use the machine meanwhile; what did is reported.
//
// The environment chooses:
//
//	BENCH_ROUNDS   how many rounds (default 5)
//	BENCH_TOOLS    keys of tools, separated by commas (default: all that are
//	               installed; this program always takes part)
//	BENCH_DIRS     directories for the stores, separated by commas (default
//	               /var/tmp,/dev/shm: a disk and memory); ext4, xfs or btrfs is
//	               a new file system on a loop device, 34 GiB of /var/tmp
//	BENCH_ALL      yes: every tool and every step in every round; otherwise the
//	               tools without a goal, and the rebuilds, have every fifth
//	BENCH_INSTALL  yes: install the tools that are missing, without asking
//
// In the directory -out it writes bench.md, the tables, and bench.json, every
// single sample, after each round; and the CPU profiles pull.pprof and
// update.pprof of this program with the heads of their tables beside them.
package main
