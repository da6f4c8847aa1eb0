package units

import "strings"

// MountPoint is a file or directory that must exist in a rootfs before
// systemd can mount something there: the rootfs is read-only and nothing is
// ever created in it once it is published.
type MountPoint struct {
	Path string // absolute, inside the rootfs
	Dir  bool
}

// MountPoints lists what the sandbox mounts over.
func MountPoints() []MountPoint {
	var list []MountPoint
	for _, d := range []string{"/dev", "/proc", "/sys", "/run", "/tmp", "/var/tmp", "/var/lib", "/var/cache"} {
		list = append(list, MountPoint{Path: d, Dir: true})
	}
	for _, f := range []string{"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/passwd", "/etc/group"} {
		list = append(list, MountPoint{Path: f})
	}
	return list
}

func stateDir(instance string) string { return "/var/lib/aztec/" + instance }

// ResolvConf is the host's resolv.conf as services see it: a file bound into
// a mount namespace keeps its inode, and hosts replace /etc/resolv.conf by
// rename, so aztec-resolv.service copies it over the content of this one.
const ResolvConf = "/run/aztec-spartan/resolv.conf"

// umaskedMounts is the first systemd known not to make directories on the way
// to a mount with the service's own UMask=, so that the service cannot get
// through them: measured on 247 and 252. A tmpfs on each has mode 0755.
const umaskedMounts = 252

// sandbox is everything that takes rights away. Measured against a real node:
//   - MemoryDenyWriteExecute= kills V8, ProcSubset=pid hides the CPUs;
//   - without AF_NETLINK networkInterfaces() throws, and libp2p with it;
//   - LMDB maps 1.5 TB of address space: no LimitAS=.
func sandbox(s Service) []string {
	binds := []string{
		"-" + ResolvConf + ":/etc/resolv.conf",
		"-/etc/hosts",
		// os.userInfo() throws when the user is unknown.
		"/etc/passwd", "/etc/group",
	}
	binds = append(binds, s.Reads...)
	umask := "0077"
	var shared []string
	if s.CRS != "" {
		// What one instance downloads the others read, and make longer.
		umask = "0007"
		shared = []string{"BindPaths=" + s.CRS, "SupplementaryGroups=" + CRSGroup}
	}
	hidden := "/run:ro /var/lib:ro /var/cache:ro"
	if s.Systemd < umaskedMounts {
		hidden += " /run/credentials:ro /var/lib/aztec:ro /var/cache/aztec:ro"
	}
	lines := []string{
		"MountAPIVFS=yes",
		"BindReadOnlyPaths=" + strings.Join(binds, " "),
		// Mount points of the two directories below appear in these, not in the image.
		"TemporaryFileSystem=" + hidden,
		"StateDirectory=aztec/" + s.Instance,
		"StateDirectoryMode=0700",
		"CacheDirectory=aztec/" + s.Instance,
		"CacheDirectoryMode=0700",
		"UMask=" + umask,
		"NoNewPrivileges=yes",
		"CapabilityBoundingSet=",
		"AmbientCapabilities=",
		"ProtectSystem=strict",
		"ProtectHome=yes",
		"PrivateTmp=yes",
		"PrivateDevices=yes",
		"DevicePolicy=closed",
		"PrivateUsers=yes",
		"PrivateMounts=yes",
		"ProtectProc=invisible",
		"ProtectClock=yes",
		"ProtectHostname=yes",
		"ProtectKernelLogs=yes",
		"ProtectKernelModules=yes",
		"ProtectKernelTunables=yes",
		"ProtectControlGroups=yes",
		"RestrictNamespaces=yes",
		"RestrictRealtime=yes",
		"RestrictSUIDSGID=yes",
		"LockPersonality=yes",
		"RemoveIPC=yes",
		"KeyringMode=private",
		"RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
		"SystemCallArchitectures=native",
		"SystemCallFilter=@system-service @pkey",
		"SystemCallFilter=~@privileged",
		"SystemCallErrorNumber=EPERM",
		"LimitNOFILE=1048576",
		"LimitCORE=0", // a core would hold the keys
	}
	if s.Systemd >= 248 {
		lines = append(lines, "PrivateIPC=yes")
	}
	return append(lines, shared...)
}
