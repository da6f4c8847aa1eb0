//go:build packages

package packages

// suites are all releases that are supported.
var suites = []string{"bullseye", "bookworm", "trixie"}
