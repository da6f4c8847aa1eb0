#!/bin/sh
# Data and keys are never removed by a package; running nodes keep running.
set -e
case "$1" in
purge)
	# Images can be had again; nothing else here can.
	if ! ls /etc/systemd/system/aztec-*@*.service >/dev/null 2>&1; then
		rm -rf /var/lib/aztec-spartan/images
	fi
	;;
esac
case "$1" in
remove | purge | 0)
	# Its program is gone. Whether it is enabled is kept for a package that comes back.
	systemctl stop aztec-update.timer 2>/dev/null || true
	# Nodes may still run, but nothing would keep the table up to date.
	nft delete table inet aztec_spartan 2>/dev/null || true
	;;
esac
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
fi
