#!/bin/sh
# Man pages and completions, as packages carry them: docs.sh BINARY DIST
set -eu
bin=$1 dist=$2
rm -rf "$dist/man" "$dist/completion"
mkdir -p "$dist/man" "$dist/completion"
for page in packaging/man/*.1; do
	gzip -9n <"$page" >"$dist/man/$(basename "$page").gz"
done
"$bin" completion bash >"$dist/completion/aztec-spartan.bash"
"$bin" completion zsh >"$dist/completion/_aztec-spartan"
"$bin" completion fish >"$dist/completion/aztec-spartan.fish"
