#!/bin/sh
# deb: $1 is "configure"; rpm: $1 is the number of installed versions.
# Installs and upgrades start, stop and restart no node.
set -e
systemd-sysusers aztec-spartan.conf || true
systemd-tmpfiles --create aztec-spartan.conf || true
journalctl --update-catalog >/dev/null 2>&1 || true
systemctl --no-reload preset aztec-recover.service aztec-gate.service >/dev/null 2>&1 || true
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
	# The package came back to a host on which it had been switched on.
	if systemctl --quiet is-enabled aztec-update.timer 2>/dev/null; then
		systemctl start aztec-update.timer || true
	fi
fi
