// Package packages holds the tests of the packages: what is in them, and what
// becomes of nodes when packages come, change and go.
//
// Tests with the tag booted are a part of `make test`: the checks that tools
// of the distributions make of the files, and all transitions of the deb on
// booted hosts. `make test-packages` (tag packages) adds what takes longer or
// needs the Debian archive: Debian 11, rpm, repositories and unattended
// upgrades, arm64, a release, and the README's install section word by word.
//
// Both want $AZTEC_SPARTAN_DEB, the deb that `make package` made, with the rpm
// beside it.
package packages
