// Package testhost boots disposable Debian hosts for tests and demonstrations.
//
// What this project installs is systemd units, so a test that only renders them
// proves little: the questions are whether systemd accepts the sandbox, whether
// a start job means what it says, whether a reboot finds everything again. A
// Host answers them. It is a Debian of a chosen release with its own systemd as
// PID 1, D-Bus, journal, polkit and nftables, booted by systemd-nspawn in about
// half a second, and gone without a trace after Close.
//
// # Isolation
//
// Every host has its own file system, process tree, cgroup tree and network.
// The network has a loopback device and nothing else: hosts that run side by
// side never meet each other's ports and nothing leaves the machine, unless Connect
// lays a cable between two of them. A test
// offers a service to a host with Listen, files with Options.Binds.
//
// The file system is an overlay over a base tree that is built once per release
// and kept in the user's cache directory: a boot costs no copying, and what the
// host writes lands on the disk that holds the cache, with real fsync. On
// kernels or disks that cannot stack one (the cache lies on an overlay itself,
// as in most containers) the base is copied, reflinked where possible.
//
// The cgroup tree is always version 2, as on every release tested here, even if
// the machine outside is on version 1 or hybrid: the host gets a mount of the
// unified hierarchy in place of what is outside. Controllers which version 1
// keeps to itself outside (memory, cpu) are then missing, so that MemoryMax=
// and the like are accepted and have no effect. A container also has no say
// over the kernel: no modules, no sysctl outside of net, no clock. For what needs
// these there is a Machine, which has a kernel of its own under qemu, and takes
// minutes where a Host takes a second.
//
// # Lifetime
//
// All of a host's processes are in one cgroup and its mounts in one mount
// namespace, so killing the former is all that cleaning up takes. That happens
// on Close and, through a pipe that only the owner holds open, at the moment
// when the owning process dies in whatever way. The directory that is then left
// is removed by the next Boot of anyone, which knows by a lock on it (not by a
// process ID, which could be reused) that nobody owns it any more.
//
// # Requirements
//
// Root, Linux 5.14 or newer (cgroup.kill), a mounted cgroup version 2 hierarchy
// (on its own or beside version 1), and on Debian or Ubuntu the packages
//
//	systemd-container mmdebstrap debian-archive-keyring mount util-linux
//
// The first Boot of a release downloads some 60 MB from the Debian archive.
// The machine's own PID 1 need not be systemd.
package testhost
