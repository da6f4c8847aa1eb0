//go:build booted && !packages

package packages

// suites are the releases that `make test` boots.
var suites = []string{"bookworm", "trixie"}
