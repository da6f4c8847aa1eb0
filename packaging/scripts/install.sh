#!/bin/sh
# The files of the Debian package, without a package: install.sh install|uninstall DIST ARCH. DESTDIR goes before every path,
# PREFIX is /usr, where the package has it, or /usr/local; settings are in /etc in any case. What is there of settings stays.
set -eu
act=$1 dist=$2 arch=$3
prefix=${PREFIX:-/usr}
# polkit reads no rules below /usr/local before version 124, and zsh looks for none of a vendor there.
rules=/etc/polkit-1/rules.d zsh=$prefix/share/zsh/site-functions
case "$prefix" in
/usr) rules=/usr/share/polkit-1/rules.d zsh=/usr/share/zsh/vendor-completions ;;
/usr/local) ;;
*) echo "PREFIX is /usr or /usr/local: systemd looks for units nowhere else" >&2 && exit 1 ;;
esac

# put MODE SOURCE PATH
put() {
	case "$act" in
	uninstall) rm -f "$DESTDIR$3" ;;
	install) install -D -m "$1" "$2" "$DESTDIR$3" ;;
	esac
}

# each MODE DIRECTORY SOURCE...
each() {
	mode=$1 dir=$2
	shift 2
	for source in "$@"; do
		put "$mode" "$source" "$dir/$(basename "$source")"
	done
}

# Units name the program by its path, and polkit's rules where those are.
told() {
	path=$2/$(basename "$1")
	put 644 "$1" "$path"
	if [ "$act" = install ] && [ "$prefix" != /usr ]; then
		sed -i "s|/usr/bin/aztec-spartan|$prefix/bin/aztec-spartan|g; s|/usr/lib/systemd/|$prefix/lib/systemd/|g" "$DESTDIR$path"
	fi
}

config() {
	if [ "$act" = install ] && [ ! -e "$DESTDIR$2" ]; then
		put 644 "$1" "$2"
	fi
}

: "${DESTDIR:=}"
live=
[ "$act" = uninstall ] || [ -x "$dist/aztec-spartan-$arch" ] || { echo "no $dist/aztec-spartan-$arch: make build first" >&2; exit 1; }
[ "$act" = uninstall ] || grep -qF "$prefix/bin/aztec-spartan" "$dist/aztec-spartan-$arch" || { echo "it was built for another place: make build PREFIX=$prefix first" >&2; exit 1; }
[ -n "$DESTDIR" ] || [ ! -d /run/systemd/system ] || live=yes
# What is enabled here goes before its units do. Nodes run on: only timers are stopped.
if [ "$act" = uninstall ] && [ -n "$live" ]; then
	cat packaging/systemd-preset/* | while read -r verb name; do
		[ -e "packaging/systemd/$name" ] || continue
		case "$name" in
		*.timer) systemctl --no-reload disable --now "$name" ;;
		*) systemctl --no-reload disable "$name" ;;
		esac || echo "systemctl disable $name failed" >&2
	done
fi
put 755 "$dist/aztec-spartan-$arch" "$prefix/bin/aztec-spartan"
for file in packaging/systemd/*; do
	told "$file" "$prefix/lib/systemd/system"
done
for by in nftables firewalld ufw; do
	wants=$DESTDIR$prefix/lib/systemd/system/$by.service.wants
	case "$act" in
	install) mkdir -p "$wants" && ln -sfn ../aztec-firewall.service "$wants/aztec-firewall.service" ;;
	uninstall) rm -f "$wants/aztec-firewall.service" && rmdir "$wants" 2>/dev/null || true ;;
	esac
done
each 644 "$prefix/lib/systemd/system-preset" packaging/systemd-preset/*
each 644 "$prefix/lib/systemd/catalog" packaging/catalog/*
for file in packaging/polkit/*; do
	told "$file" "$rules"
done
put 644 packaging/sysusers.conf "$prefix/lib/sysusers.d/aztec-spartan.conf"
put 644 packaging/tmpfiles.conf "$prefix/lib/tmpfiles.d/aztec-spartan.conf"
each 644 "$prefix/share/man/man1" "$dist"/man/man1/*
each 644 "$prefix/share/man/man5" "$dist"/man/man5/*
put 644 "$dist/completion/aztec-spartan.bash" "$prefix/share/bash-completion/completions/aztec-spartan"
put 644 "$dist/completion/_aztec-spartan" "$zsh/_aztec-spartan"
put 644 "$dist/completion/aztec-spartan.fish" "$prefix/share/fish/vendor_completions.d/aztec-spartan.fish"
each 644 "$prefix/share/aztec-spartan/metrics" packaging/metrics/alerts.yml packaging/metrics/dashboard.json
doc=$prefix/share/doc/aztec-spartan
put 644 packaging/copyright "$doc/copyright"
put 644 "$dist/doc/changelog.gz" "$doc/changelog.gz"
each 644 "$doc/handbook" "$dist"/doc/handbook/*
put 644 packaging/config/config.toml "$doc/examples/config.toml"
put 644 packaging/config/instance.toml "$doc/examples/instance.toml"
config packaging/config/config.toml /etc/aztec-spartan/config.toml
config packaging/needrestart.conf /etc/needrestart/conf.d/aztec-spartan.conf

case "$act" in
uninstall)
	rmdir "$DESTDIR$doc/examples" "$DESTDIR$doc/handbook" "$DESTDIR$doc" "$DESTDIR$prefix/share/aztec-spartan/metrics" "$DESTDIR$prefix/share/aztec-spartan" 2>/dev/null || true
	[ -z "$live" ] || systemctl daemon-reload
	echo "left: /etc/aztec-spartan, /var/lib/aztec-spartan (images), /var/lib/aztec (data of nodes), and nodes that run"
	;;
install)
	[ -z "$live" ] || {
		systemd-sysusers aztec-spartan.conf
		systemd-tmpfiles --create aztec-spartan.conf || true
		journalctl --update-catalog >/dev/null
		systemctl daemon-reload
		cat packaging/systemd-preset/* | while read -r verb name; do
			if [ "$verb" = enable ] && [ -e "packaging/systemd/$name" ]; then
				systemctl --no-reload preset "$name"
			fi
		done
	}
	;;
esac
