#!/bin/bash
# Pulls the real image from a registry on this machine, with this program and
# with the other tools that are installed, RUNS times in turn: bench.sh BINARY
set -euo pipefail
bin=$1 runs=${RUNS:-5}
work=$(mktemp -d "${BENCH_DIR:-/var/tmp}/aztec-spartan-bench.XXXXXX")
trap 'kill $registry 2>/dev/null || true; rm -rf "$work"' EXIT
layout=$(go run ./packaging/realimage/build | sed -n 's/.*"layout": *"\([^"]*\)".*/\1/p')
go build -o "$work/serve" ./packaging/realimage/serve
"$work/serve" -layout "$layout" -listen 127.0.0.1:5055 & registry=$!
until (exec 3<>/dev/tcp/127.0.0.1/5055) 2>/dev/null; do kill -0 $registry; done
image=127.0.0.1:5055/aztecprotocol/aztec:4.1.2
declare -A tools=([aztec-spartan]="$bin pull $image --root $work/root")
command -v skopeo >/dev/null && command -v umoci >/dev/null &&
	tools[skopeo+umoci]="sh -c 'skopeo copy -q --src-tls-verify=false docker://$image oci:$work/oci:x && umoci unpack --image $work/oci:x $work/bundle'"
command -v crane >/dev/null && tools[crane+tar]="sh -c 'mkdir $work/tree && crane export $image - | tar x -C $work/tree'"
for ((i = 0; i < runs; i++)); do
	for name in "${!tools[@]}"; do
		rm -rf "$work"/{root,oci,bundle,tree}
		s=$(date +%s.%N)
		eval "${tools[$name]}" >/dev/null 2>&1
		echo "$name $(echo "$(date +%s.%N) - $s" | bc)" >>"$work/times"
	done
done
for name in "${!tools[@]}"; do
	printf '%-16s median %s s of %d\n' "$name" "$(awk -v n="$name" '$1 == n {print $2}' "$work/times" | sort -n | sed -n "$((runs / 2 + 1))p")" "$runs"
done
