#!/bin/sh
# Packages of one architecture from what is in DIST: package.sh VERSION ARCH DIST. NFPM is how to call nfpm.
set -eu
version=$1 arch=$2 dist=$3
umask 022
# Of a pattern's files nfpm takes the modes as they are.
chmod 644 packaging/systemd/* packaging/catalog/* packaging/polkit/* packaging/systemd-preset/*
VERSION=$version ARCH=$arch $NFPM package -p deb -t "$dist/aztec-spartan_$arch.deb"
# Only rpm takes its changelog from nfpm: what nfpm writes for Debian breaks lines in ways of its own. It knows documentation as such,
# of which nfpm wants each file by its name; the contents are last in nfpm.yaml.
{
	cat nfpm.yaml
	for page in "$dist"/doc/handbook/*; do
		echo "  - {src: $page, dst: /usr/share/doc/aztec-spartan/handbook/$(basename "$page"), type: doc, file_info: {mode: 0644}}"
	done
	echo "changelog: $dist/doc/changelog.yaml"
} >"$dist/nfpm-rpm.yaml"
VERSION=$version ARCH=$arch $NFPM package -f "$dist/nfpm-rpm.yaml" -p rpm -t "$dist/aztec-spartan_$arch.rpm"
rm "$dist/nfpm-rpm.yaml"
