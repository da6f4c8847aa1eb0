#!/bin/sh
# deb: $1 is "configure"; rpm: $1 is the number of installed versions.
# Installs and upgrades start, stop and restart no node.
set -e
systemd-sysusers aztec-spartan.conf || true
systemd-tmpfiles --create aztec-spartan.conf || true
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
fi
