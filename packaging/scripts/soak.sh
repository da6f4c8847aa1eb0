#!/bin/sh
# What is too long for CI: every fuzz target for an hour (FUZZTIME=1h). Results
# with their date go to packaging/soak.md.
set -eu
time=${FUZZTIME:-1h}
for pkg in $(go list ./...); do
	for target in $(go test -list '^Fuzz' "$pkg" | grep '^Fuzz' || true); do
		echo "== $pkg $target for $time"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$pkg"
	done
done
