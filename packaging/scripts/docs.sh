#!/bin/sh
# Man pages, completions, changelogs and the handbook, as packages carry them: docs.sh VERSION DIST. Completions are made by a program for
# this machine, whatever the packages are for.
set -eu
version=$1 dist=$2
rm -rf "$dist/man" "$dist/completion" "$dist/doc"
mkdir -p "$dist/man/man1" "$dist/man/man5" "$dist/completion" "$dist/doc/handbook"
for page in packaging/man/*.[15]; do
	gzip -9n <"$page" >"$dist/man/man${page##*.}/$(basename "$page").gz"
done
env -u GOARCH go build -trimpath -buildvcs=false -o "$dist/completion/program" ./cmd/aztec-spartan
"$dist/completion/program" completion bash >"$dist/completion/aztec-spartan.bash"
"$dist/completion/program" completion zsh >"$dist/completion/_aztec-spartan"
"$dist/completion/program" completion fish >"$dist/completion/aztec-spartan.fish"
rm "$dist/completion/program"
env -u GOARCH go run ./packaging/changelog -version "$version" CHANGELOG.md | gzip -9n >"$dist/doc/changelog.Debian.gz"
env -u GOARCH go run ./packaging/changelog -version "$version" -format rpm CHANGELOG.md >"$dist/doc/changelog.yaml"
gzip -9n <CHANGELOG.md >"$dist/doc/changelog.gz"
# Without what is for the test of the handbook alone; README is not in the packages.
for page in packaging/handbook/*.md; do
	sed -e '/^<!-- .*-->$/d' -e '/^<!-- /,/^-->$/d' -e 's/^```\([a-z]*\) .*/```\1/' -e 's|](../../README.md#|](https://github.com/aztec-spartan/aztec-spartan#|g' "$page" |
		cat -s >"$dist/doc/handbook/$(basename "$page")"
done
