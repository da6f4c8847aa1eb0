#!/bin/sh
# What tests need from the distribution, and further packages that are named; installs only what is missing. deps.sh --demo: what the
# demo needs, and nothing that looks at what is made (prometheus runs as soon as it is installed).
set -eu
# gpg: on Ubuntu, mmdebstrap has it look for the keys of Debian.
packages="systemd-container mmdebstrap debian-archive-keyring gpg util-linux"
if [ "${1:-}" != --demo ]; then
	# umoci, skopeo and prometheus (promtool) are oracles. strace ends pulls at every system call. btrfs-progs and e2fsprogs make stores on file systems that clone,
	# and on those with a limit of links.
	packages="$packages gcc libc6-dev umoci skopeo strace btrfs-progs e2fsprogs prometheus"
	# What looks at packages, makes repositories of them, runs what is for arm64, and shells to load completions.
	packages="$packages lintian rpmlint rpm groff-base apt-utils createrepo-c gnupg qemu-user-static zsh fish bash-completion $*"
fi
missing=
for p in $packages; do
	dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null | grep -qx installed || missing="$missing $p"
done
# The real image is assembled by npm, which machines often have from elsewhere.
command -v npm >/dev/null || missing="$missing npm"
command -v python3 >/dev/null || missing="$missing python3"
command -v make >/dev/null && command -v g++ >/dev/null || missing="$missing make g++"
command -v go >/dev/null || missing="$missing golang-go ca-certificates"
[ -z "$missing" ] && exit 0
if [ "$(id -u)" != 0 ]; then
	echo "missing packages:$missing (run as root to install them)" >&2
	exit 1
fi
echo "installing$missing"
# apt waits for the lock of dpkg, if it is told to, and never for those of its lists and archives, which the timers of a fresh machine
# hold for a while.
patient() {
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		"$@" && return
		sleep 5
	done
	"$@"
}
patient apt-get update -qq
# From 1.21 on, Go fetches the one of go.mod.
case $missing in
*golang-go*)
	minor=$(LC_ALL=C apt-cache policy golang-go | sed -n 's/^  Candidate: 2:1\.\([0-9]*\).*/\1/p')
	if [ "${minor:-0}" -lt 21 ]; then
		echo "this release's own Go is 1.${minor:-?}: install 1.21 or newer first, of its backports, golang-1.*-go, or https://go.dev/dl, and have it in PATH" >&2
		exit 1
	fi
	;;
esac
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # a list
patient apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-unsafe-io $missing >/dev/null
