#!/bin/sh
# Runs every fuzz target of some packages for a time: fuzz.sh TIME PACKAGE...
set -eu
time=$1
shift
for pkg in $(go list "$@"); do
	for target in $(go test -list '^Fuzz' "$pkg" | grep '^Fuzz' || true); do
		echo "== $pkg $target for $time"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 5x "$pkg"
	done
done
