#!/bin/sh
# Runs fuzz targets for a time, all of a package or one: fuzz.sh TIME PACKAGE[:TARGET]...
#
# Go before 1.27 now and then takes the end of that time for a failure
# (golang/go#75804), and says "context deadline exceeded" with no input that
# fails. Such a target is run again, once.
set -eu
time=$1
shift
said=$(mktemp)
trap 'rm -f "$said"' EXIT

fuzz() { # PACKAGE TARGET
	code=$(mktemp)
	{ go test -run '^$' -fuzz "^$2\$" -fuzztime "$time" -fuzzminimizetime 5x "$1" 2>&1 || echo $? >"$code"; } | tee "$said"
	status=$(cat "$code")
	rm -f "$code"
	[ -z "$status" ]
}

for arg; do
	only='^Fuzz'
	case $arg in *:*) only="^${arg##*:}\$" ;; esac
	packages=$(go list "${arg%:*}") # in a command of its own: its failure ends this
	for pkg in $packages; do
		listed=$(go test -list "$only" "$pkg")
		targets=$(echo "$listed" | grep '^Fuzz' || true)
		# Of a pattern's packages most have none.
		case $arg in
		*...) ;;
		*) [ -n "$targets" ] || { echo "$arg: there is no such target" >&2; exit 1; } ;;
		esac
		for target in $targets; do
			echo "== $pkg $target for $time"
			fuzz "$pkg" "$target" && continue
			grep -q '^ *context deadline exceeded$' "$said" && ! grep -q 'Failing input' "$said" || exit 1
			echo "== $pkg $target again"
			fuzz "$pkg" "$target"
		done
	done
done
