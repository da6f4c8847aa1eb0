package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// referenceSize is that of the stub's reference string, which has a gigabyte in
// truth.
const referenceSize = 4096

// referenceTime is how long it takes to fetch, where the real one takes minutes.
const referenceTime = 500 * time.Millisecond

// reference has the reference string brought to CRS_PATH where real proofs are
// wanted: one that is there and long enough stays, any other is written anew,
// in place (bb.js, crs/node of 4.1.2).
func (c *cli) reference() error {
	dir, _ := c.env("CRS_PATH")
	real, set := c.env("PROVER_REAL_PROOFS")
	if dir == "" || set && !truthy(real) {
		return nil
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fatal(fmt.Sprintf("EACCES: permission denied, mkdir '%s'", dir))
	}
	file := filepath.Join(dir, "bn254_g1.dat")
	if info, err := os.Stat(file); err == nil && info.Size() >= referenceSize {
		fmt.Fprintf(c.stdout, "Using cached CRS of size %d\n", info.Size()/64)
		return nil
	}
	fmt.Fprintf(c.stdout, "Downloading CRS of size %d into %s\n", referenceSize/64, dir)
	time.Sleep(referenceTime)
	if err := os.WriteFile(file, make([]byte, referenceSize), 0o666); err != nil {
		return fatal(fmt.Sprintf("EACCES: permission denied, open '%s'", file))
	}
	return nil
}
