// Package packages holds the tests of the packages: what is in them, and what
// becomes of nodes when packages come, change and go.
//
// Tests with the tag booted are a part of `make test`: the checks that tools
// of the distributions make of the files, all transitions of the deb and of
// the rpm on booted hosts, the repositories as dnf and as README's install
// section use them, word by word, and arm64 in an emulator. `make
// test-packages` (tag packages) adds a release, SELinux, and apt and
// unattended-upgrades on more than one release.
//
// Both want $AZTEC_SPARTAN_DEB, the deb that `make package` made, with the rpm
// beside it, and the Debian archive.
package packages
