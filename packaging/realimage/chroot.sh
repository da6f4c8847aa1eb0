# chroot.sh ROOT DATA UID COMMAND...: runs in a mount namespace of its own, which
# ends with the command. The root is read-only, /tmp is private, DATA is on /mnt.
# exec all the way, so that a signal to this process reaches the command.
set -eu
root=$1 data=$2 uid=$3
shift 3
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount --bind "$data" "$root/mnt"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
exec chroot --userspec="$uid:$uid" "$root" "$@"
