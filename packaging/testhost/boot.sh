# Runs one host from power on to power off, in a mount namespace of its own.
# $1 base tree, $2 the host's directory, $3 cgroup name, $4 how to make the root
# file system (overlay or copy); the rest is systemd-nspawn's command line.
# Descriptor 3 reaches its end when the owner has died.
set -eu
base=$1 dir=$2 group=/sys/fs/cgroup/$3 how=$4
shift 4

# The guest shall see version 2 in any case.
[ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ] || mount -t cgroup2 cgroup2 /sys/fs/cgroup
delegate() {
	for c in cpu io memory pids; do
		echo "+$c" >"$1/cgroup.subtree_control" || :
	done 2>/dev/null
}
# The root's controllers are systemd's to manage where systemd runs.
[ -d /run/systemd/system ] || delegate /sys/fs/cgroup
delegate "$group"

# This also ends the watcher, and the shell below it.
(
	cat <&3
	echo 1 >"$group/cgroup.kill"
) >/dev/null 2>&1 &
exec 3<&-

if [ "$how" = copy ] || ! mount -t overlay overlay \
	-o "lowerdir=$base,upperdir=$dir/upper,workdir=$dir/work" "$dir/root"; then
	cp -a --reflink=auto "$base/." "$dir/root/"
fi

# A connection to elsewhere may have the port that a test listens on, 40400 of a
# node before all, and keeps it for a minute after its end.
mkdir -p "$dir/root/etc/sysctl.d"
echo 'net.ipv4.ip_local_port_range = 49152 60999' >"$dir/root/etc/sysctl.d/90-testhost.conf"

# nspawn leaves locks and propagation directories there when it is killed.
mkdir -p /run/systemd/nspawn
mount -t tmpfs -o mode=0755 tmpfs /run/systemd/nspawn

# With --keep-unit nspawn leaves a reboot to its service manager and says so by
# exit code 133.
while :; do
	code=0
	(echo 0 >"$group/machine/cgroup.procs" && exec systemd-nspawn "$@") || code=$?
	[ "$code" = 133 ] || exit "$code"
done
