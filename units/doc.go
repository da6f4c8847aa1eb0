// Package units turns one instance of an Aztec node into one systemd service
// unit.
//
// A unit is generated whole, for one instance and one version: it names the
// real path of its image's rootfs, the environment file of its generation and
// the command line of its version. Nothing is shared with another instance
// and nothing is looked up at run time, so that replacing one file by
// rename(2) replaces the version, its settings and its sandbox together, and
// replacing it again with the older file goes back. A template with drop-ins
// would need several files to change at once, and a symlink in RootDirectory=
// fails on systemd 252 (226/NAMESPACE).
//
// The section [X-AztecSpartan] of each unit, which systemd ignores by rule
// (systemd.unit(5): sections prefixed with X-), says which generation and
// image the unit is; see [Meta].
//
// Subpackages talk to the running system: units/manager over D-Bus,
// units/journal, units/probe over the node's RPC; units/roll changes what is
// running.
package units
